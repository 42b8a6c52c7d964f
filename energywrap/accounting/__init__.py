"""What the command's whole process tree used, counted without the tree noticing."""

from __future__ import annotations

import os

from energywrap.accounting import perf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Meter(Protocol):
        """Live CPU seconds of a process tree."""

        method: str
        live: bool  # whether cpu_s() follows the tree while it runs

        def cpu_s(self) -> float | None:
            """CPU seconds so far; None when the reading failed."""

        def close(self) -> None:
            """Let go of what the meter holds."""


def watch(pid: int) -> Meter:
    """Start counting the tree of the gated process `pid`: perf, else our own cgroup, else a subreaper."""
    meter = perf.watch(pid)
    if meter is not None:
        return meter
    from energywrap.accounting import cgroup, subreaper

    return cgroup.watch(pid) or subreaper.watch(pid) or subreaper.Waited()


def own_storage_bytes() -> tuple[int, int] | None:
    """Bytes read from and written to storage by our waited-for children so far; None without /proc.

    /proc/self/io counts this process and the children it has waited for; its own threads are taken off.
    """
    try:
        total = _io("/proc/self/io")
        own = [_io(f"/proc/self/task/{task}/io") for task in os.listdir("/proc/self/task")]
    except (OSError, ValueError, KeyError):
        return None
    return (
        max(0, total[0] - sum(read for read, _ in own)),
        max(0, total[1] - sum(written for _, written in own)),
    )


def _io(path: str) -> tuple[int, int]:
    with open(path, "rb") as file:
        values = dict(line.split(b": ") for line in file.read().splitlines())
    return int(values[b"read_bytes"]), int(values[b"write_bytes"])
