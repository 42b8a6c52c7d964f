"""P10 to P90 of modelled power: measured over predicted on machines that the fit had not seen, by tier.

Every tier's band holds those of the better tiers as well: knowing less never narrows an interval.
"""

from __future__ import annotations

from math import exp, log

from energywrap.power_model.watts import Watts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Band = tuple[tuple[float, float], ...]

Z90 = 1.2816  # P90 of the standard normal distribution
KNOTS = (0.0, 0.1, 0.3, 0.4, 0.6, 0.7, 1.0)
AT_KNOTS = (0, 1, 1, 2, 2, 3, 3)  # which of idle, 10 to 30 %, 40 to 60 %, 70 % and more holds at the knot
# between which a step of unknown utilisation is searched for its extremes
CUTS = (0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# idle, 10 to 30 %, 40 to 60 %, 70 % and more; from the tier that knows most to the one that knows least
MEASURED = {
    "T1k": ((0.766, 1.354), (0.86, 1.195), (0.864, 1.184), (0.877, 1.16)),
    "T1": ((0.71, 1.47), (0.83, 1.23), (0.84, 1.19), (0.84, 1.19)),
    "T3m": ((0.71, 1.53), (0.83, 1.24), (0.84, 1.20), (0.84, 1.20)),
    "T2": ((0.69, 1.53), (0.86, 1.31), (0.85, 1.27), (0.85, 1.27)),
    "T3": ((0.70, 1.62), (0.84, 1.32), (0.85, 1.26), (0.85, 1.26)),
    "T4": ((0.46, 1.69), (0.77, 1.38), (0.69, 1.39), (0.69, 1.39)),
    "T5": ((0.44, 2.14), (0.58, 1.37), (0.46, 1.36), (0.46, 1.36)),
}
NEW_GENERATION = ((0.68, 1.61), (0.83, 1.22), (0.83, 1.22), (0.83, 1.22))  # each generation left out in turn


def wider(one: Band, other: Band) -> Band:
    """The band that holds both."""
    return tuple((min(a, c), max(b, d)) for (a, b), (c, d) in zip(one, other, strict=True))


def _nested() -> dict[str, Band]:
    found: dict[str, Band] = {}
    band: Band = MEASURED["T1k"]
    for tier, own in MEASURED.items():
        band = found[tier] = wider(band, own)
    return found


BANDS = _nested()


def factors(band: Band, utilisation: float, sigma: float) -> tuple[float, float]:
    """Low and high factors: the machine's band and the spread over kinds of work, in quadrature of logs."""
    work = Z90 * sigma * utilisation
    for i in range(1, len(KNOTS)):
        if utilisation <= KNOTS[i]:
            break
    (low0, high0), (low1, high1) = band[AT_KNOTS[i - 1]], band[AT_KNOTS[i]]
    at = (utilisation - KNOTS[i - 1]) / (KNOTS[i] - KNOTS[i - 1])
    return widened(low0 + at * (low1 - low0), high0 + at * (high1 - high0), work)


def widened(low: float, high: float, spread: float) -> tuple[float, float]:
    """Both factors with one more, independent spread: half-widths in logs add in quadrature."""
    return exp(-((log(low) ** 2 + spread**2) ** 0.5)), exp((log(high) ** 2 + spread**2) ** 0.5)


def around(
    watts: Callable[[float], float], band: Band, utilisation: float, doubt: float, sigma: float
) -> Watts:
    """Power at `utilisation`, known to +-`doubt`: `watts` must rise with it.

    Within a piece between two cuts, power is highest at the upper end, and a factor is widest at one of the
    ends (half-widths in logs are convex between knots): nothing possible is left out, and doubt only widens.
    """
    value = watts(utilisation)
    if not doubt:
        low, high = factors(band, utilisation, sigma)
        return Watts(value, value * low, value * high)
    under, over = max(0.0, utilisation - doubt), min(1.0, utilisation + doubt)
    ends = (under, *[cut for cut in CUTS if under < cut < over], over)
    power = [watts(end) for end in ends]
    wide = [factors(band, end, sigma) for end in ends]
    pieces = range(len(ends) - 1)
    return Watts(
        value,
        min(power[i] * min(wide[i][0], wide[i + 1][0]) for i in pieces),
        max(power[i + 1] * max(wide[i][1], wide[i + 1][1]) for i in pieces),
    )
