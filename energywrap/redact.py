"""Arguments that look like secrets, kept out of the report. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

REDACTED = "[redacted]"
# words of an option's or a variable's name: `--db-password`, `clientSecret`
SECRET_WORDS = {"password", "passwd", "passphrase", "secret", "secrets", "apikey", "credential",
                "credentials", "authorization", "bearer"}  # fmt: skip
SECRET_PAIRS = {("api", "key"), ("access", "key"), ("private", "key"), ("account", "key"),
                ("encryption", "key"), ("license", "key")}  # fmt: skip
SECRET_ENDS = {"token", "pass", "auth"}
SECRET_TAILS = ("password", "passwd")  # PGPASSWORD
# `--pad-token`, `--max-token`: vocabulary of language models, not of authentication
PLAIN_TOKENS = {"max", "num", "n", "pad", "eos", "bos", "unk", "mask", "sep", "cls", "stop", "special",
                "per", "image", "audio", "start", "end"}  # fmt: skip
PLAIN_ENDS = {"file", "path", "dir", "name", "env", "type", "size", "length", "id"}
# how well-known tokens begin, and the characters beside letters and digits that may follow
TOKEN_STARTS = (("ghp_", ""), ("gho_", ""), ("ghs_", ""), ("ghu_", ""), ("github_pat_", "_"),
                ("glpat-", "_-"), ("hf_", ""), ("npm_", ""), ("AKIA", ""), ("ASIA", ""), ("sk-", "_-"),
                ("sk_live_", ""), ("xoxb-", "-"), ("xoxp-", "-"), ("AIza", "_-"), ("pypi-", "_-"),
                ("ya29.", "._-"), ("eyJ", "._-"))  # fmt: skip
SHORTEST_TOKEN = 20
QUOTES = "'\""


def command(words: Sequence[str]) -> tuple[str, ...]:
    """The command with secrets replaced: `--token X`, `KEY=value`, headers, URLs' passwords, known tokens."""
    return tuple(words[:1]) + tuple(_words(words[1:]))


def is_secret_name(name: str) -> bool:
    """Whether an option's or a variable's name says that its value is a secret."""
    if "/" in name:
        return False  # a path
    parts = _parts(name.rpartition(".")[2])
    if not parts or (parts[-1] in PLAIN_ENDS and len(parts) > 1 and "secret" not in parts):
        return False
    last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
    return (
        any(part in SECRET_WORDS or part.endswith(SECRET_TAILS) for part in parts)
        or any(pair in SECRET_PAIRS for pair in zip(parts, parts[1:]))
        or (last in SECRET_ENDS and before not in PLAIN_TOKENS)
        or (last == "pwd" and bool(before))
        or (last == "key" and bool(before) and name.isupper())
    )


def _words(words: Sequence[str]) -> list[str]:
    clean: list[str] = []
    hide_next, before = False, ""
    for word in words:
        name = word.lstrip(QUOTES)
        if hide_next and not word.startswith("--") and not (word.isdigit() and _is_token_name(before)):
            clean.append(REDACTED)
        elif any(character.isspace() for character in word):
            clean.append(_script(word))
        else:
            clean.append(_word(word))
        hide_next = name.startswith("-") and "=" not in name and is_secret_name(name)
        before = name
    return clean


def _script(text: str) -> str:
    """Several words in one argument (`sh -c '...'`, a header): each by the same rules."""
    head, colon, _ = text.partition(": ")
    if colon and " " not in head and is_secret_name(head):
        return f"{head}: {REDACTED}"
    pieces, clean, quoted = text.split(" "), [], ""
    for piece in pieces:
        if quoted:  # inside a header whose value is hidden up to its closing quote
            quoted = "" if quoted in piece else quoted
            continue
        name = piece.lstrip(QUOTES)
        if name.endswith(":") and piece[0] in QUOTES and is_secret_name(name[:-1]):
            clean.append(f"{piece} {REDACTED}{piece[0]}")
            quoted = piece[0]
        else:
            clean.append(piece)
    return " ".join(_words(clean)) if len(clean) > 1 else _word(clean[0])


def _word(word: str) -> str:
    if _is_token(word):
        return REDACTED
    name, equals, value = word.partition("=")
    if "://" in name:
        return _url(word)
    if equals and value and (_hides(name, value) or _is_token(value)):
        return f"{name}={REDACTED}"
    return f"{name}={_url(value)}" if equals else word


def _hides(name: str, value: str) -> bool:
    bare = name.lstrip(QUOTES)
    return is_secret_name(bare) and not (value.isdigit() and _is_token_name(bare))


def _is_token_name(name: str) -> bool:
    """Tokens are also what language models count: a number is none of the secret kind."""
    return _parts(name)[-1:] == ["token"]


def _is_token(word: str) -> bool:
    bare = word.strip(QUOTES)
    for start, others in TOKEN_STARTS:
        rest = bare[len(start) :]
        if bare.startswith(start) and len(bare) >= SHORTEST_TOKEN:
            plain = all(c.isalnum() or c in others for c in rest)
            return plain and any(c.isdigit() for c in rest)
    return False


def _url(word: str) -> str:
    """`scheme://user:password@host?key=value` without user and password, and without secret values."""
    scheme, separator, rest = word.partition("://")
    if not separator:
        return word
    end = min((rest.index(mark) for mark in "/?#" if mark in rest), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    if "@" in authority:
        authority = f"{REDACTED}@{authority.rpartition('@')[2]}"
    path, question, query = tail.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    shown = "&".join(f"{k}={REDACTED}" if e and v and _hides(k, v) else k + e + v for k, e, v in pairs)
    return scheme + separator + authority + path + question + shown


def _parts(name: str) -> list[str]:
    """The words of a name in any of its spellings: kebab, snake, dotted or camel."""
    spaced = ""
    for before, letter in zip(" " + name, name):
        camel = letter.isupper() and before.islower()
        spaced += f" {letter}" if camel else letter if letter.isalnum() else " "
    return spaced.lower().split()


def setting(name: str, value: str | float | bool | None) -> str | float | bool | None:
    """The value of a setting as a report may hold it: the address of a ledger without its password."""
    if name != "ledger" or not isinstance(value, str):
        return value
    return address(value) if "://" in value else value


def address(url: str) -> str:
    """The address of a ledger without its password, in front of the host or in the query."""
    scheme, mark, rest = url.partition("://")
    end = min((rest.index(sign) for sign in "/?" if sign in rest), default=len(rest))
    authority, tail = rest[:end], rest[end:]
    user, at, host = authority.rpartition("@")
    if at and ":" in user:
        authority = f"{user.partition(':')[0]}:***@{host}"
    path, question, query = tail.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    shown = "&".join(f"{key}=***" if "password" in key else key + sign + value for key, sign, value in pairs)
    return scheme + mark + authority + path + question + shown
