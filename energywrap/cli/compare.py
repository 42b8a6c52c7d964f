"""`energywrap compare` and `energywrap check`: two sides of runs, and the gate for CI."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from energywrap import amounts, comparison
from energywrap.cli import green
from energywrap.cli.history import Ledger, settings_of
from energywrap.cli.listing import listing
from energywrap.comparison import Comparison, Quantity
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats.quantities import grams, joules, seconds
from energywrap.ledger import named
from energywrap.ledger.sql import Filter
from energywrap.model import RunReport
from energywrap.record import replace

PASS, FAIL, INCONCLUSIVE = 0, 1, 3
FIRST = 4  # inside: inconclusive, and a baseline from now on
WORDS = {PASS: comparison.PASS, FAIL: comparison.FAIL, INCONCLUSIVE: comparison.INCONCLUSIVE}
FIELDS = ("label", "project", "stage", "branch")
HEADS = ("", "A", "B", "B / A", "P5 to P95", "p", "")


def compare(
    one: Annotated[
        str, typer.Argument(metavar="A", help="A run, several (a,b,c), or label=NAME, project=, branch=.")
    ],
    other: Annotated[str, typer.Argument(metavar="B", help="What it is compared with.")],
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    ledger: Ledger = None,
) -> None:
    """Compare two runs, or two sets of runs: energy, time and power, per part, with intervals.

    Several runs a side are compared by their medians, with a bootstrap of the ratio and a rank test.
    """
    sides = [_runs(text, ledger) for text in (one, other)]
    found = comparison.compare(sides[0], sides[1])
    if json:
        _as_json(found)
        return
    listing(HEADS, [_row(each) for each in found.quantities])
    for reason in found.forbidden:
        say(f"these must not be compared: {reason}")
    for doubt in found.doubts:
        say(doubt)
    energy = found.quantities[0] if found.quantities else None
    if energy is not None and not found.forbidden:
        say(_words(energy))


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
    max_increase: Annotated[
        str, typer.Option("--max-increase", metavar="PERCENT", help="By how much it may rise.")
    ] = "5%",
    ledger: Ledger = None,
) -> None:
    """Say whether runs are within a limit or no worse than a baseline: exit 0 pass, 1 fail, 3 inconclusive.

    Energies are compared, as a gram of CO2e also depends on where and when. It fails only if the ratio of the
    medians is above what is allowed and the bootstrap says that it has risen at all, with five runs a side.
    """
    reports = [report for text in runs for report in _runs(text, ledger)]
    outcomes = [_limit(reports, "machine", max_energy, max_co2e)]
    if baseline is not None:
        outcomes.append(_against(baseline, reports, part(max_increase), ledger))
    elif max_energy is None and max_co2e is None:
        raise UserError("nothing is to be checked", "give --max-energy, --max-co2e or --baseline")
    outcome = FAIL if FAIL in outcomes else min(INCONCLUSIVE, max(outcomes))
    first = baseline == green.LAST_GREEN and outcomes[-1] == FIRST and FAIL not in outcomes
    green.note(reports, "pass" if first or outcome == PASS else WORDS[outcome], ledger)
    raise typer.Exit(INCONCLUSIVE if first else outcome)


def _against(baseline: str, reports: Sequence[RunReport], allowed: float, ledger: str | None) -> int:
    """The verdict against a baseline; FIRST where there has been none yet and these runs can be one."""
    if baseline == green.LAST_GREEN:
        others = green.last_green(reports, ledger)
        if not others:
            what = "no check of this command and label has passed on this machine yet"
            if len(reports) < comparison.FEW:
                say(f"inconclusive: {what}; {comparison.FEW} runs make a baseline")
                return INCONCLUSIVE
            say(f"inconclusive: {what}; from now on these runs are the baseline")
            return FIRST
    else:
        try:
            others = _runs(baseline, ledger)
        except UserError as no_run:
            try:
                others = green.of_revision(baseline, reports, ledger)
            except UserError as no_revision:
                if "is no revision" in no_revision.line():
                    raise no_run from no_revision
                raise
    told = comparison.verdict(comparison.compare(others, reports), allowed)
    say(f"{told.word}: {told.reason}")
    return {word: status for status, word in WORDS.items()}[told.word]


def _limit(reports: Sequence[RunReport], scope: str, energy: str | None, co2e: str | None) -> int:
    """Whether the median is within the limits that are given."""
    from energywrap import stats

    outcome = PASS
    for option, text, amount, name, words in (
        ("--max-energy", energy, amounts.energy_j, "energy_j", joules),
        ("--max-co2e", co2e, amounts.mass_g, "co2e_g", grams),
    ):
        if text is None:
            continue
        limit = amount(text, option)
        values = [getattr(report.scopes[scope], name) for report in reports]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            say(f"inconclusive: not every run knows its {name.partition('_')[0]}")
            outcome = max(outcome, INCONCLUSIVE) if outcome != FAIL else FAIL
            continue
        value = stats.median(known)
        word = "pass" if value <= limit else "fail"
        say(f"{word}: {words(value)}, and {words(limit)} are allowed ({option})")
        outcome = FAIL if word == "fail" else outcome
    return outcome


def _runs(text: str, ledger: str | None) -> list[RunReport]:
    """The reports that a word stands for. Raises UserError where there is none."""
    settings = settings_of(ledger)
    field, equals, value = text.partition("=")
    if not equals or field not in FIELDS:
        return [named.report(name.strip(), settings, os.environ) for name in text.split(",") if name.strip()]
    store = named.opened(settings, os.environ)
    try:
        found = [
            named.of_store(run.run_id, store) for run in store.history(replace(Filter(), **{field: value}))
        ]
    finally:
        store.close()
    if not found:
        raise UserError(f"no run in the ledger has {text}", "`energywrap history` lists them")
    return found


def part(text: str) -> float:
    """A part of 1 from "5%" or "0.05". Raises UserError."""
    word = text.strip()
    try:
        value = float(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 100:
        raise UserError(f"--max-increase {text!r} is no part", "write it like 5%")
    return value


def _row(found: Quantity) -> tuple[str, ...]:
    shown = comparison.differs(found)
    words = "" if shown is None else "differs" if shown else "no difference shown"
    return (
        found.name,
        _shown(found.one, found.unit),
        _shown(found.other, found.unit),
        f"{found.ratio.value:.4g}",
        f"{found.ratio.low:.4g} to {found.ratio.high:.4g}",
        "-" if found.p is None else f"{found.p:.2g}",
        words,
    )


def _shown(value: float, unit: str) -> str:
    if unit == "J":
        return joules(value)
    return seconds(value) if unit == "s" else f"{value:.3g} {unit}"


def _words(energy: Quantity) -> str:
    change = 100 * (energy.ratio.value - 1)
    shown = comparison.differs(energy)
    if shown is None:
        return f"B used {change:+.3g} % energy; with one run a side nobody can say whether that is chance"
    if not shown:
        return f"no difference in energy is shown ({change:+.3g} %)"
    return f"B used {change:+.3g} % energy"


def _as_json(found: Comparison) -> None:
    import json

    rows = [
        {
            "name": each.name,
            "unit": each.unit,
            "a": each.one,
            "b": each.other,
            "ratio": each.ratio.value,
            "ratio_low": each.ratio.low,
            "ratio_high": each.ratio.high,
            "p": each.p,
            "differs": comparison.differs(each),
        }
        for each in found.quantities
    ]
    document = {
        "runs": list(found.runs),
        "quantities": rows,
        "forbidden": list(found.forbidden),
        "doubts": list(found.doubts),
    }
    typer.echo(json.dumps(document, indent=2))
