"""Statistics of a few runs: medians, a bootstrap of their ratio, a rank test. Pure; the same every time."""

from __future__ import annotations

from math import comb, erf, sqrt

from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DRAWS = 10_000
EXACT_BELOW = 13  # values a side: below, every division of the ranks is counted


@record
class Ratio:
    """A ratio of two medians, or a median, with the P5 and P95 of its bootstrap."""

    value: float
    low: float
    high: float


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two. Raises ValueError where there is none."""
    if not values:
        raise ValueError("there is no median of nothing")
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def ratio(one: Sequence[float], other: Sequence[float], draws: int = DRAWS) -> Ratio:
    """Median of the other over the median of the one, each side drawn again from its own values.

    Of single values there is no interval: it is the ratio itself.
    """
    value = _over(median(other), median(one))
    if len(one) < 2 and len(other) < 2:
        return Ratio(value, value, value)
    numbers = _numbers()
    found = sorted(_over(median(_again(other, numbers)), median(_again(one, numbers))) for _ in range(draws))
    return Ratio(value, found[draws // 20], found[-1 - draws // 20])


def median_interval(values: Sequence[float], draws: int = DRAWS) -> Ratio:
    """The median with the P5 and P95 of its bootstrap; of a single value there is no interval."""
    value = median(values)
    if len(values) < 2:
        return Ratio(value, value, value)
    numbers = _numbers()
    found = sorted(median(_again(values, numbers)) for _ in range(draws))
    return Ratio(value, found[draws // 20], found[-1 - draws // 20])


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Two-sided p-value that both sides are of one kind; None where that cannot be asked (a side is empty).

    Exact for a few values without ties (Mann and Whitney 1947), else by the normal approximation with a
    correction for ties and for continuity.
    """
    n, m = len(one), len(other)
    if not n or not m:
        return None
    wins = sum((a > b) + 0.5 * (a == b) for a in one for b in other)
    least = min(wins, n * m - wins)
    ties = len({*one, *other}) < n + m
    if not ties and max(n, m) < EXACT_BELOW:
        counts = _ways(n, m)
        return min(1.0, 2 * sum(counts[: int(least) + 1]) / comb(n + m, n))
    values = sorted([*one, *other])
    sizes = [values.count(value) for value in sorted(set(values))]
    total = n + m
    spread = n * m / 12 * (total + 1 - sum(t**3 - t for t in sizes) / (total * (total - 1)))
    if spread <= 0:
        return 1.0
    z = max(0.0, n * m / 2 - least - 0.5) / sqrt(spread)
    return min(1.0, 1 - erf(z / sqrt(2)))


def _ways(n: int, m: int) -> list[int]:
    """In how many orders of n and m values the one side wins 0, 1, 2, ... times."""
    table = [[[1] for _ in range(m + 1)] for _ in range(n + 1)]
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            taken, left = table[i - 1][j], table[i][j - 1]
            size = i * j + 1
            table[i][j] = [
                (taken[u - j] if 0 <= u - j < len(taken) else 0) + (left[u] if u < len(left) else 0)
                for u in range(size)
            ]
    return table[n][m]


def _again(values: Sequence[float], numbers: Iterator[int]) -> list[float]:
    """As many values, each drawn from all."""
    count = len(values)
    return [values[next(numbers) % count] for _ in range(count)]


def _numbers() -> Iterator[int]:
    """The same numbers every time, of no pattern: a verdict must not depend on luck (xorshift, 64 bits)."""
    state = 0x9E3779B97F4A7C15
    while True:
        state ^= (state << 13) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 7
        state ^= (state << 17) & 0xFFFFFFFFFFFFFFFF
        yield state >> 11


def _over(value: float, by: float) -> float:
    return value / by if by > 0 else (1.0 if value == by else float("inf"))
