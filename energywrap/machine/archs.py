"""Generations of processors: which one a processor's numbers mean, whose it is, and what it goes with."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError
from energywrap.machine import cpunames
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

TABLE = "cpuid"
BARTLETT = "bartlett"  # Xeon 63xxP: it has no numbers of its own, but the power model knows it
CLIENT_WORDS = ("core", "ryzen", "n97", "n100", "n200", "apple")
WORKSTATIONS = ("ryzen threadripper",)
CLIENT_ARCHS = frozenset(
    ("skylake-client", "kabylake", "coffeelake", "rocketlake", "raptorlake", "arrowlake", BARTLETT)
    + ("zen4-am5", "zen5-am5")
)
MEMORY = {
    "ddr3": ("nehalem", "westmere", "sandybridge", "ivybridge", "bulldozer", "piledriver"),
    "ddr4": ("skylake-sp", "cascadelake", "cooperlake", "icelake-sp", "neoverse-n1"),
    "ddr5": ("sapphirerapids", "emeraldrapids", "graniterapids", "sierraforest", "neoverse-v1", "neoverse-n2")
    + ("zen4", "zen4c", "zen5", "zen5c", "zen4-am5", "zen5-am5"),
}  # of the generation; empty where it had more than one kind
SERVER_MEMORY = {"haswell": "ddr4", "broadwell": "ddr4", "zen1": "ddr4", "zen2": "ddr4", "zen3": "ddr4"}


@record
class Generation:
    """What the processor's numbers say: its generation, and why that may not be believed."""

    arch: str | None
    doubt: str | None = None


def generation(
    vendor: str, family: str, model: str, stepping: str, flags: Collection[str], *, strict: bool
) -> Generation:
    """The generation of these numbers, if the flags do not belie them.

    A flag that the generation cannot have belies them always. A flag that it must have is often masked by
    hypervisors, so its absence counts only where one has made the numbers up (`strict`).
    """
    vendor = vendor.replace("HygonGenuine", "AuthenticAMD")
    for row in tables.rows(TABLE, holding=f"\t{vendor}\t{family}\t"):
        if (vendor, family) != (row["vendor"], row["family"]) or not _within(model, row["models"]):
            continue
        if row["steppings"] and not _within(stepping, row["steppings"]):
            continue
        if flags and row["lacks"] in flags:
            return Generation(None, f"{row['arch']} has no {row['lacks']}, and this processor has")
        if flags and strict and row["has"] and row["has"] not in flags:
            return Generation(None, f"{row['arch']} has {row['has']}, and this processor has not")
        return Generation(row["arch"])
    return Generation(None)


def known(arch: str) -> str:
    """The generation that a user names. Raises UserError for one that the table does not have."""
    names = sorted({row["arch"] for row in tables.rows(TABLE)} | {BARTLETT})
    if arch not in names:
        raise UserError(f"arch {arch!r} is unknown", f"one of: {', '.join(names)}")
    return arch


def vendor(arch: str) -> str | None:
    """Who makes processors of a generation: "intel", "amd" or "arm"."""
    makers = {row["arch"]: row["vendor"] for row in tables.rows(TABLE)}
    return cpunames.MAKERS.get(makers.get(arch, ""), "intel" if arch == BARTLETT else None)


def is_client(key: str | None, arch: str | None, board: str = "") -> bool | None:
    """Whether it is a part for desktops, laptops or small boards; None: not known.

    A board that a device tree names is none of a server's, which describe themselves by ACPI.
    """
    if board:
        return True
    if key and key.startswith(CLIENT_WORDS):
        return not key.startswith(WORKSTATIONS)
    if arch is None:
        return None
    return arch in CLIENT_ARCHS


def memory_kind(arch: str | None, client: bool | None) -> str | None:
    """The kind of memory that all machines of a generation have; None where there were several."""
    if client is False and arch in SERVER_MEMORY:
        return SERVER_MEMORY[arch]
    return next((kind for kind, generations in MEMORY.items() if arch in generations), None)


def _within(number: str, ranges: str) -> bool:
    """Whether a number is the given one or lies in the given range."""
    first, dash, last = ranges.partition("-")
    if not dash:
        return number == ranges
    return number.isdecimal() and int(first) <= int(number) <= int(last)
