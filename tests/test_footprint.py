"""Joules to grams: the formula, and intervals that contain their values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import footprint
from energywrap.attribution import Joules
from energywrap.footprint import Factor, product
from energywrap.model import CarbonIntensity, Facility
from energywrap.units import J_PER_KWH

SITE = Facility(1.5, 1.2, 1.8, "test")


@st.composite
def factors(draw: st.DrawFn) -> Factor:
    """A positive quantity with an interval around it."""
    value = draw(st.floats(1e-3, 1e6))
    return Factor(value, value * draw(st.floats(0.01, 1)), value * draw(st.floats(1, 100)))


def intensity(value: float, low: float, high: float) -> CarbonIntensity:
    """A grid of so many grams a kilowatt-hour."""
    return CarbonIntensity(
        zone="ZZ",
        name="Nowhere",
        g_per_kwh=value,
        low_g_per_kwh=low,
        high_g_per_kwh=high,
        year=2024,
        boundary="lifecycle",
        gas="CO2e",
        accounting="production",
        quality="reported",
        source="test",
        licence="public-domain",
    )


def test_one_kilowatt_hour_at_400_grams_and_a_pue_of_one_and_a_half_is_600_grams() -> None:
    one = Joules(J_PER_KWH, J_PER_KWH, J_PER_KWH)
    scope = footprint.assess(one, intensity(400, 400, 400), Facility(1.5, 1.5, 1.5, "test"))

    assert (scope.co2e_low_g, scope.co2e_g, scope.co2e_high_g) == pytest.approx((600, 600, 600))
    assert (scope.low_j, scope.energy_j, scope.high_j) == (J_PER_KWH, J_PER_KWH, J_PER_KWH)


@given(energy_j=st.floats(1e-6, 1e12), scale=st.floats(1e-3, 1e3))
def test_grams_are_linear_in_joules(energy_j: float, scale: float) -> None:
    def grams(joules: float) -> float:
        scope = footprint.assess(Joules(joules, joules, joules), intensity(458, 230, 690), SITE)
        assert scope.co2e_g is not None
        return scope.co2e_g

    assert grams(energy_j * scale) == pytest.approx(grams(energy_j) * scale, rel=1e-9)


@given(st.lists(factors(), min_size=1, max_size=5))
def test_the_interval_of_a_product_contains_it_and_is_wider_than_any_factors(given: list[Factor]) -> None:
    found = product(*given)

    assert found.low <= found.value <= found.high
    for factor in given:
        assert found.low / found.value <= factor.low / factor.value * (1 + 1e-9)
        assert found.high / found.value >= factor.high / factor.value * (1 - 1e-9)


@given(st.lists(factors(), min_size=1, max_size=5))
def test_independent_errors_do_not_all_fall_on_one_side(given: list[Factor]) -> None:
    worst_low = worst_high = 1.0
    for factor in given:
        worst_low, worst_high = worst_low * factor.low, worst_high * factor.high
    found = product(*given)

    assert found.low >= worst_low * (1 - 1e-9)
    assert found.high <= worst_high * (1 + 1e-9)


@given(factors())
def test_a_product_of_one_is_that_one(given: Factor) -> None:
    found = product(given)

    assert (found.low, found.value, found.high) == pytest.approx((given.low, given.value, given.high))


def test_two_equal_relative_errors_combine_in_quadrature() -> None:
    found = product(Factor(10, 5, 20), Factor(3, 1.5, 6))

    assert found.value == 30
    assert found.high == pytest.approx(30 * 2 ** (2**0.5))
    assert found.low == pytest.approx(30 / 2 ** (2**0.5))


def test_no_energy_is_no_gram_but_its_upper_end_stays() -> None:
    scope = footprint.assess(Joules(0.0, 0.0, J_PER_KWH), intensity(400, 300, 500), SITE)

    assert (scope.co2e_low_g, scope.co2e_g) == (0.0, 0.0)
    assert scope.co2e_high_g is not None
    assert scope.co2e_high_g >= 400


@given(value=st.floats(1e-6, 1e9))
def test_a_lower_end_of_nothing_stays_nothing(value: float) -> None:
    scope = footprint.assess(Joules(value, 0.0, value * 2), intensity(400, 300, 500), SITE)

    assert scope.co2e_low_g is not None
    assert scope.co2e_g is not None
    assert 0 <= scope.co2e_low_g <= scope.co2e_g * 1e-6


def test_of_nothing_nothing_is_said() -> None:
    scope = footprint.nothing()

    assert (scope.energy_j, scope.co2e_g) == (None, None)
