"""The background thread: it reads before, meanwhile and after, and never keeps the command waiting."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energywrap.config import Settings, resolve
from energywrap.errors import Unavailable
from energywrap.fold import Fold
from energywrap.model import Channel, Component, Gpu, Kind, Skipped, Snapshot
from energywrap.record import replace
from energywrap.sampler import LONGEST_PERIOD_S, STUCK_S, Sampler
from energywrap.sources import Sources
from energywrap.sources.registry import QUICK, SLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.sources.registry import Opening

COUNTER = Channel("c", Component.CPU, "package-0", "rapl", Kind.COUNTER, max_w=1e6)
GAUGE = Channel("g", Component.GPU, "gpu-0", "nvml power", Kind.GAUGE)
AWAIT_S = 20  # for what comes at once


class Scripted:
    """A source that answers each reading from a function of its number."""

    name = "scripted"
    skipped: tuple[Skipped, ...] = ()
    gpus: tuple[Gpu, ...] = ()

    def __init__(self, answer: Callable[[int], dict[str, float]], *channels: Channel) -> None:
        self.channels = channels
        self.readings = 0
        self.wanted = 0
        self.enough = threading.Event()
        self._answer = answer

    def read(self) -> dict[str, float]:
        """The answer to one more reading."""
        self.readings += 1
        if self.readings == self.wanted:
            self.enough.set()
        return self._answer(self.readings)

    def await_readings(self, number: int) -> None:
        """Wait until so many readings were taken."""
        self.wanted = number
        if self.readings < number:
            assert self.enough.wait(AWAIT_S)

    def close(self) -> None:
        """Nothing is held open."""


class NoMeter:
    """An accounting that does not follow the command live."""

    method = "none"
    live = False

    def cpu_s(self) -> float | None:
        """Never known."""
        return None

    def close(self) -> None:
        """Nothing is held open."""


class Meter(NoMeter):
    """A live accounting of this very process."""

    live = True

    def cpu_s(self) -> float | None:
        """Our own CPU seconds."""
        return time.process_time()


def opener(source: Scripted) -> Callable[[Settings], Scripted]:
    """What opens this source."""
    return lambda settings: source


def promising(settings: Settings) -> bool:
    """It is worth trying."""
    return True


def sampler(*sources: Scripted, interval_s: float = 0.01, meter: NoMeter | None = None) -> Sampler:
    """A sampler of these sources, which are open before the command starts."""
    openers = {f"scripted {n}": (QUICK, promising, opener(source), ()) for n, source in enumerate(sources)}
    made = Sampler(Sources(resolve({}, {}, "/"), openers), interval_s)
    made.follow(meter or NoMeter())
    return made


def rising(number: int) -> dict[str, float]:
    """A counter that gains 10 J between two readings."""
    return {"c": 10.0 * number}


# ---- readings --------------------------------------------------------------------------------------


def test_a_reading_before_and_one_after_are_enough() -> None:
    source = Scripted(rising, COUNTER)
    sampling = sampler(source)
    sampling.read()

    assert sampling.finish()
    assert source.readings == 2
    assert sampling.folded().tallies["c"].joules == 10


def test_it_reads_in_the_background_and_once_more_at_the_end() -> None:
    source = Scripted(rising, COUNTER)
    sampling = sampler(source)
    sampling.read()
    sampling.start()
    source.await_readings(5)

    assert sampling.finish()
    assert source.readings >= 6
    assert sampling.folded().tallies["c"].joules == pytest.approx(10 * (source.readings - 1))
    assert sampling.folded().tallies["c"].readings == source.readings


def test_nothing_is_read_after_the_end() -> None:
    source = Scripted(rising, COUNTER)
    sampling = sampler(source)
    sampling.read()
    sampling.start()
    source.await_readings(3)
    sampling.finish()
    readings = source.readings
    time.sleep(0.1)  # ten periods in which nothing may happen

    assert source.readings == readings


def test_the_thread_is_gone_after_the_end() -> None:
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("threads are counted in /proc")
    before = len(os.listdir(tasks))
    source = Scripted(rising, COUNTER)
    sampling = sampler(source)
    sampling.start()
    source.await_readings(1)
    during = len(os.listdir(tasks))
    sampling.finish()
    until = time.monotonic() + AWAIT_S
    while len(os.listdir(tasks)) > before and time.monotonic() < until:
        time.sleep(0.001)  # the system takes the thread away a moment after its last line

    assert during == before + 1
    assert len(os.listdir(tasks)) <= before


def test_a_long_interval_does_not_hold_up_the_end() -> None:
    sampling = sampler(Scripted(rising, COUNTER), interval_s=3600)
    sampling.read()
    sampling.start()
    before = time.monotonic()
    sampling.finish()

    assert time.monotonic() - before < 1


@pytest.mark.parametrize(("interval_s", "period_s"), [(0.1, 0.1), (10, 10), (60, 10), (3600, 10)])
def test_counters_are_read_every_ten_seconds_whatever_the_interval(
    interval_s: float, period_s: float
) -> None:
    assert sampler(interval_s=interval_s).folded().trace.slice_s == period_s
    assert LONGEST_PERIOD_S * 1000 < 65_532 / 2  # a kilowatt cannot wrap the smallest range unseen


def test_a_value_that_is_absent_is_missing_not_zero() -> None:
    sampling = sampler(Scripted(lambda n: {} if n == 2 else rising(n), COUNTER))
    for _ in range(3):
        sampling.read()

    assert (sampling.folded().tallies["c"].joules, sampling.folded().tallies["c"].missing) == (20, 1)


def test_a_gauge_is_integrated_between_two_readings_half_a_second_apart_at_any_interval() -> None:
    sampling = sampler(Scripted(lambda _: {"g": 100.0}, GAUGE), interval_s=0.01)
    sampling.read()
    before = time.monotonic()
    time.sleep(0.5)
    sampling.read()
    seconds = time.monotonic() - before

    assert sampling.folded().tallies["g"].covered_s == pytest.approx(seconds, abs=0.1)
    assert sampling.folded().tallies["g"].joules == pytest.approx(
        100 * sampling.folded().tallies["g"].covered_s
    )


def test_a_models_bounds_are_kept_beside_its_value_but_not_in_the_trace() -> None:
    channel = replace(COUNTER, low_id="c:low", high_id="c:high")
    source = Scripted(lambda n: {"c": 10.0 * n, "c:low": 5.0 * n, "c:high": 20.0 * n}, channel)
    sampling = sampler(source)
    for _ in range(3):
        sampling.read()

    assert [sampling.folded().tallies[name].joules for name in ("c:low", "c", "c:high")] == [10, 20, 40]
    assert set(sampling.folded().trace.trace({"c": "cpu", "c:low": "low"}).power_w["low"]) == {None}


def test_the_trace_holds_the_energy_of_the_tally() -> None:
    source = Scripted(rising, COUNTER)
    sampling = sampler(source)
    sampling.read()
    sampling.start()
    source.await_readings(30)
    sampling.finish()
    trace = sampling.folded().trace.trace({"c": "cpu"})
    end_s = sampling.folded().tallies["c"].last_at_s
    first_s = end_s - sampling.folded().tallies["c"].covered_s
    ends = [min(start + trace.slice_s, end_s) for start in trace.start_s]
    starts = [max(start, first_s) for start in trace.start_s]
    joules = sum((w or 0) * (b - a) for w, a, b in zip(trace.power_w["cpu"], starts, ends))

    assert joules == pytest.approx(sampling.folded().tallies["c"].joules, rel=1e-6)


def test_the_commands_share_follows_a_live_accounting() -> None:
    sampling = sampler(Scripted(rising, COUNTER), interval_s=1.0, meter=Meter())
    sampling.read()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    sampling.read()
    fold = sampling.folded()

    assert fold.busy_s is not None
    assert fold.busy_s >= 0.15
    assert 0 < fold.tallies["c"].shared_j <= fold.tallies["c"].joules


def test_many_readings_take_no_more_memory_than_few() -> None:
    source = Scripted(lambda n: {"c": n % 100 * 1.0, "g": n % 300 * 1.0}, COUNTER, GAUGE)
    sampling = sampler(source, interval_s=10)  # one slice of the trace, however slow the machine
    for _ in range(300):
        sampling.read()
        sampling.folded()
    tracemalloc.start()
    try:
        for _ in range(300):
            sampling.read()
            sampling.folded()
        early, _ = tracemalloc.get_traced_memory()
        for _ in range(3000):
            sampling.read()
            sampling.folded()
        late, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert late < early + 50_000


# ---- sources that are slow to open --------------------------------------------------------------------


class Slow:
    """An opener that waits until it is told to go on."""

    def __init__(self, source: Scripted | None) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        self._source = source

    def open(self, settings: Settings) -> Scripted:
        """The source, or that there is none; once told to answer."""
        self.asked.set()
        assert self.answer.wait(AWAIT_S)
        if self._source is None:
            raise Unavailable("no driver")
        return self._source


def slow_sampler(slow: Slow, *quick: Scripted) -> Sampler:
    """A sampler with one source that is slow to open."""
    openers: dict[str, Opening] = {
        f"{n}": (QUICK, promising, opener(source), ()) for n, source in enumerate(quick)
    }
    openers["slow"] = (SLOW, promising, slow.open, ())
    made = Sampler(Sources(resolve({}, {}, "/"), openers), 0.01)
    made.follow(NoMeter())
    return made


def test_a_slow_source_is_opened_in_the_background_and_then_read_like_the_others() -> None:
    quick, late = Scripted(rising, COUNTER), Scripted(lambda n: {"w": 1.0 * n}, replace(COUNTER, id="w"))
    slow = Slow(late)
    sampling = slow_sampler(slow, quick)
    sampling.read()
    sampling.start()
    assert slow.asked.wait(AWAIT_S)
    assert late.readings == 0
    slow.answer.set()
    late.await_readings(3)

    assert sampling.finish()
    tallies = sampling.folded().tallies
    assert tallies["w"].joules == late.readings - 1
    assert tallies["w"].covered_s < tallies["c"].covered_s
    assert tallies["w"].missing == 0


def test_a_run_that_ends_before_a_slow_source_is_open_does_not_wait_for_it_and_says_so() -> None:
    slow = Slow(Scripted(rising, COUNTER))
    sampling = slow_sampler(slow)
    sampling.read()
    sampling.start()
    assert slow.asked.wait(AWAIT_S)
    before = time.monotonic()

    assert sampling.finish()
    assert time.monotonic() - before < STUCK_S
    slow.answer.set()
    assert [gap.why for gap in sampling.sources.skipped] == [
        "the run was over before its driver had answered"
    ]
    assert sampling.sources.opened == []
    assert not sampling.warnings


def test_after_a_run_too_short_for_a_thread_nobody_looks_for_slow_sources() -> None:
    slow = Slow(None)
    sampling = slow_sampler(slow)
    sampling.read()
    sampling.finish()

    assert not slow.asked.is_set()
    assert sampling.sources.skipped == []


def test_a_slow_source_that_cannot_be_opened_is_named_with_its_reason() -> None:
    slow = Slow(None)
    slow.answer.set()
    quick = Scripted(rising, COUNTER)
    sampling = slow_sampler(slow, quick)
    sampling.read()
    sampling.start()
    quick.await_readings(3)
    sampling.finish()

    assert [(gap.what, gap.why) for gap in sampling.sources.skipped] == [("slow", "no driver")]


# ---- the fold --------------------------------------------------------------------------------------


def snapshot(at_s: float, asleep_s: float = 0, tree_s: float | None = None, **values: float) -> Snapshot:
    """One instant; the machine's and the wrapper's own clocks run at one busy CPU and at a hundredth."""
    return Snapshot(at_s, asleep_s, at_s / 100, at_s, tree_s, values, dict.fromkeys(values, at_s))


def folded(*snapshots: Snapshot) -> Fold:
    """The fold of these instants, a second apart as a rule."""
    fold = Fold([COUNTER, GAUGE], 1.0)
    for now in snapshots:
        fold.add(now)
    return fold


def test_a_suspend_is_timed_and_no_gauge_is_integrated_across_it() -> None:
    fold = folded(
        snapshot(0, g=100, c=0),
        snapshot(1, g=100, c=10),
        snapshot(2, 3600, g=100, c=20),
        snapshot(3, 3600, g=100, c=30),
    )

    assert fold.suspended_s == 3600
    assert (fold.tallies["g"].joules, fold.tallies["g"].covered_s) == (200, 2)
    assert fold.tallies["c"].joules == 30


def test_a_counter_that_restarted_in_a_suspend_is_a_lower_bound() -> None:
    wrapping = replace(COUNTER, wrap_j=1000.0)
    fold = Fold([wrapping], 1.0)
    fold.add(snapshot(0, c=990))
    fold.add(snapshot(1, 60, c=5))

    assert (fold.tallies["c"].joules, fold.tallies["c"].wraps, fold.tallies["c"].resets) == (5, 0, 1)


def test_clocks_that_differ_by_a_hair_are_no_suspend() -> None:
    fold = folded(snapshot(0, 7.0, g=100), snapshot(1, 7.001, g=100), snapshot(2, 6.999, g=100))

    assert fold.suspended_s == 0
    assert fold.tallies["g"].joules == 200


def test_each_interval_is_shared_by_its_own_cpu_time() -> None:
    fold = folded(
        snapshot(0, tree_s=0, c=0),
        snapshot(1, tree_s=1, c=100),
        snapshot(2, tree_s=1, c=110),
        snapshot(3, tree_s=1.5, c=130),
    )

    assert fold.tallies["c"].joules == 130
    assert fold.tallies["c"].shared_j == pytest.approx(100 + 0 + 10)
    assert fold.busy_s == 3
    assert fold.own_s == pytest.approx(0.03)


def test_a_tree_that_used_more_than_the_machine_shows_has_the_whole_interval() -> None:
    fold = folded(snapshot(0, tree_s=0, c=0), snapshot(1, tree_s=1.5, c=100))

    assert fold.tallies["c"].shared_j == 100


def test_an_interval_without_a_count_of_the_tree_has_the_share_of_the_one_before() -> None:
    fold = folded(
        snapshot(0, tree_s=0, c=0),
        snapshot(1, tree_s=0.5, c=100),
        snapshot(2, c=200),
        snapshot(3, tree_s=1.5, c=300),
    )

    assert fold.tallies["c"].shared_j == pytest.approx(150)


# ---- trouble ---------------------------------------------------------------------------------------


def test_a_bug_in_a_source_is_a_warning_and_what_was_read_counts() -> None:
    def broken(number: int) -> dict[str, float]:
        if number == 2:
            raise ZeroDivisionError("a bug")
        return rising(number)

    source = Scripted(broken, COUNTER)
    sampling = sampler(source)
    sampling.read()
    sampling.start()
    source.await_readings(2)

    assert sampling.finish()
    assert sampling.folded().tallies["c"].readings == 2
    assert any("a bug" in warning for warning in sampling.warnings)


@pytest.fixture
def stuck() -> Iterator[Scripted]:
    """A source whose second reading does not come back before the test is over."""
    released = threading.Event()

    def hanging(number: int) -> dict[str, float]:
        if number == 2:
            released.wait(AWAIT_S)
        return rising(number)

    yield Scripted(hanging, COUNTER)
    released.set()


def test_a_source_that_hangs_does_not_hang_the_end(stuck: Scripted) -> None:
    well = Scripted(rising, replace(COUNTER, id="w"))
    sampling = sampler(well, stuck)
    sampling.read()
    sampling.start()
    stuck.await_readings(2)
    before = time.monotonic()

    assert not sampling.finish()
    assert time.monotonic() - before < STUCK_S + 1
    assert any("stopped answering" in warning for warning in sampling.warnings)
    assert sampling.folded().tallies["c"].readings == 1
