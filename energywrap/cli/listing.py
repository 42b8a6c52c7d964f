"""Rows on standard output: a table for a person, tab-separated for a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

NARROW = 100


def listing(heads: Sequence[str], rows: Sequence[Sequence[str]], *, dispensable: int = 0) -> None:
    """Print rows under heads; the last `dispensable` columns only where there is room."""
    if not sys.stdout.isatty():
        for row in (heads, *rows):
            typer.echo("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(no_color=bool(os.environ.get("NO_COLOR")))
    shown = len(heads) - (dispensable if console.width < NARROW else 0)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads[:shown]:
        table.add_column(head)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row[:shown]))
    console.print(table)
