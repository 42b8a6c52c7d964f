"""Meters that must be asked slowly: a thread asks each at its own pace and keeps the newest answer."""

from __future__ import annotations

import _thread
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from energywrap.readings import Channel, Gpu, Skipped

PERIOD_S = 1.0  # no meter here has news more often
STALE_PERIODS = 3.0  # an older answer says nothing about now
BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class NoAnswer(Exception):
    """A meter that gave no reading this time, and why."""


def awake_or_asleep_s() -> float:
    """Seconds by a clock that goes on while the machine sleeps: an answer from before that is old."""
    return time.monotonic() if BOOTTIME is None else time.clock_gettime(BOOTTIME)


class Poll:
    """Asks one meter now and then; nobody ever waits for it longer than they wish to."""

    def __init__(
        self,
        ask: Callable[[], dict[str, float]],
        period_s: float = PERIOD_S,
        *,
        cancel: Callable[[], None] | None = None,
        clock: Callable[[], float] = awake_or_asleep_s,
    ) -> None:
        self._ask = ask
        self._cancel = cancel  # cuts short an `ask` that is under way
        self._period_s = max(period_s, PERIOD_S)
        self._clock = clock
        self._newest: tuple[float, dict[str, float]] | None = None
        self._closing = _thread.allocate_lock()
        self._stop = _thread.allocate_lock()
        self._tried = _thread.allocate_lock()
        self.error: str | None = None  # why the last attempt gave nothing

    def start(self) -> None:
        """Begin to ask. Where no thread can be had, there will be no reading."""
        self._stop.acquire()
        self._tried.acquire()
        try:
            _thread.start_new_thread(self._loop, ())
        except RuntimeError:
            self.error = "no thread could be had to ask it"
            self._tried.release()

    def first(self, patience_s: float) -> dict[str, float]:
        """The answer to the first attempt; nothing if it failed or takes longer than `patience_s`."""
        if not self._tried.acquire(timeout=max(0.0, patience_s)):
            self.error = self.error or f"no answer within {patience_s:.1f} s"
            return {}
        self._tried.release()
        return self.newest()

    def newest(self) -> dict[str, float]:
        """The newest answer if it is younger than three periods, else nothing."""
        newest = self._newest
        if newest is None or self._clock() - newest[0] >= STALE_PERIODS * self._period_s:
            return {}
        return newest[1]

    def close(self) -> None:
        """Ask no more. A call that hangs is left to itself."""
        if not self._closing.acquire(blocking=False):
            return  # already closed
        if self._cancel is not None:
            self._cancel()
        if self._stop.locked():
            self._stop.release()

    def _loop(self) -> None:
        due_s = time.monotonic()
        going = self._try()
        self._tried.release()
        while going:
            due_s = max(due_s + self._period_s, time.monotonic())  # late: go on, do not catch up
            if self._stop.acquire(timeout=max(0.0, due_s - time.monotonic())):
                return
            going = self._try()

    def _try(self) -> bool:
        """One attempt; False if there is no use in another."""
        asked_s = self._clock()  # an answer is as old as its question
        try:
            answer = self._ask()
        except NoAnswer as why:
            self.error = str(why)
        except Exception as bug:  # carried to whoever looks: from a thread it would only hit the terminal
            self.error = f"this is a bug of energywrap: {bug!r}"
            return False
        else:
            self.error, self._newest = None, (asked_s, answer)
        return True


class Polled:
    """A source whose values come from polls. Meters of one channel add up, once all of them have answered."""

    gpus: tuple[Gpu, ...] = ()

    def __init__(
        self,
        name: str,
        channels: tuple[Channel, ...],
        polls: Sequence[Poll],
        skipped: tuple[Skipped, ...] = (),
    ) -> None:
        self.name = name
        self.channels = channels
        self.skipped = skipped
        self._polls = tuple(polls)

    @property
    def errors(self) -> tuple[str, ...]:
        """Why meters gave nothing when they were asked last."""
        return tuple(poll.error for poll in self._polls if poll.error is not None)

    def read(self) -> dict[str, float]:
        """The newest values by channel id, at once; what is too old or incomplete is absent."""
        answers = [poll.newest() for poll in self._polls]
        ids = [channel.id for channel in self.channels]
        return {id: sum(answer[id] for answer in answers) for id in ids if all(id in a for a in answers)}

    def close(self) -> None:
        """Ask no more."""
        for poll in self._polls:
            poll.close()
