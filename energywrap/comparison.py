"""Two sets of runs beside each other: what differs, how sure that is, what forbids to compare them. Pure."""

from __future__ import annotations

from math import comb

from energywrap import stats
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from energywrap.model import RunReport
    from energywrap.stats import Ratio

ALPHA = 0.05
ENERGY = "energy, machine"  # what decides
FEW = 5  # runs a side: with fewer no verdict is given
LEAST = 4  # runs a side that can show a difference: the rank test of 3 against 3 has p = 0.1 at best
SHOWN = 4  # differences that are named
PASS, FAIL, INCONCLUSIVE, ERROR = "pass", "fail", "inconclusive", "error"


@record
class Quantity:
    """One number of both sides: their medians, the ratio, and the p-value that nothing differs."""

    name: str
    unit: str
    one: float
    other: float
    ratio: Ratio
    p: float | None
    runs: tuple[int, int] | None = None  # of each side


@record
class Comparison:
    """Everything that two sides have in common, and what makes it doubtful."""

    quantities: tuple[Quantity, ...]
    forbidden: tuple[str, ...]  # reasons why they must not be compared at all
    doubts: tuple[str, ...]
    runs: tuple[int, int]


@record
class Verdict:
    """Whether energy has risen by more than is allowed, and why: one of the words above."""

    word: str
    reason: str


def compare(one: Sequence[RunReport], other: Sequence[RunReport]) -> Comparison:
    """The quantities that every run of both sides has; at one intensity CO2e has the energy's ratio."""
    found = [
        _quantity(ENERGY, "J", _machine_j, one, other),
        _quantity("energy, command's share", "J", _command_j, one, other),
        *(
            _quantity(f"energy, {kind}", "J", _component_j(kind), one, other)
            for kind in ("cpu", "ram", "gpu", "rest")
        ),
        _quantity("time", "s", lambda report: report.duration_s, one, other),
        _quantity("power, machine", "W", _power_w, one, other),
        _quantity("CPU time", "s", lambda report: report.tree.cpu_s, one, other),
    ]
    return Comparison(
        quantities=tuple(each for each in found if each is not None),
        forbidden=tuple(_forbidden(one, other)),
        doubts=tuple(_doubts(one, other)),
        runs=(len(one), len(other)),
    )


def verdict(found: Comparison, increase: float) -> Verdict:
    """Whether the other side's energy is above the one's by more than a part.

    It fails only if the ratio of the medians is above the limit and the P5 of its bootstrap above 1, with at
    least five runs a side; what is less sure is inconclusive.
    """
    energy = next((each for each in found.quantities if each.name == ENERGY), None)
    if found.forbidden or energy is None:
        return Verdict(INCONCLUSIVE, "; ".join(found.forbidden) or "no energy is known of both sides")
    change = f"{_percent(energy.ratio.value)} ({_percent(energy.ratio.low)} to {_percent(energy.ratio.high)})"
    reason = f"energy changed by {change}; {100 * increase:+.3g} % is allowed"
    if min(found.runs) < FEW:
        runs = "run" if min(found.runs) == 1 else "runs"
        return Verdict(INCONCLUSIVE, f"{change} with {min(found.runs)} {runs} on a side: {FEW} are needed")
    if energy.ratio.value > 1 + increase:
        if energy.ratio.low > 1:
            return Verdict(FAIL, reason)
        return Verdict(INCONCLUSIVE, f"{reason}, but it may not have risen at all")
    if energy.ratio.high > 1 + increase:
        reason += f"; noise could hide a rise of {_percent(energy.ratio.high)}"
    return Verdict(PASS, reason)


def failed(report: RunReport) -> bool:
    """Whether the command failed or its run was cut off: what did not work has no energy to compare."""
    return bool(report.exit_code) or not report.complete


def differs(quantity: Quantity) -> bool | None:
    """Whether a difference is shown; None where too few runs could ever show one."""
    if quantity.runs is not None and 2 / comb(sum(quantity.runs), quantity.runs[0]) >= ALPHA:
        return None  # of all orders of the runs even the two most extreme ones are too likely
    if quantity.p is None or quantity.ratio.low == quantity.ratio.high:
        return None
    return quantity.p < ALPHA and not quantity.ratio.low <= 1 <= quantity.ratio.high


def _quantity(
    name: str,
    unit: str,
    of: Callable[[RunReport], float | None],
    one: Sequence[RunReport],
    other: Sequence[RunReport],
) -> Quantity | None:
    """The quantity, if all runs have it."""
    sides = [[of(report) for report in side] for side in (one, other)]
    left, right = ([value for value in side if value is not None] for side in sides)
    if not left or not right or len(left) + len(right) < len(one) + len(other):
        return None
    return Quantity(
        name=name,
        unit=unit,
        one=stats.median(left),
        other=stats.median(right),
        ratio=stats.ratio(left, right),
        p=stats.mann_whitney(left, right) if min(len(left), len(right)) > 1 else None,
        runs=(len(left), len(right)),
    )


def _machine_j(report: RunReport) -> float | None:
    return report.scopes["machine"].energy_j


def _command_j(report: RunReport) -> float | None:
    return report.scopes["command"].energy_j


def _component_j(kind: str) -> Callable[[RunReport], float | None]:
    def of(report: RunReport) -> float | None:
        parts = [part.energy_j for part in report.components if part.component == kind]
        return sum(parts) if parts else None

    return of


def _power_w(report: RunReport) -> float | None:
    energy_j = report.scopes["machine"].energy_j
    return energy_j / report.duration_s if energy_j is not None and report.duration_s > 0 else None


def _forbidden(one: Sequence[RunReport], other: Sequence[RunReport]) -> list[str]:
    """Differences that make a comparison of energies meaningless."""
    runs = (*one, *other)
    found = []
    if len({(run.host.name_hash, run.host.cpu, run.host.logical_cpus) for run in runs}) > 1:
        found.append("the runs are of different machines")
    if len({tuple(sorted({part.basis for part in run.components})) for run in runs}) > 1:
        found.append("the runs are of different bases of energy")
    parts: list[set[str]] = [
        {f"{part.component} by {part.source}" for part in run.components} for run in runs
    ]
    if any(each != parts[0] for each in parts):
        apart = sorted(set[str]().union(*parts) - parts[0].intersection(*parts))
        more = f" and {len(apart) - SHOWN} more" if len(apart) > SHOWN else ""
        found.append(f"not all runs have {', '.join(apart[:SHOWN])}{more}")
    return found


def _doubts(one: Sequence[RunReport], other: Sequence[RunReport]) -> list[str]:
    """What a reader must know of the comparison."""
    found = []
    runs = (*one, *other)
    if len({report.command for report in runs}) > 1:
        found.append("the commands differ")
    if len({report.carbon.boundary for report in runs}) > 1:
        found.append("the carbon intensities have different boundaries: compare the energies")
    if any(map(failed, runs)):
        found.append("some of the commands failed or were cut off")
    if any("other work on the machine" in text for report in runs for text in report.warnings):
        found.append("other work was running beside some of them")
    if any(part.basis != "measured" for report in runs for part in report.components):
        found.append("energy is modelled: it follows time and CPU time, and tells little beyond them")
    return found


def _percent(value: float) -> str:
    return f"{100 * (value - 1):+.3g} %"
