"""Words on the command line that stand for runs: a file, an id, several, or everything of a label."""

from __future__ import annotations

import os
from collections.abc import Sequence

from energywrap import comparison
from energywrap.cli.history import settings_of
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.ledger import entry, named
from energywrap.ledger.sql import Filter
from energywrap.model import RunReport
from energywrap.record import replace

FIELDS = ("label", "project", "stage", "branch")


def is_set(text: str) -> bool:
    """Whether a word stands for whatever has a label, project, stage or branch."""
    field, equals, _ = text.partition("=")
    return bool(equals) and field in FIELDS


def working(reports: Sequence[RunReport], text: str) -> list[RunReport]:
    """Without those that failed or were cut off, which is said; all of them where none worked."""
    found = [report for report in reports if not comparison.failed(report)]
    if found and len(found) < len(reports):
        say(
            f"{len(reports) - len(found)} of {len(reports)} runs with {text} failed or were cut off: left out"
        )
    return found or list(reports)


def runs_of(text: str, ledger: str | None) -> list[RunReport]:
    """The reports that a word stands for. Raises UserError where there is none."""
    settings = settings_of(ledger)
    field, _, value = text.partition("=")
    if not is_set(text):
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            raise UserError(f"{text!r} names no run", "give an id, last, last~2, a file, or label=NAME")
        return [named.report(name, settings, os.environ) for name in names]
    store = named.opened(settings, os.environ)
    try:
        runs = store.history(replace(Filter(), **{field: value}))
        kept = [(run.run_id, store.report(run.run_id)) for run in runs]
    finally:
        store.close()
    found = [entry.unpacked(data, run_id) for run_id, data in kept if data is not None]
    if len(found) < len(kept):
        say(f"{len(kept) - len(found)} more runs have {text}: of other tools, without a report to compare")
    if not found:
        raise UserError(f"no run in the ledger has {text}", "`energywrap history` lists them")
    return found
