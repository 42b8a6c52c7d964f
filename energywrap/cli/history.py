"""`energywrap history`: the runs of the ledger."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone
from typing import Annotated

import typer

from energywrap import config
from energywrap.cli.listing import listing
from energywrap.console import say
from energywrap.errors import UserError, printable
from energywrap.formats.quantities import grams, joules, seconds
from energywrap.grid.slots import duration_s
from energywrap.ledger import named
from energywrap.ledger.entry import COLUMNS, Entry
from energywrap.ledger.sql import Filter

HEADS = ("id", "started", "took", "energy", "CO2e", "basis", "grade", "status", "project", "label", "command")
DROPPED = ("basis", "grade", "project", "command", "CO2e", "took", "label", "status")  # in a narrow terminal
LONGEST, SHORT = 48, 8  # letters of a command, and of an id for a person: the beginning of one is enough

Project = Annotated[str | None, typer.Option("--project", "-p", metavar="TEXT", help="Of this project.")]
Label = Annotated[str | None, typer.Option("--label", "-l", metavar="TEXT", help="With this label.")]
Stage = Annotated[str | None, typer.Option("--stage", metavar="STAGE", help="Of this stage.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="WHEN", help="Started since 7d, 2026-11-01 or 2026-11-01T12:00."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Started before.")]
Ledger = Annotated[str | None, typer.Option("--ledger", metavar="FILE|URL", help="This ledger.")]


def history(
    project: Project = None,
    label: Label = None,
    stage: Stage = None,
    command: Annotated[
        str | None, typer.Option("--command", metavar="TEXT", help="With this in its command line.")
    ] = None,
    branch: Annotated[str | None, typer.Option("--branch", metavar="NAME", help="On this branch.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="The newest N.")] = 20,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, every column.")] = False,
    ledger: Ledger = None,
) -> None:
    """List the runs of the ledger, the newest first."""
    wanted = Filter(
        project, label, stage, command, branch, moment_s("--since", since), moment_s("--until", until)
    )
    store = named.opened(settings_of(ledger), os.environ)
    try:
        found = store.history(wanted, None if every else limit)
    finally:
        store.close()
    if json:
        _as_json(found)
    elif csv:
        _as_csv(found)
    elif found:
        short = SHORT if sys.stdout.isatty() else None
        listing(HEADS, [_row(entry, short) for entry in found], drop=DROPPED, words="command")
    else:
        say("no run in the ledger is like that")


def settings_of(ledger: str | None) -> config.Settings:
    """The settings of here, with the ledger that a flag names."""
    return config.resolve({"ledger": ledger} if ledger is not None else {}, os.environ, config.folder())


def moment_s(option: str, text: str | None, zone: timezone | None = None) -> float | None:
    """Seconds since 1970 of a date, of a time, or of so long ago. Raises UserError.

    Local time, unless the text or a zone says otherwise.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return time.time() - duration_s(text, option)
    except UserError as mistake:
        raise UserError(
            f"{option} {text!r} is no time", "write it like 7d, 2026-11-01 or 2026-11-01T12:00"
        ) from mistake


def _row(entry: Entry, letters: int | None) -> tuple[str, ...]:
    status = "?" if entry.exit_code is None else str(entry.exit_code)
    command = entry.command if len(entry.command) <= LONGEST else f"{entry.command[:LONGEST]}..."
    return (
        entry.run_id[:letters],
        time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.started_at_s)),
        seconds(entry.duration_s),
        joules(entry.energy_j),
        grams(entry.co2e_g),
        entry.basis,
        entry.grade,
        status,
        printable(entry.project or "-"),
        printable(entry.label or "-"),
        "".join(letter if letter.isprintable() else " " for letter in command),
    )


def _as_json(found: list[Entry]) -> None:
    import json

    rows = [dict(zip(COLUMNS, entry.values())) for entry in found]
    typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))


def _as_csv(found: list[Entry]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(entry.values() for entry in found)
