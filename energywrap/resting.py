"""Waiting for the command's process where there is no sigtimedwait: woken by signals, told its end and use.

Not yet seen on macOS or Windows.
"""

from __future__ import annotations

import os
import time

from energywrap import syscalls
from energywrap.waiting import Ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from subprocess import Popen
    from typing import Any
else:
    import _signal

NAP_S = 0.02  # without a bell, or where nobody tells of the end
FIRST_LOOK_S, LONGEST_LOOK_S = 0.01, 1.0  # a look at all processes takes Windows some milliseconds


def own_peak_rss_bytes() -> int:
    """What a child may count as a peak of its own because it began as a copy of us; 0 where none does."""
    try:
        import resource
    except (ImportError, OSError):
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * syscalls.MAXRSS_BYTES


class Rest:
    """Rests until a signal comes or the process ends."""

    def __init__(self, process: Popen[bytes]) -> None:
        self._process = process
        self._bell = None if syscalls.WINDOWS else _bell()
        self._watched = None if _has_wait4() else Watched(process.pid)

    def ending(self) -> Ending | None:
        """How the process has ended; None while it runs."""
        return _reaped(self._process) if self._watched is None else _polled(self._process, self._watched)

    def for_s(self, seconds: float) -> None:
        """Rest for so long at most."""
        if self._watched is not None:
            seconds = min(seconds, max(0.0, self._watched.due_s - time.monotonic()))
        if syscalls.WINDOWS:
            self._wait(seconds)
        elif self._bell is None:
            time.sleep(min(seconds, NAP_S))
        else:
            import select

            poller = select.poll()
            poller.register(self._bell, select.POLLIN)
            if poller.poll(seconds * 1000.0):
                os.read(self._bell, 4096)

    def _wait(self, seconds: float) -> None:
        import subprocess

        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass


class Watched:
    """The CPU seconds and the peak memory of a process and its descendants, as far as looks at them tell."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu_s: dict[Any, float] = {}
        self._step_s = FIRST_LOOK_S
        self.due_s = time.monotonic() + self._step_s
        self.peak_bytes = 0

    @property
    def cpu_s(self) -> float:
        """Of all that have been seen."""
        return sum(self._cpu_s.values())

    def look(self) -> None:
        """Look once more if it is time to; without psutil there is nothing to see."""
        if time.monotonic() < self.due_s:
            return
        try:
            import psutil
        except ImportError:
            self.due_s = float("inf")
            return
        try:
            command = psutil.Process(self._pid)
            family = [command, *command.children(recursive=True)]
        except psutil.Error:
            family = []
        for one in family:
            self._add(psutil, one)
        self._step_s = min(2 * self._step_s, LONGEST_LOOK_S)
        self.due_s = time.monotonic() + self._step_s

    def _add(self, psutil: Any, one: Any) -> None:
        try:
            times, memory = one.cpu_times(), one.memory_info()
        except psutil.Error:
            return  # it has ended, or may not be looked at
        self._cpu_s[one] = times.user + times.system  # equal for the same pid and start only
        self.peak_bytes = max(self.peak_bytes, getattr(memory, "peak_wset", memory.rss))


def _reaped(process: Popen[bytes]) -> Ending | None:
    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
    if not pid:
        return None
    code = process.returncode = os.waitstatus_to_exitcode(
        status
    )  # its end is known: nothing is sent to it any more
    return Ending(
        code=code if code >= 0 else 128 - code,
        signal=-code if code < 0 else None,
        core_dumped=os.WCOREDUMP(status),
        cpu_s=usage.ru_utime + usage.ru_stime,
        max_rss_bytes=usage.ru_maxrss * syscalls.MAXRSS_BYTES,
    )


def _polled(process: Popen[bytes], watched: Watched) -> Ending | None:
    watched.look()
    code = process.poll()
    if code is None:
        return None
    return Ending(
        code=code if code >= 0 else 128 - code,
        signal=-code if code < 0 else None,
        core_dumped=False,
        cpu_s=watched.cpu_s,
        max_rss_bytes=watched.peak_bytes,
    )


def _has_wait4() -> bool:
    try:
        import resource  # noqa: F401  (wait4 would look for it with the status in hand, and drop that)
    except (ImportError, OSError):
        return False
    return hasattr(os, "wait4")


def _bell() -> int | None:
    """A descriptor that can be read once a signal has come, to whichever thread; None if none can be had."""
    try:
        out, into = os.pipe()
    except OSError:
        return None
    os.set_blocking(into, False)
    _signal.set_wakeup_fd(into, warn_on_full_buffer=False)
    return out
