"""Meters that are asked in the background: the newest answer while it is fresh, and nobody waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from energywrap.model import Channel, Component, Kind
from energywrap.sources.polled import NoAnswer, Poll, Polled

PATIENCE_S = 10.0  # for what takes milliseconds


class Meter:
    """Answers what its test says, on a clock of the test's."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.watts: float | None = 50.0
        self.asked = threading.Semaphore(0)
        self.bug: Exception | None = None
        self.hanging = threading.Event()
        self.hanging.set()

    def ask(self) -> dict[str, float]:
        """The answer, or none."""
        self.asked.release()
        self.hanging.wait()
        if self.bug is not None:
            raise self.bug
        if self.watts is None:
            raise NoAnswer("the meter is tired")
        return {"test:power": self.watts}

    def poll(self) -> Poll:
        """A poll of this meter, not yet started."""
        return Poll(self.ask, clock=lambda: self.now_s)


@pytest.fixture
def meter() -> Iterator[Meter]:
    """A meter whose hanging calls end with the test."""
    made = Meter()
    yield made
    made.hanging.set()


def power(id: str = "test:power") -> Channel:
    """A channel of a machine."""
    return Channel(id, Component.MACHINE, "machine", "test", Kind.GAUGE)


def until(true: Callable[[], bool]) -> None:
    """Wait for another thread to have done its part."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_nothing_is_asked_before_the_poll_is_started(meter: Meter) -> None:
    before = threading.active_count()
    poll = meter.poll()

    assert poll.newest() == {}
    assert not meter.asked.acquire(blocking=False)
    assert threading.active_count() == before
    poll.close()


def test_the_first_answer_can_be_waited_for(meter: Meter) -> None:
    poll = meter.poll()
    poll.start()

    assert poll.first(PATIENCE_S) == {"test:power": 50.0}
    assert poll.error is None
    poll.close()


def test_an_answer_is_handed_out_until_it_is_three_periods_old(meter: Meter) -> None:
    poll = meter.poll()
    poll.start()
    poll.first(PATIENCE_S)
    poll.close()
    meter.now_s += 2.9
    fresh = poll.newest()
    meter.now_s += 0.2

    assert fresh == {"test:power": 50.0}
    assert poll.newest() == {}


def test_a_failed_attempt_is_remembered_and_is_no_reading(meter: Meter) -> None:
    meter.watts = None
    poll = meter.poll()
    poll.start()

    assert poll.first(PATIENCE_S) == {}
    assert poll.error == "the meter is tired"
    poll.close()


def test_it_is_asked_again_after_a_failure_and_recovers(meter: Meter) -> None:
    meter.watts = None
    poll = meter.poll()
    poll.start()
    poll.first(PATIENCE_S)
    meter.watts = 60.0
    until(lambda: poll.newest() == {"test:power": 60.0})

    assert poll.error is None
    poll.close()


def test_no_meter_is_asked_more_than_once_a_second(meter: Meter) -> None:
    began_s = time.monotonic()
    poll = Poll(meter.ask, 0.001)
    poll.start()
    for _ in range(2):
        assert meter.asked.acquire(timeout=PATIENCE_S)
    poll.close()

    assert time.monotonic() - began_s >= 1.0


def test_a_call_that_hangs_keeps_nobody_waiting_and_ages(meter: Meter) -> None:
    poll = meter.poll()
    poll.start()
    poll.first(PATIENCE_S)
    assert meter.asked.acquire(timeout=PATIENCE_S)
    meter.hanging.clear()
    assert meter.asked.acquire(timeout=PATIENCE_S)  # the second call hangs
    began_s = time.monotonic()
    fresh = poll.newest()
    meter.now_s += 3.1
    stale = poll.newest()
    poll.close()

    assert time.monotonic() - began_s < 0.5
    assert (fresh, stale) == ({"test:power": 50.0}, {})


def test_closing_cancels_the_call_that_is_under_way(meter: Meter) -> None:
    meter.hanging.clear()
    poll = Poll(meter.ask, cancel=meter.hanging.set)
    poll.start()
    assert meter.asked.acquire(timeout=PATIENCE_S)
    poll.close()

    assert meter.hanging.is_set()


def test_a_first_answer_that_does_not_come_is_not_waited_for_forever(meter: Meter) -> None:
    meter.hanging.clear()
    poll = meter.poll()
    poll.start()

    assert poll.first(0.01) == {}
    assert poll.error is not None
    assert "no answer within" in poll.error
    poll.close()


def test_a_closed_poll_asks_no_more_and_can_be_closed_again(meter: Meter) -> None:
    poll = meter.poll()
    poll.start()
    poll.first(PATIENCE_S)
    poll.close()
    poll.close()
    assert meter.asked.acquire(timeout=PATIENCE_S)

    assert not meter.asked.acquire(timeout=1.2)  # a period and a little


def test_a_bug_ends_the_asking_and_is_kept_for_whoever_looks(
    meter: Meter, capfd: pytest.CaptureFixture[str]
) -> None:
    meter.bug = ZeroDivisionError("oh")
    poll = meter.poll()
    poll.start()

    assert poll.first(PATIENCE_S) == {}
    assert poll.error is not None
    assert "ZeroDivisionError" in poll.error
    assert capfd.readouterr() == ("", "")
    poll.close()


def test_two_meters_of_one_channel_add_up(meter: Meter) -> None:
    polls = [meter.poll(), meter.poll()]
    for poll in polls:
        poll.start()
        poll.first(PATIENCE_S)
    source = Polled("test", (power(),), polls)

    assert source.read() == {"test:power": 100.0}
    source.close()


def test_a_sum_that_lacks_a_part_is_no_reading(meter: Meter) -> None:
    good, bad = meter.poll(), meter.poll()
    good.start()
    good.first(PATIENCE_S)
    meter.watts = None
    bad.start()
    bad.first(PATIENCE_S)
    source = Polled("test", (power(),), [good, bad])

    assert source.read() == {}
    assert source.errors == ("the meter is tired",)
    source.close()
