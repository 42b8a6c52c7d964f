"""The package's own factor tables: tab-separated, one header line, no quoting (data/SOURCES.md).

They are installed files: one that is damaged is said, by a UserError that names it, and never used in part.
"""

from __future__ import annotations

import os

from energywrap.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
LARGEST = 1e9  # beyond, a number in a table is a slip


class Row(dict[str, str]):
    """A row by its columns; an absent value is the empty string, an absent column a damage."""

    table = ""

    def __missing__(self, column: str) -> NoReturn:
        damaged(self.table, f"it has no column {column}")


def rows(name: str, holding: str = "") -> Iterator[Row]:
    """The rows of a table; with a text, only those that hold it somewhere: taking all apart takes a while."""
    try:
        head, *lines = _bytes(name).decode().split("\n")[:-1]
    except ValueError:
        damaged(name, "it is empty, or no text")
    columns = head.split("\t")
    for line in lines:
        if holding in line:
            yield _row(name, columns, line.split("\t"))


def find(name: str, key: str) -> Row | None:
    """The row whose first field is exactly this key, found without taking the others apart."""
    if "\t" in key or "\n" in key:
        return None
    data = _bytes(name)
    start = data.find(f"\n{key}\t".encode("utf-8", "replace"))
    if start < 0:
        if b"\n" not in data:
            damaged(name, "it is empty")
        return None
    try:
        head, line = (
            data[: data.index(b"\n")].decode(),
            data[start + 1 : data.index(b"\n", start + 1)].decode(),
        )
    except ValueError:
        damaged(name, "it is cut off, or no text")
    return _row(name, head.split("\t"), line.split("\t"))


def number(row: Row, column: str, default: float | None = None) -> float:
    """The number in a column, not below 0; the default where the field is empty. Raises UserError."""
    text = row[column]
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LARGEST:
        damaged(row.table, f"{column} = {text!r} is no number that it can hold")
    return value


def damaged(name: str, how: str) -> NoReturn:
    """Raise UserError: a table is not as it was installed."""
    raise UserError(f"{_path(name)} is damaged: {how}", "install energywrap again")


def _row(name: str, columns: list[str], cells: list[str]) -> Row:
    if len(columns) != len(cells):
        damaged(name, f"a row has {len(cells)} fields, and {len(columns)} are named")
    found = Row(zip(columns, cells))
    found.table = name
    return found


def _bytes(name: str) -> bytes:
    try:
        with open(_path(name), "rb") as file:
            found = file.read()
    except OSError as err:
        raise UserError(f"cannot read {_path(name)}: {err.strerror}", "install energywrap again") from err
    if not found.endswith(b"\n"):
        damaged(name, "it is cut off, or empty")
    return found


def _path(name: str) -> str:
    return os.path.join(FOLDER, f"{name}.tsv")
