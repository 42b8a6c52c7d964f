"""Intensities over time: means by energy, the greenest window, slots put in order, durations."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.errors import UserError
from energywrap.grid import slots
from energywrap.model import Slot
from fakes.gridserver import HALF, HOUR, NOW, told

grams = st.just(0.0) | st.floats(1e-3, 1000)
joules = st.just(0.0) | st.floats(1e-6, 1e6)
pieces = st.lists(st.tuples(st.floats(0, 7200), st.floats(1, 3600), joules), min_size=1, max_size=8).map(
    lambda found: [(NOW + start, NOW + start + length, joules) for start, length, joules in found]
)


def test_energy_counts_by_the_slot_that_it_was_drawn_in() -> None:
    """300 J in a slot of 100 g/kWh and 100 J in one of 500: the mean is (300 x 100 + 100 x 500) / 400."""
    drawn = [(NOW, NOW + HALF, 300.0), (NOW + HALF, NOW + HOUR, 100.0)]

    assert slots.weighted(told(100, 500), drawn) == (200.0, 1.0)
    assert slots.weighted(told(100, 500), [(NOW + HALF / 2, NOW + HALF * 1.5, 1.0)]) == (300.0, 1.0)
    assert slots.weighted(told(100), drawn) == (100.0, 0.75)
    assert slots.weighted((), drawn) == (None, 0.0)


@given(drawn=pieces, values=st.lists(grams, min_size=1, max_size=6), part=st.floats(0.01, 0.99))
def test_a_mean_lies_between_its_slots_and_does_not_depend_on_how_the_pieces_are_cut(
    drawn: list[tuple[float, float, float]], values: list[float], part: float
) -> None:
    known = told(*values)
    mean, inside = slots.weighted(known, drawn)
    cut = [
        piece
        for start, end, joules in drawn
        for middle in [start + part * (end - start)]
        for piece in ((start, middle, part * joules), (middle, end, (1 - part) * joules))
    ]
    again, inside_again = slots.weighted(known, cut)

    assert inside == pytest.approx(inside_again, abs=1e-6)
    if mean is not None and again is not None and inside > 1e-6:
        touched = [
            slot.g_per_kwh
            for slot in known
            if any(start < slot.to_s and end > slot.from_s and drawn_j for start, end, drawn_j in drawn)
        ]
        assert mean == pytest.approx(again, rel=1e-4, abs=1e-6)
        assert min(touched) * (1 - 1e-9) <= mean <= max(touched) * (1 + 1e-9)


@given(
    drawn=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60), joules), min_size=1, max_size=6),
    values=st.lists(grams, min_size=1, max_size=6),
)
def test_a_mean_is_what_counting_second_by_second_gives(
    drawn: list[tuple[int, int, float]], values: list[float]
) -> None:
    """Slots of 10 s; each second of a piece has an equal part of its energy, and the value of its slot."""
    each_second = [
        (second // 10, energy / length)
        for start, length, energy in drawn
        for second in range(start, start + length)
    ]
    inside = [(values[slot], part) for slot, part in each_second if slot < len(values)]
    inside_j, all_j = sum(part for _, part in inside), sum(energy for _, _, energy in drawn)
    known = told(*values, step_s=10.0)
    mean, part = slots.weighted(known, [(NOW + start, NOW + start + n, energy) for start, n, energy in drawn])

    if not inside_j:
        assert (mean, part) == (None, 0.0)
        return
    assert mean == pytest.approx(sum(value * part for value, part in inside) / inside_j)
    assert part == pytest.approx(inside_j / all_j)


@given(
    values=st.lists(st.floats(0, 1000), min_size=2, max_size=12),
    lasting=st.floats(60, 7200),
    within=st.floats(0, 14400),
)
def test_no_other_start_is_greener_than_the_greenest(
    values: list[float], lasting: float, within: float
) -> None:
    known = told(*values)
    found = slots.greenest(known, NOW, within, lasting)
    if found is None:
        assert slots.mean(known, NOW, NOW + lasting) is None
        return

    assert NOW <= found.start_s <= NOW + within
    for step in range(41):
        other = slots.mean(known, NOW + within * step / 40, NOW + within * step / 40 + lasting)
        assert other is None or found.g_per_kwh <= other + 1e-6


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("6h", 21600), ("1d", 86400), ("1.5 h", 5400)]
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert slots.duration_s(text, "--within") == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "-6h", "6 weeks", "nanh", "infd", "1e9d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no duration"):
        slots.duration_s(text, "--within")


@given(value=st.floats(0, 1000), late_s=st.floats(0, HALF), lasting_s=st.floats(60, 7200))
def test_nobody_waits_where_nothing_is_gained(value: float, late_s: float, lasting_s: float) -> None:
    found = slots.greenest(told(*[value] * 40), NOW + late_s, 8 * HOUR, lasting_s)

    assert found is not None
    assert found.start_s == NOW + late_s
    assert found.g_per_kwh == pytest.approx(value)


def test_the_greenest_window_is_the_first_of_those_that_are() -> None:
    found = slots.greenest(told(300, 300, 100, 200), NOW + 60, 3 * HOUR, 2700)

    assert found is not None
    assert found.start_s == NOW + 2 * HALF
    assert found.g_per_kwh == pytest.approx((1800 * 100 + 900 * 200) / 2700)


anything = st.lists(
    st.builds(
        lambda start_s, seconds, value, kind: Slot(
            NOW + start_s, NOW + start_s + seconds, float(value), kind
        ),
        st.integers(0, 100), st.integers(1, 40), st.integers(0, 9), st.sampled_from(slots.KINDS),
    ),
    max_size=8,
)  # fmt: skip


@given(new=anything, old=anything)
def test_slots_are_put_in_order_and_every_second_has_the_best_value_that_was_told(
    new: list[Slot], old: list[Slot]
) -> None:
    found = slots.tidy(new, old)

    for one, other in zip(found, found[1:], strict=False):
        assert one.to_s <= other.from_s
    for second in range(140):
        at_s = NOW + second + 0.5
        here = [slot for slot in found if slot.from_s < at_s < slot.to_s]
        known = [
            [each for each in layer if each.kind == kind and each.from_s < at_s < each.to_s]
            for kind in slots.KINDS
            for layer in (new, old)
        ]
        best = next((layer for layer in known if layer), [])
        assert bool(here) == bool(best)
        assert all(slot.kind == best[0].kind for slot in here)
        assert all(slot.g_per_kwh in [each.g_per_kwh for each in best] for slot in here)


def test_thousands_of_slots_take_no_time() -> None:
    many = told(*[float(index % 7) for index in range(10_000)], step_s=60.0)
    began_s = time.process_time()
    slots.tidy(many, many)
    slots.weighted(many, [(NOW + index, NOW + index + 1, 1.0) for index in range(10_000)])
    slots.greenest(many, NOW, 86400, HOUR)

    assert time.process_time() - began_s < 5
