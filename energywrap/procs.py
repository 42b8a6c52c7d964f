"""Processes as the kernel tells of them in /proc: who belongs to whom, and which one a number means."""

from __future__ import annotations

import os

PROC = "/proc"
MOST = 10_000  # processes of one tree that are looked at
STATE, START = 0, 19  # of the fields behind the name in /proc/PID/stat (proc(5), there 3 and 22)
GONE = (b"Z", b"X")


def stat(pid: int, proc: str = PROC) -> list[bytes]:
    """The fields behind the name in /proc/PID/stat; the name may hold anything. Raises OSError."""
    with open(f"{proc}/{pid}/stat", "rb") as file:
        return file.read().rpartition(b") ")[2].split()


def started(pid: int) -> str | None:
    """When a living process started, by the kernel's clock; None for one that is gone or a zombie."""
    try:
        fields = stat(pid)
    except OSError:
        return None
    return None if fields[STATE] in GONE else fields[START].decode()


def children(pid: int, proc: str = PROC) -> list[int]:
    """A process's children; empty where it has ended, or the kernel does not list them."""
    found: list[int] = []
    try:
        for task in os.listdir(f"{proc}/{pid}/task"):
            with open(f"{proc}/{pid}/task/{task}/children", "rb") as file:
                found += [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        pass
    return found


def tree(pid: int, proc: str = PROC) -> list[int]:
    """The process and its living descendants, as the kernel lists children."""
    found: list[int] = []
    waiting = [pid]
    while waiting and len(found) < MOST:
        here = waiting.pop()
        found.append(here)
        waiting += children(here, proc)
    return found
