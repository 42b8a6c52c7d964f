"""The package's own factor tables: tab-separated, one header line, no quoting (data/SOURCES.md)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table as dictionaries; an absent value is the empty string."""
    head, *lines = _bytes(name).decode().split("\n")[:-1]
    columns = head.split("\t")
    for line in lines:
        yield dict(zip(columns, line.split("\t"), strict=True))


def find(name: str, key: str) -> dict[str, str] | None:
    """The row whose first field is exactly this key, found without taking the others apart."""
    if "\t" in key or "\n" in key:
        return None
    data = _bytes(name)
    start = data.find(f"\n{key}\t".encode("utf-8", "replace"))
    if start < 0:
        return None
    columns, row = data[: data.index(b"\n")], data[start + 1 : data.index(b"\n", start + 1)]
    return dict(zip(columns.decode().split("\t"), row.decode().split("\t"), strict=True))


def _bytes(name: str) -> bytes:
    with open(os.path.join(FOLDER, f"{name}.tsv"), "rb") as file:
        return file.read()
