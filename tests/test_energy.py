"""Readings become joules: what went in comes out, and nothing that nobody saw is counted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from energywrap import balance, energy, plan
from energywrap.balance import Total
from energywrap.energy import Moment
from energywrap.model import Basis, Channel, Component, Kind, Tally
from energywrap.record import replace

WRAP_J = 65_532.61  # an AMD package
MAX_W = 1000.0
GAP_S = 3.0
START_S = 100.0

COUNTER = Channel("c", Component.CPU, "package-0", "rapl", Kind.COUNTER, wrap_j=WRAP_J, max_w=MAX_W)
ENDLESS = Channel("e", Component.GPU, "gpu-0", "nvml energy", Kind.COUNTER, max_w=3000.0)
GAUGE = Channel("g", Component.GPU, "gpu-0", "nvml power", Kind.GAUGE, max_w=3000.0)
MODEL = Channel(
    "m",
    Component.CPU,
    "cpu",
    "model",
    Kind.COUNTER,
    basis=Basis.MODELLED,
    low_id="m:low",
    high_id="m:high",
)
REST = replace(MODEL, id="r", component=Component.REST, low_id="r:low", high_id="r:high")

watts_of_a_machine = st.floats(0, 0.99 * MAX_W)
steps = st.lists(st.tuples(st.floats(0.1, 10.0), watts_of_a_machine), min_size=1, max_size=40)


def fold(channel: Channel, readings: Iterable[tuple[float, float | None]], gap_s: float = GAP_S) -> Tally:
    """The tally of (second, value) pairs."""
    tally = Tally()
    for at_s, value in readings:
        tally = energy.add(tally, value, channel, Moment(at_s), gap_s)
    return tally


def steady(watts: float, seconds: int = 10, start_j: float = START_S) -> list[tuple[float, float | None]]:
    """A counter's readings, one a second, at a steady power."""
    return [(float(at_s), start_j + watts * at_s) for at_s in range(seconds + 1)]


def total(tallies: dict[Channel, Tally], duration_s: float = 10.0) -> Total:
    """The total over channels in order of preference, a model's bounds at half and twice its value."""
    by_id = {channel.id: tally for channel, tally in tallies.items()}
    for channel, tally in tallies.items():
        for name, factor in ((channel.low_id, 0.5), (channel.high_id, 2.0)):
            if name is not None:
                by_id[name] = replace(tally, joules=tally.joules * factor)
    return balance.total(plan.choose(tallies), by_id, duration_s)


def joules(found: Total) -> dict[str, float]:
    """J by device."""
    return {part.device: round(part.energy_j, 3) for part in found.components}


# ---- a counter -------------------------------------------------------------------------------------


@given(start_j=st.floats(0, WRAP_J - 1e-3), steps=steps)
def test_a_counter_gives_back_what_went_in_however_often_it_wraps(
    start_j: float, steps: list[tuple[float, float]]
) -> None:
    seconds = list(accumulate((step[0] for step in steps), initial=0.0))
    unwrapped = list(accumulate((s * w for s, w in steps), initial=start_j))
    tally = fold(COUNTER, [(at_s, value % WRAP_J) for at_s, value in zip(seconds, unwrapped)])

    assert tally.joules == pytest.approx(unwrapped[-1] - start_j, abs=1e-6)
    assert tally.wraps == unwrapped[-1] // WRAP_J
    assert tally.covered_s == pytest.approx(seconds[-1])
    assert (tally.resets, tally.doubtful) == (0, 0)


@given(steps=st.lists(st.tuples(st.floats(0.1, 1.0), watts_of_a_machine), min_size=2), data=st.data())
def test_a_reading_that_failed_loses_nothing(steps: list[tuple[float, float]], data: st.DataObject) -> None:
    seconds = list(accumulate((step[0] for step in steps), initial=0.0))
    unwrapped = list(accumulate((s * w for s, w in steps), initial=WRAP_J - 50))
    readings: list[tuple[float, float | None]] = [(s, v % WRAP_J) for s, v in zip(seconds, unwrapped)]
    failed = data.draw(st.sets(st.integers(1, len(readings) - 2))) if len(readings) > 2 else set()
    holey = [(s, None if i in failed else v) for i, (s, v) in enumerate(readings)]
    tally = fold(COUNTER, holey)

    assert tally.joules == pytest.approx(unwrapped[-1] - unwrapped[0], abs=1e-6)
    assert tally.covered_s == pytest.approx(seconds[-1])
    assert tally.missing == len(failed)


@given(
    start_j=st.floats(0, WRAP_J / 2),
    before=st.lists(watts_of_a_machine, max_size=20),
    at=st.floats(0, 1),
    watts=watts_of_a_machine,
    after=st.lists(watts_of_a_machine, max_size=20),
    wraps=st.booleans(),
)
def test_a_restarted_counter_never_counts_more_than_the_truth(
    start_j: float, before: list[float], at: float, watts: float, after: list[float], wraps: bool
) -> None:
    channel = COUNTER if wraps else ENDLESS
    values = list(accumulate(before, initial=start_j))
    values += accumulate(after, initial=watts * (1 - at))  # restarted in the middle of a second
    truth_j = sum(before) + watts + sum(after)
    tally = fold(channel, [(float(i), value) for i, value in enumerate(values)])

    assert tally.joules <= truth_j + 1e-6
    assert tally.joules >= sum(before) + sum(after) - max(watts, 0) - 1e-6


def test_a_restart_is_told_from_a_wrap_by_the_power_that_a_wrap_would_need() -> None:
    restart = fold(COUNTER, [(0, 30_000.0), (1, 5.0)])
    wrap = fold(COUNTER, [(0, WRAP_J - 100), (1, 5.0)])

    assert (restart.joules, restart.resets, restart.wraps) == (5.0, 1, 0)
    assert wrap.joules == pytest.approx(105)
    assert (wrap.resets, wrap.wraps) == (0, 1)


def test_a_counter_of_unknown_range_that_falls_is_only_a_lower_bound() -> None:
    tally = fold(replace(COUNTER, wrap_j=None), [(0, WRAP_J - 100), (1, 5.0)])

    assert (tally.joules, tally.resets, tally.covered_s) == (5.0, 1, 0.0)


def test_a_fall_across_a_suspend_is_a_restart_not_a_wrap() -> None:
    tally = energy.add(Tally(), WRAP_J - 10, COUNTER, Moment(0), GAP_S)
    tally = energy.add(tally, 5.0, COUNTER, Moment(1, suspended=True), GAP_S)

    assert (tally.joules, tally.wraps, tally.resets) == (5.0, 0, 1)


@given(start_j=st.floats(0, 1e4), seconds=st.floats(0.1, 10), times_too_much=st.floats(1.01, 5))
def test_a_jump_that_no_power_explains_counts_nothing(
    start_j: float, seconds: float, times_too_much: float
) -> None:
    jumped_j = start_j + MAX_W * seconds * times_too_much
    tally = fold(COUNTER, [(0, start_j), (seconds, jumped_j), (seconds + 1, jumped_j + 50)])

    assert tally.joules == pytest.approx(50)
    assert tally.covered_s == pytest.approx(1)
    assert tally.resets == 1


def test_a_counter_read_so_late_that_it_may_have_wrapped_twice_is_doubted() -> None:
    late = fold(COUNTER, [(0, 0.0), (WRAP_J / MAX_W + 1, 100.0)])
    found = total({COUNTER: late}, duration_s=67)

    assert late.doubtful == 1
    assert any("wrapped around twice" in warning for warning in found.warnings)


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_the_commands_part_is_summed_interval_by_interval(shares: list[float]) -> None:
    tally = energy.add(Tally(), 0.0, COUNTER, Moment(0.0), GAP_S)
    for number, share in enumerate(shares, 1):
        tally = energy.add(tally, 10.0 * number, COUNTER, Moment(float(number), share), GAP_S)

    assert tally.shared_j == pytest.approx(10 * sum(shares))


# ---- a gauge ---------------------------------------------------------------------------------------


@given(
    start_w=st.floats(0, 500),
    end_w=st.floats(0, 500),
    gaps=st.lists(st.floats(0.01, GAP_S), min_size=1, max_size=50),
)
def test_a_gauge_integrates_a_ramp_exactly_on_uneven_timestamps(
    start_w: float, end_w: float, gaps: list[float]
) -> None:
    seconds = list(accumulate(gaps, initial=0.0))
    assume(all(b - a <= GAP_S for a, b in zip(seconds, seconds[1:])))  # as floats add up
    slope = (end_w - start_w) / seconds[-1]
    tally = fold(GAUGE, [(at_s, start_w + slope * at_s) for at_s in seconds])

    assert tally.joules == pytest.approx((start_w + end_w) / 2 * seconds[-1], rel=1e-9, abs=1e-9)
    assert tally.covered_s == pytest.approx(seconds[-1])


def test_a_gauge_is_not_integrated_across_a_gap() -> None:
    tally = fold(GAUGE, [(0, 100.0), (1, 100.0), (5, 100.0), (6, 100.0)])

    assert (tally.joules, tally.covered_s, tally.missing) == (200.0, 2.0, 1)


def test_a_gauge_is_not_integrated_across_a_suspend() -> None:
    tally = fold(GAUGE, [(0, 100.0), (1, 100.0)])
    tally = energy.add(tally, 100.0, GAUGE, Moment(2, suspended=True), GAP_S)

    assert (tally.joules, tally.covered_s) == (100.0, 1.0)


def test_a_failed_reading_does_not_hide_a_suspend() -> None:
    tally = fold(GAUGE, [(0, 100.0), (1, 100.0)])
    tally = energy.add(tally, None, GAUGE, Moment(2, suspended=True), GAP_S)
    tally = energy.add(tally, 100.0, GAUGE, Moment(3), GAP_S)
    tally = energy.add(tally, 100.0, GAUGE, Moment(4), GAP_S)

    assert (tally.joules, tally.covered_s) == (200.0, 2.0)


# ---- the total -------------------------------------------------------------------------------------


@given(
    seconds=st.integers(1, 100),
    watts=st.floats(0.1, 900),
    error=st.floats(0, 0.5),
    tick_s=st.floats(0, 0.2),
    covered=st.floats(0.1, 1),
)
def test_an_interval_contains_its_value_and_low_coverage_raises_only_its_upper_end(
    seconds: int, watts: float, error: float, tick_s: float, covered: float
) -> None:
    channel = replace(COUNTER, error=error, tick_s=tick_s)
    tallies = {channel: fold(channel, steady(watts, seconds))}
    whole = total(tallies, seconds).components[0]
    part = total(tallies, seconds / covered).components[0]

    assert 0 <= whole.low_j <= whole.energy_j <= whole.high_j
    assert whole.coverage == 1.0
    assert part.coverage == pytest.approx(covered, abs=1e-4)
    assert (part.low_j, part.energy_j) == (whole.low_j, whole.energy_j)
    assert part.high_j == pytest.approx(whole.high_j / covered, rel=1e-6)


def test_a_modelled_component_has_the_bounds_of_its_model() -> None:
    found = total({MODEL: fold(MODEL, steady(10))})
    part = found.components[0]

    assert (part.low_j, part.energy_j, part.high_j) == pytest.approx((50, 100, 200))
    assert part.basis == Basis.MODELLED


def test_a_counter_silent_for_a_third_of_the_run_is_said_to_be() -> None:
    found = total({COUNTER: fold(COUNTER, steady(50, 10))}, duration_s=15)

    assert found.components[0].coverage == pytest.approx(0.6667)
    assert any("covered 67 % of the run" in warning for warning in found.warnings)


def test_a_restart_is_named_in_a_warning() -> None:
    found = total({COUNTER: fold(COUNTER, [(0, 3000.0), (5, 3100.0), (10, 50.0)])})

    assert found.components[0].energy_j == pytest.approx(150)
    assert any("rapl package-0" in warning and "lower bound" in warning for warning in found.warnings)


def dies(devices: tuple[str, str] = ("package-0-die-0", "package-0-die-1")) -> tuple[Channel, Channel]:
    first = replace(COUNTER, id="die-0", device=devices[0])
    return first, replace(COUNTER, id="die-1", device=devices[1], duplicate_of="die-0")


def test_dies_that_mirror_one_counter_are_counted_once() -> None:
    first, second = dies()
    late_j = 68 * 0.0002  # the second is read a moment later
    found = total(
        {first: fold(first, steady(68)), second: fold(second, steady(68, start_j=START_S + late_j))}
    )

    assert joules(found) == {"package-0-die-0": 680}
    assert [gap.expected for gap in found.skipped] == [True]


def test_dies_with_counters_of_their_own_are_both_counted() -> None:
    first, second = dies()
    found = total({first: fold(first, steady(68)), second: fold(second, steady(70, start_j=900))})

    assert joules(found) == {"package-0-die-0": 680, "package-0-die-1": 700}


def test_two_sockets_that_happen_to_use_the_same_are_both_counted() -> None:
    first, second = replace(COUNTER, id="0"), replace(COUNTER, id="1", device="package-1")
    found = total({first: fold(first, steady(68)), second: fold(second, steady(68))})

    assert joules(found) == {"package-0": 680, "package-1": 680}


def test_a_die_speaks_when_the_one_it_mirrors_cannot() -> None:
    first, second = dies()
    found = total({first: fold(first, [(0, None), (10, None)]), second: fold(second, steady(68))})

    assert joules(found) == {"package-0-die-1": 680}


def test_mirrored_dies_are_known_across_a_wrap_between_their_reads() -> None:
    first, second = dies()
    late_j = 68 * 0.0002
    start_j = WRAP_J - late_j / 2  # the first die is read just before the wrap, the second just after
    readings = steady(68, start_j=start_j)
    late = steady(68, start_j=start_j + late_j)
    mirrored = {
        die: fold(die, [(at_s, (value or 0) % WRAP_J) for at_s, value in seen])
        for die, seen in ((first, readings), (second, late))
    }

    assert joules(total(mirrored)) == {"package-0-die-0": 680}


def test_mirrored_dies_are_known_when_one_fails_at_the_end() -> None:
    first, second = dies()
    found = total(
        {first: fold(first, steady(68)), second: fold(second, [*steady(68, seconds=9), (10.0, None)])}
    )

    assert joules(found) == {"package-0-die-0": 680}


def test_a_counter_that_never_moves_hands_over_to_the_gauge_with_a_note() -> None:
    gauge = fold(GAUGE, [(0, 100.0), (2, 100.0), (4, 100.0)])
    found = total({ENDLESS: fold(ENDLESS, steady(0, 4)), GAUGE: gauge}, duration_s=4)

    assert [(part.source, part.energy_j) for part in found.components] == [("nvml power", 400.0)]
    assert [(gap.what, gap.expected) for gap in found.skipped] == [("nvml energy gpu-0", False)]
    assert "did not move" in found.skipped[0].why


def test_a_counter_that_moves_leaves_the_gauge_out() -> None:
    gauge = fold(GAUGE, [(0, 100.0), (2, 100.0), (4, 100.0)])
    found = total({ENDLESS: fold(ENDLESS, steady(90, 4)), GAUGE: gauge}, duration_s=4)

    assert [(part.source, part.energy_j) for part in found.components] == [("nvml energy", 360.0)]
    assert found.skipped == ()


@pytest.mark.parametrize("readings", [[], [(0.0, 100.0)], [(0.0, None), (5.0, None), (10.0, 1.0)]])
def test_a_counter_that_hardly_answers_hands_over_to_the_model_with_a_note(
    readings: list[tuple[float, float | None]],
) -> None:
    found = total({COUNTER: fold(COUNTER, readings), MODEL: fold(MODEL, steady(10))})

    assert [part.source for part in found.components] == ["model"]
    assert [gap.what for gap in found.skipped] == ["rapl package-0"]


def test_one_living_socket_keeps_the_model_out_and_the_dead_one_is_named() -> None:
    dead = replace(COUNTER, id="1", device="package-1")
    found = total(
        {
            COUNTER: fold(COUNTER, steady(50)),
            dead: fold(dead, steady(0)),
            MODEL: fold(MODEL, steady(10)),
            REST: fold(REST, steady(5)),
        }
    )

    assert [part.device for part in found.components if part.component == Component.CPU] == ["package-0"]
    assert [gap.what for gap in found.skipped] == ["rapl package-1"]


def test_the_modelled_rest_of_the_machine_speaks_beside_a_measured_or_modelled_cpu_only() -> None:
    modelled = {MODEL: fold(MODEL, steady(10)), REST: fold(REST, steady(5))}
    measured = {COUNTER: fold(COUNTER, steady(50)), **modelled}

    assert [part.component for part in total(modelled).components] == [Component.CPU, Component.REST]
    assert [part.basis for part in total(measured).components] == [Basis.MEASURED, Basis.MODELLED]
    assert total({REST: fold(REST, steady(5))}).components == ()


@pytest.mark.parametrize(
    "readings",
    [
        [(0.0, 1000.0), (1.0, 50_000.0)],  # jumped
        [(0.0, 30_000.0), (1.0, 5.0)],  # restarted
    ],
)
def test_a_counter_that_covered_nothing_hands_over_to_the_model(
    readings: list[tuple[float, float | None]],
) -> None:
    found = total({COUNTER: fold(COUNTER, readings), MODEL: fold(MODEL, steady(10, 1))}, duration_s=1)

    assert [part.source for part in found.components] == ["model"]
    assert [gap.what for gap in found.skipped] == ["rapl package-0"]


def test_a_gauge_that_covered_nothing_is_not_measured_instead_of_zero() -> None:
    found = total({GAUGE: fold(GAUGE, [(0, 100.0), (10, 100.0)])})

    assert found.components == ()
    assert [gap.what for gap in found.skipped] == ["nvml power gpu-0"]


def test_no_source_at_all_gives_no_component() -> None:
    assert total({}).components == ()


def test_every_component_names_the_channel_that_spoke_for_it() -> None:
    found = total({COUNTER: fold(COUNTER, steady(0)), MODEL: fold(MODEL, steady(10)), GAUGE: Tally()})

    assert found.channels == ("m",)
    assert len(found.channels) == len(found.components)
