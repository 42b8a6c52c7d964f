"""Joules to CO2e. Pure. Formulas: docs/methodology.md#from-joules-to-grams."""

from __future__ import annotations

from math import exp, log, sqrt

from energywrap.model import Scope
from energywrap.record import record
from energywrap.units import kwh_from_joules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.attribution import Joules
    from energywrap.model import CarbonIntensity, Facility


@record
class Factor:
    """A positive quantity with its P10-P90 interval."""

    value: float
    low: float
    high: float


def product(*factors: Factor) -> Factor:
    """The product; independent relative errors combine in quadrature of logarithms, each side by itself."""
    value = 1.0
    for factor in factors:
        value *= factor.value
    if value <= 0:
        low, high = 0.0, 1.0
        for factor in factors:
            high *= factor.high
        return Factor(max(value, 0.0), low, high)
    above = sqrt(sum(log(f.high / f.value) ** 2 for f in factors))
    if any(factor.low <= 0 for factor in factors):
        return Factor(value, 0.0, value * exp(above))
    below = sqrt(sum(log(f.low / f.value) ** 2 for f in factors))
    return Factor(value, value * exp(-below), value * exp(above))


def total(*parts: Factor) -> Factor:
    """The sum of independent parts: half-widths add in quadrature, each side by itself."""
    value = sum(part.value for part in parts)
    under = sqrt(sum((part.value - part.low) ** 2 for part in parts))
    over = sqrt(sum((part.high - part.value) ** 2 for part in parts))
    return Factor(value, max(0.0, value - under), value + over)


def ends(value: float, low: float, high: float) -> tuple[float, float, float]:
    """A value with bounds that are given as parts of it."""
    return value, value * low, value * high


def assess(joules: Joules, intensity: CarbonIntensity, facility: Facility) -> Scope:
    """Operational CO2e of an energy: kWh x PUE x g/kWh."""
    grams = product(
        Factor(*(kwh_from_joules(part) for part in (joules.value, joules.low, joules.high))),
        Factor(facility.pue, facility.low, facility.high),
        Factor(intensity.g_per_kwh, intensity.low_g_per_kwh, intensity.high_g_per_kwh),
    )
    return Scope(joules.value, joules.low, joules.high, grams.value, grams.low, grams.high)


def nothing() -> Scope:
    """The scope of which nothing can be said: no source spoke."""
    return Scope(None, None, None, None, None, None)
