"""The package's own factor tables: tab-separated, one header line, no quoting (data/SOURCES.md)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table as dictionaries; an absent value is the empty string."""
    head, *lines = _text(name).splitlines()
    columns = head.split("\t")
    for line in lines:
        yield dict(zip(columns, line.split("\t"), strict=True))


def find(name: str, key: str) -> dict[str, str] | None:
    """The row whose first field is exactly this key, found without taking the others apart."""
    if "\t" in key or "\n" in key:
        return None
    text = _text(name)
    start = text.find(f"\n{key}\t")
    if start < 0:
        return None
    columns, row = text[: text.index("\n")], text[start + 1 : text.index("\n", start + 1)]
    return dict(zip(columns.split("\t"), row.split("\t"), strict=True))


def _text(name: str) -> str:
    with open(os.path.join(FOLDER, f"{name}.tsv"), encoding="utf-8") as file:
        return file.read()
