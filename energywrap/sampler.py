"""The clock and the readings: once before the command starts, then on a background thread."""

from __future__ import annotations

import _thread
import time

from energywrap.readings import Snapshot
from energywrap.sources import procstat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from energywrap.accounting import Meter
    from energywrap.fold import Fold
    from energywrap.model import Baseline
    from energywrap.sources import Sources

LONGEST_PERIOD_S = 10.0  # counters wrap: a busy 64 kJ one in little more than two minutes
FIRST_FOLDED_S, FOLDED_EVERY_S = 1.0, 2.0  # many readings cost little more than one to fold
MEMORY_FIRST_S, MEMORY_EVERY_S, MEMORY_CPU = 0.5, 10.0, 0.0005  # and at most that part of a CPU
STUCK_S = 2.0  # a driver that answers no more must not keep the command's status from its caller


class Sampler:
    """Reads every source now and then; the fold keeps what the readings add up to."""

    def __init__(
        self, sources: Sources, interval_s: float, baseline: Callable[[], Baseline | None] | None = None
    ) -> None:
        self.sources = sources
        self.baseline: Baseline | None = None  # known once the readings are folded
        self._find_baseline = baseline
        self._meter: Meter | None = None  # while there is no command
        self._period_s = min(interval_s, LONGEST_PERIOD_S)
        self._fold: Fold | None = None
        self._pending: list[Snapshot] = []
        self._start_s = time.monotonic()
        self.warnings: list[str] = []
        self._folding = _thread.allocate_lock()
        self._stop = _thread.allocate_lock()
        self._done = _thread.allocate_lock()
        self._started = False
        self._pid: int | None = None
        self._held: float | None = None
        self._look_at_s = 0.0  # when to look at the tree's memory again, by the monotonic clock
        self._note: Callable[[Fold, Snapshot], None] | None = None

    @property
    def meter(self) -> Meter:
        """What counts the command's CPU time."""
        assert self._meter is not None
        return self._meter

    def follow(self, meter: Meter, pid: int | None = None) -> None:
        """Count the CPU time of the command, process `pid`, by this meter. Until then there is none of it."""
        self._meter = meter
        self._pid = pid

    def read(self, *, amid: bool = False) -> Snapshot:
        """One reading of every source; it is folded later, so that the command need not wait for that.

        `amid` the run, it also says how many threads were running: before and after it, that is no news.
        """
        now, own_s = time.monotonic(), time.process_time()
        meter = self._meter
        tree_s = 0.0 if meter is None else meter.cpu_s() if meter.live else None
        (stat, busy_s), ahead_s = _busy(), _clock_ahead()
        running = procstat.running()  # always: what it opens is open from the first reading on
        values: dict[str, float] = {}
        read_at_s: dict[str, float] = {}
        for source in self.sources.opened:
            before = time.monotonic()
            found = source.read()
            at_s = (before + time.monotonic()) / 2 - self._start_s
            values.update(found)
            read_at_s.update(dict.fromkeys(found, at_s))
        at_s = now - self._start_s
        snapshot = Snapshot(
            at_s,
            ahead_s,
            own_s,
            busy_s,
            tree_s,
            values,
            read_at_s,
            stat,
            self._held,
            running if amid else None,
        )
        self._pending.append(snapshot)
        return snapshot

    def folded(self) -> Fold:
        """What all readings so far add up to."""
        from energywrap.fold import Fold  # not needed before the command has started

        with self._folding:  # a thread that hung may come back while the main one concludes
            channels = [channel for source in self.sources.opened for channel in source.channels]
            if self._fold is None:
                found = self._find_baseline() if self._find_baseline is not None else None
                self.baseline = found if found is not None and found.idle else None
                idle = self.baseline.idle if self.baseline is not None else None
                self._fold = Fold(channels, self._period_s, self.sources.model(found), idle)
            self._fold.watch(channels)
            while self._pending:
                now = self._pending.pop(0)
                self._fold.add(now, final=not self._pending)
            return self._fold

    def start(self, note: Callable[[Fold, Snapshot], None] | None = None) -> None:
        """Go on reading in the background, or warn that no thread can be had; `note` sees each reading."""
        self._note = note
        self.folded()  # loads the code in this thread: what an ended one has read counts as the command's
        self._stop.acquire()
        self._done.acquire()
        try:
            _thread.start_new_thread(self._loop, ())
        except RuntimeError:
            self.warnings.append("no thread could be had: energy was read only before and after the command")
        else:
            self._started = True

    def _look_at_memory(self) -> None:
        """How much memory the tree holds, looked at seldom: the kernel walks through all its pages."""
        before_s = time.monotonic()
        if self._pid is None or before_s < self._look_at_s:
            return
        from energywrap.accounting import memory

        resident = memory.resident_bytes(self._pid)
        try:
            self._held = min(1.0, resident / procstat.ram_bytes()) if resident is not None else None
        except (OSError, ValueError):
            self._held = None
        took_s = time.monotonic() - before_s
        young_s = max(MEMORY_FIRST_S, before_s - self._start_s)  # a young command is still filling its memory
        self._look_at_s = before_s + max(min(MEMORY_EVERY_S, young_s), took_s / MEMORY_CPU)

    def _loop(self) -> None:
        try:
            due, fold_at_s = time.monotonic() + self._period_s, FIRST_FOLDED_S
            for _ in self.sources.open_slow():
                self.read(amid=True)  # as early as it can be
            self._look_at_memory()
            while not self._stop.acquire(timeout=max(0.0, due - time.monotonic())):
                self._look_at_memory()
                now = self.read(amid=True)
                if now.at_s >= fold_at_s:
                    fold_at_s = now.at_s + FOLDED_EVERY_S
                    fold = self.folded()
                    if self._note is not None:
                        self._note(fold, now)
                due = max(due + self._period_s, time.monotonic())  # after a gap: go on, do not catch up
        except Exception as problem:  # the readings so far, and the last one, are worth a report
            self.warnings.append(f"reading in the background ended early: {problem!r}")
        finally:
            self._done.release()

    def finish(self) -> bool:
        """End the background reading and take the last one; False if the thread hangs in a driver."""
        if self._started:
            self._stop.release()
            patience_s = 0.0 if self.sources.conclude() else STUCK_S
            if not self._done.acquire(timeout=patience_s) and patience_s:
                self.warnings.append("a power source stopped answering; what it had told by then counts")
                return False
        else:
            self.sources.conclude()
        self.read()
        return True


def _busy() -> tuple[bytes, float | None]:
    """The kernel's lines about CPUs and the busy seconds of all of them."""
    try:
        stat = procstat.read()
        return stat, procstat.busy_s(stat)
    except (OSError, ValueError):
        return b"", None


def _clock_ahead() -> float:
    """Seconds by which the clock that counts suspend is ahead of the one that does not."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if boottime is None else time.clock_gettime(boottime) - time.monotonic()
