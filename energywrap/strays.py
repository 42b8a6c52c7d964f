"""Processes that outlive the run which started them: they become our children, and can be ended."""

from __future__ import annotations

import os
import signal
import time

from energywrap import procs, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set

PATIENCE_S = 2.0
PAUSE_S = 0.02


def adopt() -> bool:
    """Be the parent of every process below us whose own has gone (Linux); False where that cannot be."""
    return syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)


def children() -> frozenset[int]:
    """The numbers of our children; empty where the kernel does not tell."""
    return frozenset(procs.children(os.getpid()))


def end(spared: Set[int]) -> None:
    """Ask all children but these to end, and those that come to us by that; kill what is left after 2 s."""
    asked: set[int] = set()
    deadline_s = time.monotonic() + PATIENCE_S
    while left := children() - spared:
        late = time.monotonic() > deadline_s
        for pid in left if late else left - asked:
            _send(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked |= left
        time.sleep(PAUSE_S)
        for pid in left:
            _reap(pid)
        if time.monotonic() > deadline_s + PATIENCE_S:
            return  # not even that could end them


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has ended


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except OSError:
        pass  # somebody has
