"""The power trace: bounded however long the run, and it keeps the energy."""

from __future__ import annotations

import tracemalloc
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.model import Trace
from energywrap.trace import MOST_SLICES, Recorder

WEEK_S = 7 * 24 * 3600
NAMES = {"c": "cpu"}


def joules(trace: Trace, end_s: float, name: str = "cpu") -> float:
    """The energy under a trace that was covered without a gap until `end_s`."""
    ends = [min(start + trace.slice_s, end_s) for start in trace.start_s]
    watts = trace.power_w[name]
    return sum((w or 0.0) * (end - start) for w, start, end in zip(watts, trace.start_s, ends))


@given(
    slice_s=st.sampled_from([0.01, 0.1, 0.3, 1.0, 10.0]),
    steps=st.lists(st.tuples(st.floats(0.01, 500), st.floats(0, 1000)), min_size=1, max_size=30),
)
def test_the_trace_keeps_the_energy_however_often_its_slices_merge(
    slice_s: float, steps: list[tuple[float, float]]
) -> None:
    recorder = Recorder(slice_s)
    ends = list(accumulate((seconds for seconds, _ in steps), initial=0.0))
    for start_s, end_s, (_, watts) in zip(ends, ends[1:], steps):
        recorder.add("c", start_s, end_s, watts * (end_s - start_s))
    trace = recorder.trace(NAMES)
    truth_j = sum(watts * (b - a) for (_, watts), a, b in zip(steps, ends, ends[1:]))

    assert len(trace.start_s) <= MOST_SLICES
    assert joules(trace, ends[-1]) == pytest.approx(truth_j, rel=1e-6, abs=1e-6)


def test_a_week_at_one_second_has_at_most_600_slices_and_keeps_its_energy() -> None:
    recorder = Recorder(1.0)
    for second in range(WEEK_S):
        recorder.add("c", second, second + 1, 40.0 if second % 3600 < 1800 else 10.0)
    trace = recorder.trace(NAMES)

    assert len(trace.start_s) == len(trace.power_w["cpu"]) <= 600
    assert joules(trace, WEEK_S) == pytest.approx(25 * WEEK_S, rel=1e-9)


def test_the_recorder_takes_no_more_memory_for_ten_times_the_time() -> None:
    recorder = Recorder(1.0)
    tracemalloc.start()
    try:
        for second in range(2000):
            recorder.add("c", second, second + 1, 40.0)
        early, _ = tracemalloc.get_traced_memory()
        for second in range(2000, 20_000):
            recorder.add("c", second, second + 1, 40.0)
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert late < early + 100_000


def test_steady_power_is_flat_in_every_slice() -> None:
    recorder = Recorder(0.5)
    for number in range(4):
        recorder.add("c", number * 0.7, (number + 1) * 0.7, 50 * 0.7)

    assert recorder.trace(NAMES).power_w["cpu"] == pytest.approx((50,) * 6)


def test_a_time_that_nobody_covered_is_none_not_zero() -> None:
    recorder = Recorder(1.0)
    recorder.add("c", 0, 1, 5)
    recorder.add("c", 3, 4, 5)

    assert recorder.trace(NAMES).power_w["cpu"] == pytest.approx((5, None, None, 5))


def test_a_gap_survives_merging_as_less_time_not_as_less_power() -> None:
    recorder = Recorder(1.0)
    recorder.add("c", 0, 1, 30)
    recorder.add("c", 2, 601, 30 * 599)  # one second of the first merged slice is missing
    trace = recorder.trace(NAMES)

    assert trace.slice_s == 2.0
    assert trace.power_w["cpu"] == pytest.approx((30,) * 301)


def test_channels_have_one_time_line_and_an_unknown_one_is_empty() -> None:
    recorder = Recorder(1.0)
    recorder.add("c", 0, 3, 30)
    recorder.add("g", 0, 1, 7)
    trace = recorder.trace({"c": "cpu", "g": "gpu", "x": "ram"})

    assert trace.start_s == (0.0, 1.0, 2.0)
    assert trace.power_w == {"cpu": (10, 10, 10), "gpu": (7, None, None), "ram": (None, None, None)}


def test_nothing_read_is_an_empty_trace() -> None:
    assert Recorder(1.0).trace({}) == Trace(1.0, (), {}, ())
