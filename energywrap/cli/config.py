"""`energywrap config`: every setting, its value and where it came from."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from energywrap import config as settings_of
from energywrap.cli.listing import listing
from energywrap.console import say


def config(
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="Read settings from FILE, as run does.")
    ] = None,
) -> None:
    """Show each setting as a run started here would have it: its value and where it came from."""
    given = {"config": config} if config is not None else {}
    settings = settings_of.resolve(given, os.environ, settings_of.folder())
    rows = [(name, _shown(getattr(settings, name)), origin) for name, origin in settings.origin.items()]
    listing(("setting", "value", "from"), rows)
    for warning in settings.warnings:
        say(warning)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
