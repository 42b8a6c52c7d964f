"""`energywrap total`: what many runs come to."""

from __future__ import annotations

import os
import sys
from datetime import timezone
from typing import Annotated

import typer

from energywrap.cli.history import Label, Ledger, Project, Since, Stage, Until, moment_s, settings_of
from energywrap.cli.listing import listing
from energywrap.console import say
from energywrap.errors import UserError, printable
from energywrap.formats.quantities import grams, joules, seconds
from energywrap.ledger import named
from energywrap.ledger.sql import KEYS, Filter
from energywrap.ledger.store import Sum

DROPPED = ("CO2e, share", "time", "P10 to P90", "command's share")  # in a narrow terminal
HEADS = ("runs", "time", "energy", "P10 to P90", "command's share", "CO2e", "CO2e, share")


def total(
    by: Annotated[
        str, typer.Option("--by", metavar="KEY", help="project, stage, label, month, day or host.")
    ] = "project",
    project: Project = None,
    label: Label = None,
    stage: Stage = None,
    since: Since = None,
    until: Until = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    ledger: Ledger = None,
) -> None:
    """Sum the runs of the ledger by project, stage (training, tuning, inference, data), label, month or host.

    Times are taken by whole days in UTC. Bounds are added, as if all errors went the same way. A dash: not
    every run knows it (other tools' runs have no bounds).
    """
    if by not in KEYS:
        raise UserError(f"--by {by!r} is nothing to sum by", f"one of {', '.join(KEYS)}")
    wanted = Filter(
        project,
        label,
        stage,
        since_s=moment_s("--since", since, timezone.utc),  # sums are of days in UTC
        until_s=moment_s("--until", until, timezone.utc),
    )
    store = named.opened(settings_of(ledger), os.environ)
    try:
        found = store.totals(by, wanted)
        # not of the rows: two labels may have a run that was inside another
        whole = store.totals("month", wanted) if sys.stdout.isatty() and len(found) > 1 else []
    finally:
        store.close()
    if json:
        _as_json(found)
    elif found:
        more = [_row(_together(whole))] if whole else []
        listing((by, *HEADS), [*map(_row, found), *more], drop=DROPPED, words=by)
    else:
        say("no run in the ledger is like that")


def _row(found: Sum) -> tuple[str, ...]:
    return (
        printable(found.key or "-"),
        str(found.runs),
        seconds(found.duration_s),
        joules(found.energy_j),
        "-"
        if found.energy_low_j is None
        else f"{joules(found.energy_low_j)} to {joules(found.energy_high_j)}",
        joules(found.command_j),
        grams(found.co2e_g),
        grams(found.command_co2e_g),
    )


def _together(found: list[Sum]) -> Sum:
    """All of them: a last row for a person. Of a number that not all know there is no sum."""

    def of(name: str) -> float | None:
        values = [getattr(each, name) for each in found]
        return None if None in values else sum(values)

    names = [name for name in Sum.__annotations__ if name not in ("key", "runs")]
    amounts = {name: of(name) for name in names}
    return Sum(key="all", runs=sum(each.runs for each in found), **amounts)  # type: ignore[arg-type]


def _as_json(found: list[Sum]) -> None:
    import json

    rows = [{name: getattr(each, name) for name in Sum.__annotations__} for each in found]
    typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
