"""Words of other people inside Markdown: nothing but text, in a table, a line, an HTML comment. Pure."""

from __future__ import annotations

from energywrap.errors import printable
from energywrap.formats.ci import figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SENTENCE = 300  # letters
PLAIN = frozenset(" -./,=%+();")  # punctuation that means nothing inside a line of a table


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [row(heads), row(["---"] * len(heads)), *(row(cells) for cells in rows)]


def code(words: str) -> str:
    """Words of the user: nobody is mentioned and nothing is linked in an element of code."""
    return f"<code>{text(words)}</code>"


def sentence(words: str) -> str:
    """A sentence of ours that may hold words of the user."""
    return text(figures.shown(words, SENTENCE)).replace("&#64;", "&#64;&#8203;")


def text(words: str) -> str:
    """Text that is nothing but text in Markdown and in HTML: no line ends, no markup."""
    shown = printable(words).encode("utf-8", "backslashreplace").decode()
    spelt = "".join(
        letter if letter.isalnum() or letter in PLAIN or not letter.isascii() else f"&#{ord(letter)};"
        for letter in shown
    )
    return spelt.replace("www.", "www&#46;").replace("WWW.", "WWW&#46;")


def marker(words: str) -> str:
    """A line that a comment's body begins with, by which a workflow finds it again to update it.

    Names that would look alike without their odd letters are told apart by a part of their hash.
    """
    import hashlib

    plain = [letter.isascii() and (letter.isalnum() or letter in "._") for letter in words]
    kept = "".join(letter if fits else "-" for letter, fits in zip(words, plain))
    name = "-".join(part for part in kept.split("-") if part) or "runs"  # cannot end an HTML comment
    if name != words:
        name += f"-{hashlib.sha256(words.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"<!-- energywrap: {name} -->\n"
