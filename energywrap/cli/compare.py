"""`energywrap compare`: two sides of runs beside each other."""

from __future__ import annotations

import json as javascript
from typing import Annotated

import typer

from energywrap import comparison
from energywrap.cli.history import Ledger
from energywrap.cli.listing import listing
from energywrap.cli.sides import runs_of
from energywrap.comparison import Quantity
from energywrap.console import say
from energywrap.formats import compared


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
    sides = [runs_of(text, ledger) for text in (one, other)]
    found = comparison.compare(sides[0], sides[1])
    if json:
        typer.echo(javascript.dumps(compared.of_comparison(found), indent=2))
        return
    listing(compared.HEADS, [compared.row(each) for each in found.quantities], drop=("p", "P5 to P95"))
    for reason in found.forbidden:
        say(f"these must not be compared: {reason}")
    for doubt in found.doubts:
        say(doubt)
    energy = next((each for each in found.quantities if each.name == comparison.ENERGY), None)
    if energy is not None and not found.forbidden:
        say(_words(energy, found.runs))


def _words(energy: Quantity, runs: tuple[int, int]) -> str:
    change = 100 * (energy.ratio.value - 1)
    used = f"B used {abs(change):.3g} % {'less' if change < 0 else 'more'} energy"
    shown = comparison.differs(energy)
    if shown is None and min(runs) == 1:
        return f"{used}; with one run a side nobody can say whether that is chance"
    if shown is None:
        few = f"{runs[0]} and {runs[1]} runs can show no difference"
        return f"{used}; {few}: {comparison.LEAST} of each are enough"
    return used if shown else f"no difference in energy is shown ({change:+.3g} %)"
