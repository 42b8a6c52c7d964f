"""`energywrap recover`: reports of runs whose wrapper was killed."""

from __future__ import annotations

import os

import typer

from energywrap import recover as recovery


def recover() -> None:
    """Write the reports of runs that were cut off (the next run does so as well)."""
    found = recovery.sweep(os.environ)
    for each in found:
        typer.echo(each.path)
    if not found:
        typer.echo("nothing to recover", err=True)
