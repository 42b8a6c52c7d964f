"""Busy CPU time and memory size of the whole machine, as the kernel counts them."""

from __future__ import annotations

import os

from energywrap.units import BYTES_PER_KIB

STAT = "/proc/stat"
FIRST_LINE = 512  # bytes that surely hold it
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_open: dict[str, int] = {}


def busy_s(stat: str = STAT) -> float:
    """Busy CPU seconds of all CPUs since the machine started (guests' time included, steal not).

    The sum of user, nice, system, irq and softirq. Raises OSError or ValueError when it cannot be read.
    """
    fd = _open.get(stat)
    if fd is None:  # it stays open: opening it anew costs more than reading it
        fd = _open[stat] = os.open(stat, os.O_RDONLY | os.O_CLOEXEC)
    fields = os.pread(fd, FIRST_LINE, 0).partition(b"\n")[0].split()
    if len(fields) < 8 or fields[0] != b"cpu":
        raise ValueError(f"{stat} has an unknown form")
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[1:8])
    return (user + nice + system + irq + softirq) * TICK_S


def cpus(stat: str = STAT) -> int:
    """The number of CPUs that the kernel schedules on. Raises OSError when it cannot be read."""
    with open(stat, "rb") as file:
        return sum(line.startswith(b"cpu") for line in file) - 1 or 1


def ram_bytes(meminfo: str = "/proc/meminfo") -> int:
    """Installed memory as the kernel sees it. Raises OSError or ValueError when it cannot be read."""
    with open(meminfo, "rb") as file:
        name, kib, *_ = file.readline().split()
    if name != b"MemTotal:":
        raise ValueError(f"{meminfo} has an unknown form")
    return int(kib) * BYTES_PER_KIB
