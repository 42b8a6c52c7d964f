"""`energywrap check`: runs against limits and a baseline, and the verdict as an exit status."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from energywrap import amounts, comparison, gate, stats
from energywrap.cli import gates, green
from energywrap.cli.gates import STATUS, AsJson, Comment, Junit, MaxIncrease
from energywrap.cli.history import Ledger, settings_of
from energywrap.cli.output import onto_stdout
from energywrap.cli.sides import is_set, runs_of, working
from energywrap.comparison import ERROR, FAIL, INCONCLUSIVE, PASS, Verdict
from energywrap.console import say
from energywrap.emitted import emitted
from energywrap.errors import UserError
from energywrap.formats.quantities import grams, joules
from energywrap.gate import Check, Gate
from energywrap.model import RunReport


def check(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, or label=NAME and the like.")],
    max_energy: Annotated[
        str | None, typer.Option("--max-energy", metavar="AMOUNT", help="Such as 50kJ: of the median run.")
    ] = None,
    max_co2e: Annotated[
        str | None, typer.Option("--max-co2e", metavar="AMOUNT", help="Such as 20g: of the median run.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="RUNS",
            help="What it may not rise above: runs, last-green (the last passed check), a git revision.",
        ),
    ] = None,
    max_increase: MaxIncrease = "5%",
    json: AsJson = False,
    comment: Comment = None,
    junit: Junit = None,
    ledger: Ledger = None,
) -> None:
    """Say whether runs are within a limit or no worse than a baseline: exit 0 pass, 1 fail, 3 inconclusive.

    Energies are compared, as a gram of CO2e also depends on where and when. It fails only if the ratio of the
    medians is above what is allowed and the bootstrap says that it has risen at all, with five runs a side.
    Exit 2: a mistake in the command line, or a run that failed.
    """
    if baseline is None and max_energy is None and max_co2e is None:
        raise UserError("nothing is to be checked", "give --max-energy, --max-co2e or --baseline")
    gates.accept(comment=comment, junit=junit)
    allowed, settings = gates.part(max_increase), settings_of(ledger)
    reports = _selected(runs, baseline, ledger)
    checks = _failed(reports)
    if not reports:
        checks = [Check(f"energy against {baseline}", Verdict(INCONCLUSIVE, "no run since the last check"))]
    elif not checks:
        checks = _limits(reports, max_energy, max_co2e)
        if baseline is not None:
            checks.append(_against(baseline, reports, allowed, ledger))
    for each in checks:
        for doubt in each.compared.doubts if each.compared is not None else ():
            say(doubt)
        say(f"{each.verdict.word}: {each.verdict.reason}")
    name = gate.name_of(reports[0].label, reports[0].command) if reports else runs[0]
    found, again = Gate(name, tuple(checks)), green.had(reports, ledger)
    if not again or found.word in (PASS, FAIL):  # a verdict is not undone by a check that comes to none
        green.note(reports, PASS if _first(found, baseline, reports) else found.word, ledger)
    gates.tell(found, settings, os.environ, comment=comment, junit=junit)
    if json:
        onto_stdout(lambda: typer.echo(gates.as_json(found)))
    raise typer.Exit(STATUS[found.word])


def _selected(runs: Sequence[str], baseline: str | None, ledger: str | None) -> list[RunReport]:
    """The runs that are meant: of sets those that worked and, beside last-green, that are new."""
    found: list[RunReport] = []
    for text in runs:
        these = runs_of(text, ledger)
        if is_set(text):
            these = working(these, text)
            these = green.fresh(these, ledger) if baseline == green.LAST_GREEN else these
        found += these
    return found


def _failed(reports: Sequence[RunReport]) -> list[Check]:
    """An error where the command failed: a broken program has no energy to compare."""
    bad = [report for report in reports if comparison.failed(report)]
    if not bad:
        return []
    what = f"{len(bad)} of {len(reports)} runs failed or were cut off: nothing is compared"
    return [Check("the runs", Verdict(ERROR, what))]


def _first(found: Gate, baseline: str | None, reports: Sequence[RunReport]) -> bool:
    """Whether there has been no green check yet, and these runs are one for those to come."""
    *limits, last = found.checks
    return (
        baseline == green.LAST_GREEN
        and last.compared is None
        and len(reports) >= comparison.FEW
        and last.verdict.word == INCONCLUSIVE
        and all(each.verdict.word != FAIL for each in limits)
    )


def _against(baseline: str, reports: Sequence[RunReport], allowed: float, ledger: str | None) -> Check:
    """The verdict against a baseline."""
    question, sides = f"energy against {baseline}", (baseline, "these runs")
    if baseline != green.LAST_GREEN:
        return gate.against(question, _baseline(baseline, reports, ledger), reports, allowed, sides)
    others = green.last_green(reports, ledger)
    if others:
        return gate.against(question, others, reports, allowed, sides)
    what = "no check of this command and label has passed on this machine yet"
    then = (
        f"{comparison.FEW} runs make a baseline"
        if len(reports) < comparison.FEW
        else "from now on these runs are the baseline"
    )
    return Check(question, Verdict(INCONCLUSIVE, f"{what}; {then}"))


def _baseline(name: str, reports: Sequence[RunReport], ledger: str | None) -> list[RunReport]:
    """The runs of a word, else of a revision. Raises UserError."""
    try:
        found = runs_of(name, ledger)
        return working(found, name) if is_set(name) else found
    except UserError as no_run:
        try:
            return green.of_revision(name, reports, ledger)
        except UserError as no_revision:
            if "is no revision" in no_revision.line():
                raise no_run from no_revision
            raise


def _limits(reports: Sequence[RunReport], energy: str | None, co2e: str | None) -> list[Check]:
    """Whether the median run is within the limits that are given. Raises UserError."""
    found = []
    for option, text, amount, name, values, words in (
        ("--max-energy", energy, amounts.energy_j, "energy", _energies(reports), joules),
        ("--max-co2e", co2e, amounts.mass_g, "co2e", [emitted(each)[0] for each in reports], grams),
    ):
        if text is None:
            continue
        limit = amount(text, option)
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            told = Verdict(INCONCLUSIVE, f"not every run knows its {name}")
        else:
            value = stats.median(known)
            word = PASS if value <= limit else FAIL
            told = Verdict(word, f"{words(value)}, and {words(limit)} is allowed ({option})")
        found.append(Check(f"{option} {text}", told))
    return found


def _energies(reports: Sequence[RunReport]) -> list[float | None]:
    return [report.scopes["machine"].energy_j for report in reports]
