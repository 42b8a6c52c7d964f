"""CPU time of the control group we are already in, when nothing but this run lives in it. Never moved."""

from __future__ import annotations

import os

ROOT = "/sys/fs/cgroup"


class OwnGroup:
    """The group's CPU time less our own."""

    method = "cgroup"
    live = True

    def __init__(self, path: str, scale: float) -> None:
        self._path, self._scale = path, scale
        self._start = (self._group_s() or 0.0) - _own_s()

    def cpu_s(self) -> float | None:
        """CPU seconds of everything in the group but energywrap, since the command was started."""
        group = self._group_s()
        return None if group is None else max(0.0, group - _own_s() - self._start)

    def _group_s(self) -> float | None:
        try:
            with open(self._path, "rb") as file:
                text = file.read()
            value = text.split(b"usage_usec ", 1)[1].split()[0] if b"usage_usec " in text else text
            return int(value) * self._scale
        except (OSError, ValueError, IndexError):
            return None

    def close(self) -> None:
        """Nothing is held open."""


def _own_s() -> float:
    times = os.times()
    return times.user + times.system


def watch(pid: int, proc: str = "/proc/self/cgroup", root: str = ROOT) -> OwnGroup | None:
    """Count by the group's own clock if we and the gated `pid` are its only members."""
    for folder, file, scale in _candidates(proc, root):
        path = os.path.join(folder, file)
        if os.access(path, os.R_OK) and _members(folder) == {os.getpid(), pid}:
            return OwnGroup(path, scale)
    return None


def _candidates(proc: str, root: str) -> list[tuple[str, str, float]]:
    """(folder, file, seconds per unit) of version 2 and of version 1's cpuacct controller."""
    found = []
    try:
        with open(proc, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        relative = path.lstrip("/")
        if not controllers:
            found.append((os.path.join(root, relative), "cpu.stat", 1e-6))
            found.append((os.path.join(root, "unified", relative), "cpu.stat", 1e-6))  # a hybrid mount
        elif "cpuacct" in controllers.split(","):
            found.append((os.path.join(root, controllers, relative), "cpuacct.usage", 1e-9))
    return found


def _members(folder: str) -> set[int]:
    try:
        with os.scandir(folder) as entries:
            if any(entry.is_dir() for entry in entries):
                return set()  # something may live in a group below this one
        with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
            return {int(line) for line in file}
    except (OSError, ValueError):
        return set()
