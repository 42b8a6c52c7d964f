"""Rows on standard output: a table for a person, tab-separated for a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

GAP, EDGES = 3, 2  # columns between two cells; at both ends of a row
FOLDED = 16  # columns that a cell of words needs at least: it may go over several lines


def listing(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, drop: Sequence[str] = (), words: str | None = None
) -> None:
    """Print rows under heads.

    Where a terminal is too narrow, columns are dropped in the order of `drop`; the column `words` may be
    folded. What is still too wide is folded as well: nothing is cut.
    """
    if not sys.stdout.isatty():
        for row in (heads, *rows):
            typer.echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(no_color=bool(os.environ.get("NO_COLOR")))
    shown = fitting(heads, rows, drop, words, console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index in shown:
        table.add_column(heads[index], overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[index]) for index in shown))
    console.print(table)
    gone = [head for index, head in enumerate(heads) if index not in shown]
    if gone:
        console.print(Text(f"no room for: {'; '.join(gone)}", style="dim"))


def fitting(
    heads: Sequence[str], rows: Sequence[Sequence[str]], drop: Sequence[str], words: str | None, width: int
) -> list[int]:
    """The numbers of the columns that there is room for; first those go in which no row says anything."""
    from rich.cells import cell_len

    shown = list(range(len(heads)))
    wide = [max(map(cell_len, column)) for column in zip(heads, *rows)]
    wide = [min(size, FOLDED) if head == words else size for head, size in zip(heads, wide)]
    silent = [head for head in drop if all(row[heads.index(head)] in ("-", "") for row in rows)]
    for head in dict.fromkeys((*silent, *drop)):
        if sum(wide[index] + GAP for index in shown) - GAP + EDGES <= width:
            break
        shown.remove(heads.index(head))
    return shown
