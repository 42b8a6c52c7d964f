"""Arguments that look like secrets, kept out of the report. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

REDACTED = "[redacted]"
# parts of a name, between separators: `--api-key`, `HF_TOKEN`, `dbPassword`
SECRET_WORDS = {"password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "tokens", "apikey",
                "credential", "credentials", "authorization", "bearer", "auth"}  # fmt: skip
SECRET_PAIRS = {("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("account", "key"),
                ("encryption", "key"), ("license", "key"), ("client", "secret")}  # fmt: skip
# how well-known tokens begin, wherever they stand
SECRET_STARTS = ("ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-", "hf_", "sk-", "sk_live_", "xoxb-",
                 "xoxp-", "AKIA", "ASIA", "AIza", "ya29.", "npm_", "pypi-", "eyJ")  # fmt: skip
SHORTEST_TOKEN = 16


def command(words: Sequence[str]) -> tuple[str, ...]:
    """The command with secrets replaced: `--token X`, `KEY=value`, URLs with a password, known tokens."""
    clean: list[str] = []
    hide_next = False
    for position, word in enumerate(words):
        if position == 0:
            clean.append(_url(word))
        elif hide_next and (not word.startswith("-") or (SECRET_STARTS and _is_token(word))):
            clean.append(REDACTED)
        else:
            clean.append(_word(word))
        hide_next = position > 0 and word.startswith("-") and "=" not in word and is_secret_name(word)
    return tuple(clean)


def is_secret_name(name: str) -> bool:
    """Whether an option's or a variable's name says that its value is a secret."""
    parts = _parts(name)
    pairs = zip(parts, parts[1:], strict=False)
    return any(part in SECRET_WORDS for part in parts) or any(pair in SECRET_PAIRS for pair in pairs) or (
        name.isupper() and parts[-1:] == ["key"] and len(parts) > 1
    )  # fmt: skip


def _word(word: str) -> str:
    if _is_token(word):
        return REDACTED
    name, equals, value = word.partition("=")
    if equals and value and (is_secret_name(name) or _is_token(value)):
        return f"{name}={REDACTED}"
    name, colon, value = word.partition(":")  # a header given as one word
    if colon and value and not value.startswith("//") and " " not in name and is_secret_name(name):
        return f"{name}: {REDACTED}"
    return _url(word)


def _is_token(word: str) -> bool:
    return len(word) >= SHORTEST_TOKEN and word.startswith(SECRET_STARTS) and " " not in word


def _url(word: str) -> str:
    """`scheme://user:password@host` without what stands before the @."""
    scheme, separator, rest = word.partition("://")
    authority = rest.split("/", 1)[0]
    if not separator or "@" not in authority:
        return word
    return f"{scheme}://{REDACTED}@{rest[authority.rindex('@') + 1 :]}"


def _parts(name: str) -> list[str]:
    """The words of a name in any of its spellings: kebab, snake, dotted or camel."""
    spaced = ""
    for before, letter in zip(" " + name, name, strict=False):
        spaced += (
            " " + letter if letter.isupper() and before.islower() else letter if letter.isalnum() else " "
        )
    return spaced.lower().split()
