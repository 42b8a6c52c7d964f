"""Modelled watts: plausible in shape, true to their source, and never surer with less knowledge."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.power_model import generic, memory
from energywrap.power_model.watts import Watts

loads = st.floats(0, 1)
doubts = st.floats(0, 1)
threads = st.integers(1, 1024)
gigabytes = st.floats(0.5, 4096)

WORKLOAD = 1.2816 * 0.20  # P90 of a normal spread over kinds of work, at full load


def contains(watts: Watts) -> bool:
    """Whether the interval holds the value, but for rounding."""
    return watts.low <= watts.value * (1 + 1e-12) <= watts.high * (1 + 2e-12)


@pytest.mark.parametrize(("load", "watts"), [(0.0, 0.63), (1.0, 3.36), (0.5, 0.63 + 2.73 * 0.5**0.75)])
def test_a_hardware_thread_draws_what_the_fit_says(load: float, watts: float) -> None:
    assert generic.machine(1, load).value == pytest.approx(watts, rel=1e-9)


@given(n=threads, load=st.floats(1e-6, 1))
def test_a_busy_machine_draws_more_than_an_idle_one(n: int, load: float) -> None:
    assert generic.machine(n, 0).value < generic.machine(n, load).value


@given(n=threads, a=loads, b=loads)
def test_power_rises_with_load(n: int, a: float, b: float) -> None:
    low, high = sorted((a, b))

    assert generic.machine(n, low).value <= generic.machine(n, high).value


@given(n=threads, load=loads, doubt=doubts)
def test_power_is_linear_in_threads(n: int, load: float, doubt: float) -> None:
    one, many = generic.machine(1, load, doubt), generic.machine(n, load, doubt)

    assert (many.low, many.value, many.high) == pytest.approx((n * one.low, n * one.value, n * one.high))


@given(n=threads, load=loads, doubt=doubts)
def test_the_interval_contains_the_value(n: int, load: float, doubt: float) -> None:
    assert contains(generic.machine(n, load, doubt))


@given(load=loads, a=doubts, b=doubts)
def test_doubt_only_widens(load: float, a: float, b: float) -> None:
    less, more = sorted((a, b))
    sure, unsure = generic.machine(1, load, less), generic.machine(1, load, more)

    assert unsure.value == sure.value
    assert unsure.low <= sure.low * (1 + 1e-12)
    assert unsure.high >= sure.high * (1 - 1e-12)


@given(load=loads, doubt=doubts, at=st.floats(-1, 1))
def test_no_load_within_the_doubt_is_left_out(load: float, doubt: float, at: float) -> None:
    whole = generic.machine(1, load, doubt)
    possible = generic.machine(1, load + at * doubt)

    assert whole.low <= possible.low * (1 + 1e-9)
    assert whole.high >= possible.high * (1 - 1e-9)


@pytest.mark.parametrize(
    ("load", "low", "high"),
    # measured: high 1.37 and 1.36, but those who know the generation had 1.38 and 1.39
    [(0.0, 0.44, 2.14), (0.1, 0.58, 1.38), (0.3, 0.58, 1.38), (0.4, 0.46, 1.39), (1.0, 0.46, 1.39)],
)
def test_the_band_is_that_of_the_fit_and_of_the_kind_of_work_in_quadrature(
    load: float, low: float, high: float
) -> None:
    found = generic.machine(1, load)
    work = WORKLOAD * load

    assert found.low / found.value == pytest.approx(exp(-sqrt(log(low) ** 2 + work**2)), rel=1e-6)
    assert found.high / found.value == pytest.approx(exp(sqrt(log(high) ** 2 + work**2)), rel=1e-6)


def test_the_band_at_full_load_is_known_to_two_digits() -> None:
    found = generic.machine(1, 1.0)

    assert (found.low / found.value, found.high / found.value) == pytest.approx((0.44, 1.52), abs=0.005)


@pytest.mark.parametrize("load", [-1.0, -1e-9, 1 + 1e-9, 7.0])
def test_a_load_that_clocks_misjudged_is_taken_as_none_or_full(load: float) -> None:
    assert generic.machine(4, load) == generic.machine(4, 0.0 if load < 0 else 1.0)


@given(gb=gigabytes, load=loads, doubt=doubts, kind=st.sampled_from([None, *memory.KINDS]))
def test_memory_draws_what_was_measured_of_its_kind_and_doubt_only_widens(
    gb: float, load: float, doubt: float, kind: str | None
) -> None:
    found, sure = memory.ram(gb, load, doubt, kind), memory.ram(gb, load, 0.0, kind)
    dimms = memory.KINDS.get(kind or "", memory.UNKNOWN)

    assert contains(found)
    assert dimms.idle.value * gb * (1 - 1e-9) <= found.value <= dimms.full.value * gb * (1 + 1e-9)
    assert dimms.idle.low * gb * (1 - 1e-9) <= found.low <= sure.low * (1 + 1e-9)
    assert sure.high * (1 - 1e-9) <= found.high <= dimms.full.high * gb * (1 + 1e-9)


def test_memory_of_no_known_kind_is_as_unsure_as_what_it_may_be() -> None:
    for load in (0.0, 0.5, 1.0):
        unknown = memory.ram(1, load)
        for kind in ("ddr4", "ddr5"):
            assert unknown.low <= memory.ram(1, load, kind=kind).low
            assert unknown.high >= memory.ram(1, load, kind=kind).high


def test_saturated_memory_may_draw_the_most_that_was_measured() -> None:
    assert memory.ram(1, 1, kind="ddr4").high == pytest.approx(0.31)
    assert memory.ram(1, 0, kind="ddr4").high == pytest.approx(0.11)
    assert memory.ram(1, 1, kind="ddr3").high == pytest.approx(1.13)


@given(n=threads, load=loads, doubt=doubts)
def test_the_parts_of_a_machine_of_the_fitted_kind_add_up_to_the_whole(
    n: int, load: float, doubt: float
) -> None:
    whole = generic.machine(n, load, doubt).value
    parts = generic.split(n, n * generic.FITTED_GB_PER_THREAD, load, doubt)

    assert parts.cpu.value + parts.ram.value + parts.rest.value == pytest.approx(whole)


@given(n=threads, gb=gigabytes, load=loads, doubt=doubts)
def test_every_part_is_positive_and_in_its_interval(n: int, gb: float, load: float, doubt: float) -> None:
    parts = generic.split(n, gb, load, doubt)

    for part in (parts.cpu, parts.ram, parts.rest):
        assert part.low >= 0
        assert contains(part)
        assert part.value > 0


@given(n=threads, load=loads, a=gigabytes, b=gigabytes)
def test_more_memory_costs_more_and_changes_nothing_else(n: int, load: float, a: float, b: float) -> None:
    small, large = (generic.split(n, gb, load) for gb in sorted((a, b)))

    assert small.ram.value <= large.ram.value
    assert (small.cpu, small.rest) == (large.cpu, large.rest)
