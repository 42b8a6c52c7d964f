"""`energywrap trend`: the ledger over time, as a plot in the terminal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timezone
from typing import Annotated

import typer

from energywrap.cli.history import Label, Ledger, Project, Since, Stage, Until, moment_s, settings_of
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats.quantities import grams, joules, seconds
from energywrap.ledger import named
from energywrap.ledger.sql import Filter
from energywrap.ledger.store import Sum

AMOUNTS = {
    "energy": ("energy_j", joules),
    "co2e": ("co2e_g", grams),
    "time": ("duration_s", seconds),
    "runs": ("runs", lambda value: f"{value:.0f}"),
}
WIDEST = 120  # columns


def trend(
    of: Annotated[str, typer.Option("--of", metavar="WHAT", help="energy, co2e, time or runs.")] = "energy",
    by: Annotated[str, typer.Option("--by", metavar="STEP", help="day or month.")] = "day",
    project: Project = None,
    label: Label = None,
    stage: Stage = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="The last N steps.")] = 31,
    ledger: Ledger = None,
) -> None:
    """Plot what the runs of the ledger came to, by days or months; those without a run are left out."""
    if of not in AMOUNTS:
        raise UserError(f"--of {of!r} is nothing to plot", f"one of {', '.join(AMOUNTS)}")
    if by not in ("day", "month"):
        raise UserError(f"--by {by!r} is no step", "day or month")
    wanted = Filter(
        project,
        label,
        stage,
        since_s=moment_s("--since", since, timezone.utc),  # sums are of days in UTC
        until_s=moment_s("--until", until, timezone.utc),
    )
    store = named.opened(settings_of(ledger), os.environ)
    try:
        found = store.totals(by, wanted)[-limit:]
    finally:
        store.close()
    if not found:
        say("no run in the ledger is like that")
    for line in plot(found, of, shutil.get_terminal_size((80, 24)).columns):
        typer.echo(line)


def plot(found: list[Sum], of: str, width: int) -> list[str]:
    """A bar for each step, in proportion to the largest; what not every run knows has a question mark."""
    name, words = AMOUNTS[of]
    values = [getattr(each, name) for each in found]
    most = max((value for value in values if value is not None), default=0.0) or 1.0
    ends = ["" if of == "runs" else f" {each.runs} run{'' if each.runs == 1 else 's'}" for each in found]
    heads = [f"{each.key:10} {_shown(value, words):>9} " for each, value in zip(found, values)]
    taken = max((len(head) + len(end) for head, end in zip(heads, ends)), default=0)
    room = max(1, min(WIDEST, width) - taken)
    lines = []
    for head, value, end in zip(heads, values, ends):
        bar = "?" if value is None else "#" * max(1 if value else 0, round(room * value / most))
        lines.append(f"{head}{bar}{end}".rstrip())
    return lines


def _shown(value: float | None, words: Callable[[float], str]) -> str:
    return "-" if value is None else words(value)
