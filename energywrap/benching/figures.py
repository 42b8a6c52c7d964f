"""Figures of a bench: medians with intervals, ratios to the best, outliers, trends. Pure."""

from __future__ import annotations

from math import erf, sqrt

from energywrap import stats
from energywrap.benching.series import failed
from energywrap.comparison import Quantity, differs
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.benching.series import Bench, Run, Series
    from energywrap.stats import Ratio

# the sources of all formulas: docs/bench.md
OUTLYING = 3.5  # modified z-score: Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers
CONSISTENT = 0.6745  # the median absolute deviation of a normal distribution of deviation 1
FEWEST_FOR_OUTLIERS = 5  # of three values one is always far, by their own measure
LEAST_FAR = 0.05  # of the median: where nearly all are equal, trifles would be far
FEWEST_FOR_TREND = 8  # below, the normal approximation of Mann's test is not good
TREND_ALPHA = 0.01
LEAST_TREND = 0.01  # of the median, over all rounds: less is of no interest


@record
class Figures:
    """One command's medians, per repetition; None where a run lacks the quantity."""

    energy_j: Ratio | None  # the median with P5 and P95 of its bootstrap
    time_s: Ratio
    power_w: float | None
    delay_js: float | None  # energy times time
    co2e_g: float | None
    to_best: Ratio | None  # its energy over that of the most frugal


@record
class Trend:
    """A change of the durations over the rounds: by how much of the median, and the p-value of none."""

    change: float
    p: float


def figures(bench: Bench) -> tuple[Figures | None, ...]:
    """Of each command; None for one without a run."""
    base = best(bench, "energy_j")
    return tuple(_of(each, base) if each.runs else None for each in bench.series)


def values(series: Series, name: str) -> list[float] | None:
    """One quantity of every run: a field of it, power_w or delay_js; None where any run lacks it."""
    found = [_value(run, name) for run in series.runs]
    known = [value for value in found if value is not None]
    return known if known and len(known) == len(found) else None


def best(bench: Bench, name: str) -> Series | None:
    """The working command with the least median of a quantity; None where a command that ran lacks it."""
    ran = [(each, values(each, name)) for each in bench.series if each.runs]
    known = {id(each): found for each, found in ran if found is not None}
    if not known or len(known) < len(ran):
        return None
    return min(working([each for each, _ in ran]), key=lambda each: stats.median(known[id(each)]))


def working(ran: Sequence[Series]) -> list[Series]:
    """The commands that never failed; all, where all did: what did not work has no price to compare."""
    return [each for each in ran if not any(map(failed, each.runs))] or list(ran)


def difference(one: Series, other: Series, name: str) -> bool | None:
    """Whether a difference of a quantity is shown; None where too few runs could ever show one."""
    left, right = values(one, name), values(other, name)
    if left is None or right is None:
        return None
    ends = stats.median(left), stats.median(right)
    ratio = stats.ratio(left, right)
    return differs(Quantity(name, "", *ends, ratio, stats.mann_whitney(left, right)))


def modified_z(numbers: Sequence[float]) -> list[float]:
    """Distance of each from the median in median absolute deviations, as Iglewicz and Hoaglin scale it."""
    middle = stats.median(numbers)
    deviation = stats.median([abs(number - middle) for number in numbers])
    return [CONSISTENT * (number - middle) / deviation if deviation else 0.0 for number in numbers]


def outliers(series: Series) -> tuple[Run, ...]:
    """Runs whose time or energy lies far from the others', by their spread and by a part of the median."""
    far: set[int] = set()
    for name in ("duration_s", "energy_j"):
        found = values(series, name) or []
        scores = modified_z(found) if len(found) >= FEWEST_FOR_OUTLIERS else []
        least = LEAST_FAR * stats.median(found) if found else 0.0
        far.update(
            number
            for number, score in enumerate(scores)
            if abs(score) > OUTLYING and abs(found[number] - stats.median(found)) > least
        )
    return tuple(series.runs[number] for number in sorted(far))


def trend(numbers: Sequence[float]) -> Trend | None:
    """A trend by Mann's test (1945) with the slope of Theil and Sen; None for too few numbers."""
    count = len(numbers)
    middle = stats.median(numbers) if numbers else 0.0
    if count < FEWEST_FOR_TREND or middle <= 0:
        return None
    pairs = [(j - i, numbers[j] - numbers[i]) for i in range(count) for j in range(i + 1, count)]
    score = sum((step > 0) - (step < 0) for _, step in pairs)
    ties = [list(numbers).count(value) for value in set(numbers)]
    variance = (count * (count - 1) * (2 * count + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    z = max(0, abs(score) - 1) / sqrt(variance) if variance > 0 else 0.0
    slope = stats.median([step / apart for apart, step in pairs])
    return Trend(slope * (count - 1) / middle, min(1.0, 1 - erf(z / sqrt(2))))


def slow_trend(series: Series) -> Trend | None:
    """A trend of the durations that is worth a word."""
    found = trend([run.duration_s for run in series.runs])
    return found if found and found.p < TREND_ALPHA and abs(found.change) >= LEAST_TREND else None


def _of(series: Series, base: Series | None) -> Figures:
    energies, times = values(series, "energy_j"), values(series, "duration_s")
    first = values(base, "energy_j") if base is not None else None

    def middle(name: str) -> float | None:
        return stats.median(found) if (found := values(series, name)) else None

    return Figures(
        energy_j=stats.median_interval(energies) if energies else None,
        time_s=stats.median_interval(times or [0.0]),
        power_w=middle("power_w"),
        delay_js=middle("delay_js"),
        co2e_g=middle("co2e_g"),
        to_best=stats.ratio(first, energies) if first and energies else None,
    )


def _value(run: Run, name: str) -> float | None:
    if name == "power_w":
        return run.energy_j / run.duration_s if run.energy_j is not None and run.duration_s > 0 else None
    if name == "delay_js":
        return run.energy_j * run.duration_s if run.energy_j is not None else None
    found: float | None = getattr(run, name)
    return found
