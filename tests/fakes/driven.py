"""Runs a command by `energywrap.portable` alone, as the straight line does, and leaves as it did.

`python driven.py FILE MODE COMMAND...` writes what it saw to FILE, as JSON. The modes: `plain`; `busy`, with
more to do than the command takes; `unresourced`, without the module that tells a child's use; `deaf`, where
signals reach another thread only; `sleepy`, where it rests before the command starts.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

STEPS, STEP_S = 5, 0.001


class Driver:
    """What it is told to do meanwhile, and how often."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.idle_calls = 0
        self.alive_calls: list[float] = []
        self.started_s = time.monotonic()

    def idle(self) -> bool:
        """A step of other work; whether there is more."""
        self.idle_calls += 1
        time.sleep(STEP_S)
        return self.mode == "busy" or self.idle_calls < STEPS

    def when_alive(self) -> None:
        """The command has lived for a while."""
        self.alive_calls.append(time.monotonic() - self.started_s)
        if self.mode == "deaf":
            _thread.start_new_thread(time.sleep, (1000.0,))
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD})


def run(file: str, mode: str, words: list[str]) -> None:
    """Start, wait, note, leave."""
    if mode == "unresourced":
        import psutil  # noqa: F401  (Linux's cannot be loaded without it)

        sys.modules["resource"] = None  # type: ignore[assignment]
    from energywrap import descriptors, errors, leave, portable

    signals = portable.Signals()
    descriptors.inherited()
    if mode == "sleepy":
        os.write(1, b"ready\n")
        portable.pause(1000.0)
    child = portable.spawn(words, signals, "0123456789abcdef", die_with_parent=True)
    portable.release(child)
    driver = Driver(mode)
    ending = portable.wait(child, signals, driver.idle, driver.when_alive)
    seen: dict[str, Any] = {"idle": driver.idle_calls, "alive": driver.alive_calls, "pid": child.pid}
    try:
        portable.confirm(child, words[0])
    except errors.NotStarted as failure:
        Path(file).write_text(json.dumps({**seen, "failure": str(failure)}))
        os._exit(failure.status)
    Path(file).write_text(json.dumps({**seen, "ending": ending.__dict__}))
    leave.leave_as(ending)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
