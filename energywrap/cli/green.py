"""What `energywrap check` compares with: the runs of the last check that passed, or those of a revision."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from energywrap import revision
from energywrap.cli.history import settings_of
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.ledger import entry, named
from energywrap.ledger.sql import Filter
from energywrap.model import RunReport

LAST_GREEN = "last-green"


def last_green(reports: Sequence[RunReport], ledger: str | None) -> list[RunReport]:
    """The runs of the newest check that passed, of the same command, label and machine; none: empty."""
    row = entry.of_report(reports[0])
    store = named.opened(settings_of(ledger), os.environ)
    try:
        ids = store.last_green(row.command, row.label, row.host, [report.run_id for report in reports])
        return [named.of_store(run_id, store) for run_id in ids]
    finally:
        store.close()


def fresh(reports: Sequence[RunReport], ledger: str | None) -> list[RunReport]:
    """The runs that no check has passed or failed yet: `label=NAME` names those of earlier checks as well."""
    had_ = _checked(reports, ledger)
    return [report for report in reports if report.run_id not in had_]


def had(reports: Sequence[RunReport], ledger: str | None) -> bool:
    """Whether a check has passed or failed one of the runs."""
    return bool(_checked(reports, ledger))


def _checked(reports: Sequence[RunReport], ledger: str | None) -> frozenset[str]:
    if not reports:
        return frozenset()
    try:
        store = named.opened(settings_of(ledger), os.environ)
    except UserError:
        return frozenset()  # there is no ledger that could hold a verdict
    try:
        return store.checked(report.run_id for report in reports)
    finally:
        store.close()


def of_revision(name: str, reports: Sequence[RunReport], ledger: str | None) -> list[RunReport]:
    """The runs of the same command on a revision's commit, without changes that were not committed.

    Raises UserError where it is no revision, or none was run on it.
    """
    commit = revision.commit_of(name, os.curdir)
    row = entry.of_report(reports[0])
    store = named.opened(settings_of(ledger), os.environ)
    try:
        rows = store.history(Filter(commit_id=commit))
        ids = [each.run_id for each in rows if (each.command, each.host) == (row.command, row.host)]
        found = [named.of_store(run_id, store) for run_id in ids]
    finally:
        store.close()
    clean = [report for report in found if report.git is None or not report.git.dirty]
    if not clean:
        raise UserError(
            f"the ledger has no run of this command on {name} ({commit[:12]})",
            "run it there, or let `energywrap ci` do so",
        )
    return clean


def note(reports: Sequence[RunReport], word: str, ledger: str | None) -> None:
    """Keep the verdict, for a later `--baseline last-green`."""
    try:
        store = named.opened(settings_of(ledger), os.environ)
        try:
            store.note_check([report.run_id for report in reports], word, time.time())
        finally:
            store.close()
    except UserError as trouble:
        say(f"the verdict is not kept for --baseline {LAST_GREEN}: {trouble.line()}")
