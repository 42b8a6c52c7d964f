"""The letter says how far a result can be trusted, and names the one thing that would raise it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import footprint
from energywrap.attribution import Joules
from energywrap.grade import LETTERS, Basics, grade
from energywrap.model import (
    Basis,
    CarbonIntensity,
    ComponentEnergy,
    Facility,
    ModelBasis,
    Place,
    Scope,
)
from energywrap.record import replace

FRANCE = CarbonIntensity(
    "FR", "France", 41.45, 37.305, 45.595, 2025, "lifecycle", "CO2e", "production", "reported", "s", "l"
)
HOME = Facility(1.0, 1.0, 1.0, "site local, default")
GIVEN = Place("FR", "flag")
CPU = ComponentEnergy("cpu", "package-0", 1000.0, 980.0, 1020.0, Basis.MEASURED, "rapl", 1.0)


def scope(
    low: float = 0.98, high: float = 1.02, grid: CarbonIntensity = FRANCE, site: Facility = HOME
) -> Scope:
    """Of 1,000 J between those parts of it."""
    return footprint.assess(Joules(1000.0, 1000.0 * low, 1000.0 * high), grid, site)


MEASURED = Basics(scope(), (CPU,), None, FRANCE, GIVEN, HOME, virtual=False, duration_s=60.0)
MODELLED = replace(
    MEASURED,
    scope=scope(0.85, 1.2),
    components=(replace(CPU, basis=Basis.MODELLED, source="model: epyc 7763, T3m"),),
    model=ModelBasis("T3m", (), ("--sockets N: of the host",)),
)


def test_a_measured_run_at_a_known_place_is_the_best() -> None:
    assert grade(MEASURED).letter == "A"
    assert grade(MEASURED).raise_by is None


def test_a_modelled_run_is_never_the_best_and_says_what_would_narrow_it() -> None:
    found = grade(replace(MODELLED, scope=scope()))

    assert (found.letter, found.raise_by) == ("B", "--sockets N")
    assert "modelled" in found.reason


def test_an_unknown_zone_leaves_little_trust() -> None:
    world = replace(FRANCE, zone="WORLD", low_g_per_kwh=20.0, high_g_per_kwh=62.0)
    found = grade(replace(MEASURED, intensity=world, place=Place("WORLD", "none"), scope=scope(grid=world)))

    assert (found.letter, found.raise_by) == ("D", "--zone")


def test_ones_own_intensity_needs_no_zone() -> None:
    own = replace(FRANCE, zone="WORLD", quality="given", low_g_per_kwh=41.45, high_g_per_kwh=41.45)

    assert grade(replace(MEASURED, intensity=own, place=Place("WORLD", "none"))).letter == "A"


def test_threads_alone_are_little_to_go_by() -> None:
    found = grade(replace(MODELLED, model=ModelBasis("T5", (), ("--cpu NAME: the processor",))))

    assert (found.letter, found.raise_by) == ("D", "--cpu NAME")


def test_a_guest_whose_site_nobody_knows_has_no_overhead_and_says_so() -> None:
    found = grade(replace(MEASURED, virtual=True))

    assert (found.letter, found.raise_by) == ("C", "--site")


def test_a_gap_in_the_readings_is_told() -> None:
    found = grade(replace(MEASURED, components=(replace(CPU, coverage=0.5),)))

    assert found.letter == "C"
    assert "50 %" in found.reason


def test_no_energy_is_the_worst() -> None:
    assert grade(replace(MEASURED, scope=footprint.nothing(), components=())).letter == "E"


def test_a_very_short_run_is_little_to_go_by() -> None:
    assert grade(replace(MEASURED, duration_s=0.01)).letter == "D"


@pytest.mark.parametrize(
    ("grid", "site", "raised_by"),
    [
        (replace(FRANCE, low_g_per_kwh=15.0, high_g_per_kwh=110.0), HOME, "--grid"),
        (FRANCE, Facility(1.5, 1.0, 4.0, "site average, flag"), "--pue"),
    ],
)
def test_the_widest_factor_is_the_one_to_know_better(
    grid: CarbonIntensity, site: Facility, raised_by: str
) -> None:
    found = grade(replace(MEASURED, intensity=grid, facility=site, scope=scope(grid=grid, site=site)))

    assert found.letter in "CDE"
    assert found.raise_by is not None
    assert raised_by in found.raise_by


@given(a=st.floats(0, 2), b=st.floats(0, 2))
def test_a_wider_interval_is_never_trusted_more(a: float, b: float) -> None:
    narrow, wide = sorted((a, b))
    letters = [grade(replace(MEASURED, scope=scope(1 / (1 + w), 1 + w))).letter for w in (narrow, wide)]

    assert LETTERS.index(letters[0]) <= LETTERS.index(letters[1])
