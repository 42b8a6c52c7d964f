"""The parts of a footprint: by the published formulas, each with its interval, and a total that adds up."""

from __future__ import annotations

import random
from statistics import quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import footprint, hidden, sci
from energywrap.attribution import Joules
from energywrap.extras import Extras, Price, Storage
from energywrap.footprint import Factor, ends, product, total
from energywrap.hidden import Around, Known
from energywrap.model import Basis, CarbonIntensity, Facility, FootprintLine, Made, Making, Scope
from energywrap.record import replace

J_PER_KWH = 3.6e6
HOUR_S = 3600.0
LB_PER_KG = 1 / 0.45359237
FRANCE = CarbonIntensity(
    "FR", "France", 41.45, 37.305, 45.595, 2025, "lifecycle", "CO2e", "production", "reported", "s", "l"
)
SITE = Facility(1.5, 1.3, 1.9, "given", 0.4)
SERVER = Made("server", 1000, 600, 1500, 4, Basis.ASSUMED, "a publisher")
GPU = Made("a GPU", 307, 164, 575, 3, Basis.ASSUMED, "two publishers")
AROUND = Around(
    duration_s=HOUR_S,
    making=Making(SERVER, 1.0, 1.0, (GPU, GPU)),
    network_bytes=2_000_000_000,
    network=Known(Factor(0.059, 0.006, 0.14), "swd"),
    drives=Known(Factor(1.2, 0.3, 2.0), "ccf"),
    copies=Known(Factor(3, 2, 6), "ccf"),
    grid_water=Known(Factor(4.0, 2.0, 8.0), "wri"),
)
NOTHING = Extras((), None, None, None, water=False)


def scope(kwh: float, intensity: CarbonIntensity = FRANCE, facility: Facility = SITE) -> Scope:
    """The scope of an energy that is known to a tenth."""
    joules = kwh * J_PER_KWH
    return footprint.assess(Joules(joules, 0.9 * joules, 1.1 * joules), intensity, facility)


def lines(extras: Extras = NOTHING, around: Around = AROUND, kwh: float = 2.0) -> dict[str, FootprintLine]:
    """The lines of a machine whose command had the half of its energy, by scope and name."""
    scopes = {"machine": scope(kwh), "command": scope(kwh / 2)}
    found = hidden.lines(scopes, {"machine": FRANCE, "command": FRANCE}, SITE, around, extras)
    return {f"{line.scope} {line.name}": line for line in found}


def test_the_example_of_the_sci_specification() -> None:
    """1000 kg over 4 years, one hour, the whole machine."""
    assert hidden.made_g(SERVER, HOUR_S, 1.0).value == pytest.approx(28.5, abs=0.05)


def test_the_published_figures_of_training_bert() -> None:
    """Strubell et al. 2019, table 3: 12,041.51 W for 79 h at PUE 1.58 are 1,507 kWh and 1,438 lb."""
    joules = 12_041.51 * 79 * HOUR_S
    us = replace(FRANCE, g_per_kwh=0.954 / LB_PER_KG * 1000)
    found = footprint.assess(Joules(joules, joules, joules), us, Facility(1.58, 1.58, 1.58, "published"))

    assert found.energy_j is not None
    assert found.co2e_g is not None
    assert found.energy_j * 1.58 / J_PER_KWH == pytest.approx(1507, rel=0.005)
    assert found.co2e_g / 1000 * LB_PER_KG == pytest.approx(1438, rel=0.005)
    assert found.energy_j / (79 * HOUR_S) / 20 == pytest.approx(602, abs=0.5)  # brains of 20 W


def test_electricity_and_overhead_are_lines_of_their_own_and_add_up_to_the_operational_footprint() -> None:
    found = lines()

    assert found["machine it"].value == pytest.approx(2 * 41.45)
    assert found["machine facility"].value == pytest.approx(2 * 0.5 * 41.45)
    assert found["machine total"].value == pytest.approx(scope(2).co2e_g)
    assert found["machine total"].low == pytest.approx(scope(2).co2e_low_g)
    assert found["machine total"].high == pytest.approx(scope(2).co2e_high_g)


def test_making_is_always_shown_and_counted_only_when_asked() -> None:
    without, within = lines(), lines(replace(NOTHING, include=("embodied",)))

    making = hidden.made_g(SERVER, HOUR_S, 1.0).value
    gpus = 2 * hidden.made_g(GPU, HOUR_S, 1.0).value
    assert without["machine embodied"].value == pytest.approx(making)
    assert not without["machine embodied"].in_total
    assert within["machine embodied"].in_total
    assert within["machine total"].value == pytest.approx(without["machine total"].value + making + gpus)


def test_a_guest_has_its_part_of_the_making_and_a_command_what_is_reserved_for_it() -> None:
    assert AROUND.making is not None
    guest = replace(AROUND, making=replace(AROUND.making, part=1 / 64, reserved=0.5))
    found = lines(around=guest)

    whole = hidden.made_g(SERVER, HOUR_S, 1.0).value
    assert found["machine embodied"].value == pytest.approx(whole / 64)
    assert found["command embodied"].value == pytest.approx(whole / 128)


def test_the_network_is_an_estimate_beside_the_total() -> None:
    found = lines()["machine network"]

    assert found.value == pytest.approx(2 * 0.059 * 41.45)
    assert found.low < 0.2 * found.value
    assert found.high > 2 * found.value
    assert not found.in_total
    assert "allocated estimate" in found.source


def test_what_is_kept_costs_by_size_time_and_copies() -> None:
    found = lines(replace(NOTHING, storage=Storage(5e12, 30)))["command storage"]

    assert found.value == pytest.approx(5 * 1.2 * 30 * 24 / 1000 * 3 * 1.5 * 41.45)


def test_water_and_cost_are_on_request() -> None:
    found = lines(replace(NOTHING, water=True, price=Price(0.3, "EUR")))

    assert "machine water site" not in lines()
    assert found["machine water site"].value == pytest.approx(2 * 0.4)
    assert found["machine water grid"].value == pytest.approx(2 * 1.5 * 4.0)
    assert found["machine cost"].value == pytest.approx(2 * 1.5 * 0.3)
    assert (found["machine cost"].unit, found["machine water grid"].unit) == ("EUR", "L")


def test_without_an_energy_there_is_no_total() -> None:
    unknown = footprint.nothing()
    found = hidden.lines(
        {"machine": unknown, "command": unknown},
        {"machine": FRANCE, "command": FRANCE},
        SITE,
        AROUND,
        NOTHING,
    )

    assert not any(line.name in ("it", "facility", "total") for line in found)


@given(
    kwh=st.floats(0, 1e6),
    include=st.lists(st.sampled_from(["embodied", "network", "storage"]), unique=True),
    moved=st.none() | st.integers(0, 10**15),
    pue=st.floats(1, 3),
)
def test_every_line_lies_in_its_interval_and_the_total_is_the_sum_of_what_counts(
    kwh: float, include: list[str], moved: int | None, pue: float
) -> None:
    extras = Extras(tuple(include), None, Storage(1e12, 10), None, water=True)
    facility = Facility(pue, max(1.0, 0.9 * pue), 1.2 * pue, "given", 0.4)
    scopes = {name: scope(kwh, facility=facility) for name in ("machine", "command")}
    intensities = dict.fromkeys(scopes, FRANCE)
    found = hidden.lines(scopes, intensities, facility, replace(AROUND, network_bytes=moved), extras)

    for line in found:
        assert 0 <= line.low <= line.value * (1 + 1e-9) + 1e-12
        assert line.value <= line.high * (1 + 1e-9) + 1e-12
    for name in scopes:
        counted = sum(line.value for line in found if line.scope == name and line.in_total)
        whole = next(line for line in found if line.scope == name and line.name == "total")
        assert whole.value == pytest.approx(counted)


def lognormal(factor: Factor, rng: random.Random) -> float:
    """A draw from the distribution whose P10 and P90 a factor gives, each side by itself."""
    z = rng.gauss(0, 1)
    end = factor.high if z > 0 else factor.low
    return float(factor.value * (end / factor.value) ** (abs(z) / 1.2816))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_rules_of_combining_hold_in_a_monte_carlo(seed: int) -> None:
    rng = random.Random(seed)
    energy, grid, pue, made = (
        Factor(*ends(*given))
        for given in ((2.0, 0.8, 1.3), (400.0, 0.9, 1.1), (1.5, 0.9, 1.2), (300.0, 0.6, 1.5))
    )
    operational = product(energy, grid, pue)
    whole = total(operational, made)
    draws = [
        lognormal(energy, rng) * lognormal(grid, rng) * lognormal(pue, rng) + lognormal(made, rng)
        for _ in range(40_000)
    ]
    low, *_, high = quantiles(draws, n=10)

    assert whole.low == pytest.approx(low, rel=0.05)
    assert whole.high == pytest.approx(high, rel=0.05)


def test_the_carbon_intensity_of_software_is_operational_and_embodied_per_unit() -> None:
    scopes = {"machine": scope(2), "command": scope(1)}
    given = hidden.lines(scopes, {"machine": FRANCE, "command": FRANCE}, SITE, AROUND, NOTHING)
    found = sci.sci(sci.Served("request", 1000, "given"), scopes, given)

    assert found is not None
    making = sum(line.value for line in given if line.scope == "command" and line.name.startswith("emb"))
    assert found.operational_g == pytest.approx(1 * 1.5 * 41.45)
    assert found.embodied_g == pytest.approx(making)
    assert found.g_per_unit == pytest.approx((found.operational_g + making) / 1000)
    assert found.low_g_per_unit < found.g_per_unit < found.high_g_per_unit
    assert "command's share" in found.boundary


def test_without_the_commands_share_the_whole_machine_is_the_software() -> None:
    scopes = {"machine": scope(2), "command": footprint.nothing()}
    given = hidden.lines(scopes, {"machine": FRANCE, "command": FRANCE}, SITE, AROUND, NOTHING)
    found = sci.sci(sci.Served("request", 10, "given"), scopes, given)

    assert found is not None
    assert found.operational_g == pytest.approx(2 * 1.5 * 41.45)
    assert "whole machine" in found.boundary


def test_an_energy_that_is_not_known_has_no_carbon_intensity() -> None:
    unknown = {"machine": footprint.nothing(), "command": footprint.nothing()}

    assert sci.sci(sci.Served("request", 10, "given"), unknown, ()) is None
