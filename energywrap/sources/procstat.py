"""Busy CPU time and memory size of the whole machine, as the kernel counts them."""

from __future__ import annotations

import os
import time

from energywrap.record import record
from energywrap.units import BYTES_PER_KIB

STAT = "/proc/stat"
RECENT_S = 0.002  # a fifth of the kernel's tick
PIECE = 65536  # enough for some six hundred processors
_open: dict[str, int] = {}
_recent: dict[str, tuple[float, CpuTimes]] = {}


@record
class CpuTimes:
    """Busy CPU seconds of the whole machine since it started (guests' time included, steal not)."""

    busy_s: float
    cpus: int
    tick_s: float


def cpu_times(stat: str = STAT) -> CpuTimes:
    """The first lines of /proc/stat: user, nice, system, irq and softirq of all CPUs, and their number.

    Raises OSError or ValueError when they cannot be read.
    """
    text = _read(stat)
    whole, _, rest = text.partition(b"\n")
    fields = [int(field) for field in whole.split()[1:8]]
    if len(fields) < 7:
        raise ValueError(f"{stat} has an unknown form")
    tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
    return CpuTimes((sum(fields) - fields[3] - fields[4]) * tick_s, rest.count(b"cpu") or 1, tick_s)


def _read(path: str) -> bytes:
    """All of a file that is kept open: opening it anew costs more than reading it."""
    fd = _open.get(path)
    if fd is None:
        fd = _open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    text = os.pread(fd, PIECE, 0)
    while len(text) % PIECE == 0 and (more := os.pread(fd, PIECE, len(text))):
        text += more
    return text


def recent_cpu_times(stat: str = STAT) -> CpuTimes:
    """As cpu_times, but read once for all who ask within the same two milliseconds."""
    now_s = time.monotonic()
    known = _recent.get(stat)
    if known is None or now_s - known[0] > RECENT_S:
        known = _recent[stat] = (now_s, cpu_times(stat))
    return known[1]


def ram_bytes(meminfo: str = "/proc/meminfo") -> int:
    """Installed memory as the kernel sees it. Raises OSError or ValueError when it cannot be read."""
    with open(meminfo, "rb") as file:
        name, kib, *_ = file.readline().split()
    if name != b"MemTotal:":
        raise ValueError(f"{meminfo} has an unknown form")
    return int(kib) * BYTES_PER_KIB
