"""The background thread: the clock, the readings, the fold."""

from __future__ import annotations

import _thread
import os
import time

from energywrap import energy
from energywrap.model import Tally
from energywrap.sources.modelled import cpu_times
from energywrap.trace import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.accounting import Meter
    from energywrap.model import Channel
    from energywrap.sources import Source

LONGEST_PERIOD_S = 10.0  # counters wrap: a busy 64 kJ one in little more than two minutes
GAP_PERIODS, SHORTEST_GAP_S = 3.0, 1.0  # a gauge is not integrated across a longer silence
SUSPENDED_S = 0.5  # the clock that counts sleep ran ahead by this much: the machine was suspended
STUCK_S = 2.0  # a driver that answers no more must not keep the command's status from its caller
COMPANIONS = (":low", ":high")


class Sampler:
    """Reads every source now and then, and keeps one tally per channel: constant memory."""

    def __init__(self, sources: Sequence[Source], meter: Meter, interval_s: float) -> None:
        self._sources = sources
        self._meter = meter
        self._period_s = min(interval_s, LONGEST_PERIOD_S)
        self._max_gap_s = max(GAP_PERIODS * self._period_s, SHORTEST_GAP_S)
        self._channels = _with_companions([c for source in sources for c in source.channels])
        self.tallies = {channel_id: Tally() for channel_id in self._channels}
        self.trace = Recorder(self._period_s)
        self.busy_s: float | None = None
        self.own_s = 0.0  # our own CPU time between the first and the last reading
        self.suspended_s = 0.0
        self.warnings: list[str] = []
        self._problem: Exception | None = None
        self._before: tuple[float, float | None, float | None] | None = None
        self._ahead_s = _clock_ahead()
        self._start_s = self._own_start_s = 0.0
        self._share: float | None = None
        self._stop = _thread.allocate_lock()
        self._done = _thread.allocate_lock()
        self._started = False

    def read(self) -> None:
        """One reading of every source, folded into the tallies."""
        now = time.monotonic()
        own = os.times()
        if self._before is None:
            self._start_s = now
            self._own_start_s = own.user + own.system
        self.own_s = own.user + own.system - self._own_start_s
        ahead = _clock_ahead()
        slept, self._ahead_s = ahead - self._ahead_s, ahead
        suspended = slept > SUSPENDED_S
        self.suspended_s += slept if suspended else 0.0
        share = self._slice_share(now)
        for source in self._sources:
            before = time.monotonic()
            values = source.read()
            at_s = (before + time.monotonic()) / 2 - self._start_s
            moment = energy.Moment(at_s, share, suspended)
            for channel in source.channels:
                for name in (channel.id, channel.low_id, channel.high_id):
                    if name is not None:
                        self._fold(name, values.get(name), moment)

    def _fold(self, name: str, value: float | None, moment: energy.Moment) -> None:
        old = self.tallies[name]
        new = energy.add(old, value, self._channels[name], moment, self._max_gap_s)
        self.tallies[name] = new
        seconds = new.covered_s - old.covered_s
        if seconds > 0 and not name.endswith(COMPANIONS):
            self.trace.add(name, moment.at_s - seconds, moment.at_s, new.joules - old.joules)

    def _slice_share(self, now: float) -> float | None:
        """The command's share of the machine's CPU time since the reading before."""
        busy, tree = _busy_s(), self._meter.cpu_s() if self._meter.live else None
        before, self._before = self._before, (now, busy, tree)
        if before is None or busy is None or before[1] is None:
            return self._share
        passed = busy - before[1]
        self.busy_s = (self.busy_s or 0.0) + passed
        if tree is not None and before[2] is not None:
            used = max(0.0, tree - before[2])
            self._share = used / max(passed, used) if used > 0 else 0.0
        return self._share

    def start(self) -> None:
        """Go on reading in the background, or warn that no thread can be had."""
        self._stop.acquire()
        self._done.acquire()
        try:
            _thread.start_new_thread(self._loop, ())
        except RuntimeError:
            self.warnings.append("no thread could be had: energy was read only before and after the command")
        else:
            self._started = True

    def _loop(self) -> None:
        try:
            due = time.monotonic() + self._period_s
            while not self._stop.acquire(timeout=max(0.0, due - time.monotonic())):
                self.read()
                due = max(due + self._period_s, time.monotonic())  # after a gap: go on, do not catch up
        except Exception as problem:  # carried to the main thread, which raises it there
            self._problem = problem
        finally:
            self._done.release()

    def finish(self) -> bool:
        """End the background reading and take the last one; False if the thread hangs in a driver."""
        if self._started:
            self._stop.release()
            if not self._done.acquire(timeout=STUCK_S):
                self.warnings.append("a power source stopped answering; what it had told by then counts")
                return False
            if self._problem is not None:
                raise self._problem
        self.read()
        return True


def _with_companions(channels: Sequence[Channel]) -> dict[str, Channel]:
    """Channels by id; a model's bounds are folded by the rules of their channel."""
    found = {}
    for channel in channels:
        for name in (channel.id, channel.low_id, channel.high_id):
            if name is not None:
                found[name] = channel
    return found


def _busy_s() -> float | None:
    try:
        return cpu_times().busy_s
    except (OSError, ValueError):
        return None


def _clock_ahead() -> float:
    """Seconds by which the clock that counts suspend is ahead of the one that does not."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if boottime is None else time.clock_gettime(boottime) - time.monotonic()
