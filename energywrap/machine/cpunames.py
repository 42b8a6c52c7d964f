"""Names of processors: one spelling for each product, and which names name none."""

from __future__ import annotations

MARKS = ("(r)", "(tm)", "(c)", "®", "™")
# Words that makers, Windows and hypervisors put around the name of a product
NOISE = frozenset(
    ("advanced", "micro", "devices", "amd", "intel", "genuine", "cpu", "processor", "processors", "soc")
)
COUNTS = frozenset(("single", "dual", "triple", "quad", "six", "eight", "ten", "twelve", "sixteen"))
ENDS = frozenset(("with", "w/", "@", "radeon", "vega"))  # what follows is the clock or the graphics
# What hypervisors, samples and kernels write where a product's name should be
MADE_UP = ("virtual", "qemu", "kvm", "sample", "xx", "%", "cortex", "aarch64", "armv")
MAKERS = {"GenuineIntel": "intel", "AuthenticAMD": "amd", "HygonGenuine": "amd", "ARM": "arm", "Apple": "arm"}
MEMORY_TIERS = ("l", "m")  # of Xeon Scalable: more memory, otherwise the same part


def key(name: str) -> str:
    """The name in lower case without marks, clocks, core counts and words that name no product."""
    text = name.lower()
    for mark in MARKS:
        text = text.replace(f"{mark}-", "-").replace(mark, " ")
    words = []
    for word in _without_brackets(text).replace(",", " ").split():
        if word in ENDS:
            break
        words.append(word)
    words = _without_clocks(_without_generation(words))
    return " ".join(_with_version([word for word in words if word not in NOISE and not _is_count(word)]))


def is_product(key: str) -> bool:
    """Whether a key names an exact product: it holds a number of two digits, and nobody made it up."""
    number = any(a.isdigit() and b.isdigit() for a, b in zip(key, key[1:]))
    return number and not any(part in key for part in MADE_UP)


def spellings(key: str) -> tuple[str, ...]:
    """The key, and where it names the large-memory variant of a Xeon, the key of the plain part."""
    head, _, number = key.rpartition(" ")
    plain = number[:-1]
    if head.startswith("xeon ") and number.endswith(MEMORY_TIERS) and len(plain) == 4 and plain.isdecimal():
        return key, f"{head} {plain}"
    return (key,)


def is_model_of_hypervisor(name: str) -> bool:
    """Whether a hypervisor's choice of a named generation speaks: "(Skylake, IBRS)", "EPYC-Milan"."""
    text = name.lower()
    for mark in MARKS:
        text = text.replace(mark, " ")
    return not is_product(key(name)) and ("(" in text or "epyc-" in text or "qemu" in text or "kvm" in text)


def vendor(key: str) -> str | None:
    """Whose product it is by the first word of its key; None for a word that says nothing."""
    first = key.partition(" ")[0]
    if first in ("xeon", "core", "pentium", "celeron", "atom"):
        return "intel"
    if first in ("epyc", "ryzen", "athlon", "opteron", "phenom", "sempron") or first.startswith("epyc-"):
        return "amd"
    return "arm" if first.startswith(("graviton", "ampere", "apple", "axion", "cobalt", "grace")) else None


def _without_brackets(text: str) -> str:
    """The text outside round brackets; one that is never closed runs to the end."""
    kept, depth = [], 0
    for letter in text:
        depth += letter == "("
        kept.append(letter if not depth else " ")
        depth -= letter == ")" and depth > 0
    return "".join(kept)


def _without_generation(words: list[str]) -> list[str]:
    """Without the two words of "11th Gen"."""
    if len(words) > 1 and words[1] == "gen" and words[0][:-2].isdecimal():
        return words[2:]
    return words


def _without_clocks(words: list[str]) -> list[str]:
    """Without "2.20ghz", and without "2.20 ghz"."""
    kept: list[str] = []
    for word in words:
        if word == "ghz" and kept:
            kept.pop()
        elif not (word.endswith("ghz") and word[:1].isdigit()):
            kept.append(word)
    return kept


def _is_count(word: str) -> bool:
    """Whether the word says how many cores there are: "64-core", "eight-core"."""
    number, dash, unit = word.rpartition("-")
    return bool(dash) and unit in ("core", "cores") and (number.isdecimal() or number in COUNTS)


def _with_version(words: list[str]) -> list[str]:
    """The version of a Xeon E3, E5 or E7 as a word of its own; the 0 that stood for the first one falls."""
    found: list[str] = []
    for word in words:
        of_xeon = bool(found) and found[-1].startswith(("e3-", "e5-", "e7-"))
        body, mark, version = word.rpartition("v")
        if word.startswith(("e3-", "e5-", "e7-")) and mark and version.isdecimal():
            found += [body, f"v{version}"]
        elif not (of_xeon and word == "0"):
            found.append(word)
    return found
