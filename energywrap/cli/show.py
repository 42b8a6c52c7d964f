"""`energywrap show FILE`: a saved report as its table again."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from energywrap import reportfile
from energywrap.formats import document, table


def show(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A JSON report that `energywrap run` wrote.")],
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also NO_COLOR).")] = False,
) -> None:
    """Show a saved report as the table that the run printed."""
    report = document.parse(reportfile.read(file), file)
    sys.stdout.buffer.write(table.render(report, file, table.look(os.environ, 1, no_color)))
    sys.stdout.flush()
