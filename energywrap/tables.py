"""The package's own factor tables: tab-separated, one header line, no quoting (data/SOURCES.md)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table as dictionaries; an absent value is the empty string."""
    with open(os.path.join(FOLDER, f"{name}.tsv"), encoding="utf-8") as file:
        columns = file.readline().rstrip("\n").split("\t")
        for line in file:
            yield dict(zip(columns, line.rstrip("\n").split("\t"), strict=True))


def find(name: str, column: str, value: str) -> dict[str, str] | None:
    """The first row whose column holds exactly this value."""
    return next((row for row in rows(name) if row[column] == value), None)
