"""Comparisons and gates as rows for a person and as documents for a program. Pure."""

from __future__ import annotations

from math import isfinite

from energywrap import comparison
from energywrap.formats.quantities import joules, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.comparison import Comparison, Quantity
    from energywrap.gate import Gate

HEADS = ("", "A", "B", "B / A", "P5 to P95", "p", "")


def row(found: Quantity) -> tuple[str, ...]:
    """A quantity's cells under HEADS."""
    return (
        found.name,
        amount(found.one, found.unit),
        amount(found.other, found.unit),
        f"{found.ratio.value:.4g}",
        f"{found.ratio.low:.4g} to {found.ratio.high:.4g}" if found.p is not None else "-",
        "-" if found.p is None else f"{found.p:.2g}",
        difference(found),
    )


def difference(found: Quantity) -> str:
    """Whether a difference is shown, in words; empty where nobody can say."""
    shown = comparison.differs(found)
    return "" if shown is None else "differs" if shown else "no difference shown"


def amount(value: float, unit: str) -> str:
    """A number of J, s or another unit as a person reads it."""
    if unit == "J":
        return joules(value)
    return seconds(value) if unit == "s" else f"{value:.3g} {unit}"


def of_comparison(found: Comparison) -> dict[str, object]:
    """A comparison for JSON: energies in J, times in s, power in W, ratios of medians."""
    rows = [
        {
            "name": each.name,
            "unit": each.unit,
            "a": each.one,
            "b": each.other,
            "ratio": _finite(each.ratio.value),
            "ratio_low": _finite(each.ratio.low),
            "ratio_high": _finite(each.ratio.high),
            "p": each.p,
            "differs": comparison.differs(each),
        }
        for each in found.quantities
    ]
    return {
        "runs": list(found.runs),
        "quantities": rows,
        "forbidden": list(found.forbidden),
        "doubts": list(found.doubts),
    }


def _finite(value: float) -> float | None:
    """JSON knows no infinity; over nothing there is no ratio."""
    return value if isfinite(value) else None


def of_gate(gate: Gate) -> dict[str, object]:
    """A gate for JSON: the verdict, and every check with the comparison that it rests on."""
    checks = [
        {
            "name": check.name,
            "verdict": check.verdict.word,
            "reason": check.verdict.reason,
            "sides": list(check.sides) if check.compared is not None else None,
            "comparison": None if check.compared is None else of_comparison(check.compared),
        }
        for check in gate.checks
    ]
    return {"name": gate.name, "verdict": gate.word, "checks": checks}
