"""CPU time of everything that gets reaped: orphans come back to us when we are their subreaper."""

from __future__ import annotations

import os

from energywrap import syscalls


class Reaped:
    """The times of all reaped descendants. Exact but for children whose parent ignored their end."""

    method = "subreaper"
    live = False

    def __init__(self) -> None:
        self._start = _children_s()

    def cpu_s(self) -> float | None:
        """CPU seconds of the descendants reaped so far."""
        return _children_s() - self._start

    def close(self) -> None:
        """Nothing is held open."""


class Waited(Reaped):
    """As Reaped where no subreaper can be had: orphans of the tree are missed."""

    method = "waited-for children only"

    def cpu_s(self) -> float | None:
        """As above; None on Windows, which does not count what children have used."""
        return None if syscalls.WINDOWS else super().cpu_s()


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def watch(pid: int) -> Reaped | None:
    """Become the subreaper of the tree about to start; `pid` is part of it anyway."""
    return Reaped() if syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1) else None
