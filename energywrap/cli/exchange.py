"""`energywrap import`, `export` and `prune`: what goes into the ledger, comes out of it, and is forgotten."""

from __future__ import annotations

import csv as csv_of
import os
import sys
from collections.abc import Sequence
from typing import Annotated, TextIO

import typer

from energywrap import reportfile
from energywrap.cli.history import Ledger, Project, Since, Until, moment_s, settings_of
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.ledger import codecarbon, entry, named
from energywrap.ledger.sql import Filter
from energywrap.model import RunReport


def take(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Reports (JSON), or CodeCarbon's emissions.csv.")
    ],
    ledger: Ledger = None,
) -> None:
    """Take runs into the ledger: reports of energywrap, and the emissions.csv of CodeCarbon 3.

    A run that is there already is not taken again. Nothing of a file is taken if a part of it cannot be.
    """
    found: list[tuple[entry.Entry, bytes | None]] = []
    for path in files:
        text = reportfile.read(path)
        if path.endswith(".csv"):
            found += [(each, None) for each in codecarbon.read(text.splitlines(), path)]
        else:
            report = document.parse(text, path)
            found.append((entry.of_report(report), entry.packed(report)))
    store = named.opened(settings_of(ledger), os.environ)
    try:
        added = store.add(found)
    finally:
        store.close()
    say(f"{added} of {len(found)} runs are new and were taken into {store.name}")


def give(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; standard output by default.")
    ] = "-",
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="json: a report on each line; codecarbon: CSV.")
    ] = "json",
    project: Project = None,
    since: Since = None,
    until: Until = None,
    ledger: Ledger = None,
) -> None:
    """Write the ledger's reports out: whole, a line each, or as a CSV that CodeCarbon appends to."""
    if form not in ("json", "codecarbon"):
        raise UserError(f"--format {form!r} is none", "one of json, codecarbon")
    wanted = Filter(project, since_s=moment_s("--since", since), until_s=moment_s("--until", until))
    store = named.opened(settings_of(ledger), os.environ)
    try:
        runs = reversed(store.history(wanted))
        kept = ((run.run_id, store.report(run.run_id)) for run in runs)
        reports = [entry.unpacked(data, run_id) for run_id, data in kept if data is not None]
    finally:
        store.close()
    try:
        if output == "-":
            _write(sys.stdout, form, reports)
        else:
            with open(output, "w", encoding="utf-8", newline="") as file:
                _write(file, form, reports)
    except OSError as err:
        raise UserError(f"cannot write {output}: {err.strerror}") from err
    say(f"{len(reports)} runs written")


def _write(file: TextIO, form: str, reports: Sequence[RunReport]) -> None:
    if form == "json":
        file.writelines(document.line(report).decode("utf-8") for report in reports)
        return
    writer = csv_of.DictWriter(file, codecarbon.COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(codecarbon.row_of(report) for report in reports)


def prune(
    before: Annotated[
        str, typer.Option("--before", metavar="WHEN", help="Started before: 365d, or 2026-01-01.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only said.")] = False,
    ledger: Ledger = None,
) -> None:
    """Forget old runs of the ledger, their reports in it included. Files of reports elsewhere stay."""
    moment = moment_s("--before", before)
    assert moment is not None
    store = named.opened(settings_of(ledger), os.environ)
    try:
        if yes:
            say(f"{store.prune(moment)} runs are forgotten")
        else:
            count = len(store.history(Filter(until_s=moment)))
            say(f"{count} runs would be forgotten; say so with --yes")
    finally:
        store.close()
