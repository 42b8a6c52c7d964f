"""`energywrap recover`: reports of runs whose wrapper was killed."""

from __future__ import annotations

import os

import typer

from energywrap import recover as recovery
from energywrap.console import say


def recover() -> None:
    """Write the reports of runs that were cut off (the next run does so as well)."""
    found, complaints = recovery.sweep(os.environ)
    for each in found:
        typer.echo(each.path)
    for complaint in complaints:
        say(complaint)
    if not found:
        typer.echo("nothing to recover", err=True)
