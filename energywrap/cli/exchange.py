"""`energywrap import`, `export` and `prune`: what goes into the ledger, comes out of it, and is forgotten."""

from __future__ import annotations

import csv as csv_of
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, TextIO

import typer

from energywrap import reportfile
from energywrap.cli.history import Ledger, Project, Since, Until, moment_s, settings_of
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.ledger import codecarbon, entry, named
from energywrap.ledger.sql import Filter
from energywrap.ledger.store import within
from energywrap.model import RunReport

LARGEST = 1e18  # beyond, a number is a slip
Found = tuple[entry.Entry, bytes | None]


def take(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Reports, also one a line, or CodeCarbon's emissions.csv."),
    ],
    ledger: Ledger = None,
) -> None:
    """Take runs into the ledger: reports of energywrap, and the emissions.csv of CodeCarbon 3.

    A run that is there already is not taken again. Nothing of a file is taken if a part of it cannot be.
    """
    found: list[Found] = []
    other: list[Found] = []
    for path in files:
        text = reportfile.read(path)
        if path.endswith(".csv"):
            other += [
                (_possible(each, path), None) for each in codecarbon.read(io.StringIO(text, newline=""), path)
            ]
        else:
            found += _reports(text, path)
    store = named.opened(settings_of(ledger), os.environ, new=True)
    try:
        added = store.add(found) + store.add(other, grown=True)
    finally:
        store.close()
    say(f"{added} of {len(found) + len(other)} runs are new and were taken into {store.name}")


def _reports(text: str, path: str) -> Iterator[Found]:
    """A report, or one on each line as `export` writes them. Raises UserError."""
    lines = [line for line in text.split("\n") if line.strip()]
    rows = len(lines) > 1 and all(line.startswith("{") and line.endswith("}") for line in lines)
    parts = [(line, f"{path}, line {n}") for n, line in enumerate(lines, 1)] if rows else [(text, path)]
    for part, where in parts:
        report = document.parse(part, where)
        try:
            yield _possible(entry.of_report(report), where), entry.packed(report)
        except (ValueError, OverflowError) as err:
            raise UserError(f"{where}: {err}") from err


def _possible(found: entry.Entry, where: str) -> entry.Entry:
    """The run, if its numbers can be. Raises UserError."""
    for name in ("duration_s", "energy_j", "command_j", "co2e_g"):
        value = getattr(found, name)
        if value is not None and not 0 <= value <= LARGEST:
            raise UserError(f"{where}: {name} = {value!r} is no amount")
    return found


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
        runs = list(reversed(store.history(wanted)))
        kept = [(run, store.report(run.run_id)) for run in runs]
    finally:
        store.close()
    pairs = [(run, None if data is None else entry.unpacked(data, run.run_id)) for run, data in kept]
    try:
        if output == "-":
            written = _write(sys.stdout, form, pairs)
        else:
            with open(output, "w", encoding="utf-8", newline="") as file:
                written = _write(file, form, pairs)
    except OSError as err:
        raise UserError(f"cannot write {output}: {err.strerror}") from err
    why = (
        "runs of other tools have no report"
        if form == "json"
        else "they are parts of others, or their energy is not known"
    )
    left = f"; {len(pairs) - written} are left out: {why}" if written < len(pairs) else ""
    say(f"{written} runs written{left}")


def _write(file: TextIO, form: str, pairs: Sequence[tuple[entry.Entry, RunReport | None]]) -> int:
    """Write the runs; how many could be."""
    if form == "json":
        lines = [document.line(report).decode("utf-8") for _, report in pairs if report is not None]
        file.writelines(lines)
        return len(lines)
    writer = csv_of.DictWriter(file, codecarbon.COLUMNS, lineterminator="\n")
    writer.writeheader()
    there = {run.run_id: run for run, _ in pairs}
    alone = [pair for pair in pairs if not _counted(pair[0], there)]
    rows = [row for run, report in alone if (row := codecarbon.row_of(run, report)) is not None]
    writer.writerows(rows)
    return len(rows)


def _counted(run: entry.Entry, there: Mapping[str, entry.Entry]) -> bool:
    """Whether a run's energy is in that of another one that is written: a CSV is summed by its readers."""
    outer = there.get(run.parent or "")
    return outer is not None and within(run, outer)


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
            say(
                f"{count} runs would be forgotten; say so with --yes" if count else "no run is as old as that"
            )
    finally:
        store.close()
