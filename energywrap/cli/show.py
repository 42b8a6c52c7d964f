"""`energywrap show RUN`: a report as its table again."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from energywrap.cli.history import Ledger, settings_of
from energywrap.formats import document, table
from energywrap.ledger import named


def show(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="A report's file, a run's id or a part of it, last, last~2."),
    ],
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also NO_COLOR).")] = False,
    json: Annotated[bool, typer.Option("--json", help="The report itself.")] = False,
    ledger: Ledger = None,
) -> None:
    """Show a run's report as the table that the run printed."""
    report = named.report(run, settings_of(ledger), os.environ)
    if json:
        typer.echo(document.text(report), nl=False)
        return
    path = run if os.path.exists(run) else None
    sys.stdout.buffer.write(table.render(report, path, table.look(os.environ, 1, no_color)))
    sys.stdout.flush()
