"""Busy CPU time and memory size of the whole machine: from /proc on Linux, else as psutil tells them.

macOS and Windows are not yet seen: what psutil's fields hold there is from its documentation.
"""

from __future__ import annotations

import os

from energywrap import syscalls
from energywrap.units import BYTES_PER_KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STAT = "/proc/stat"
FIRST_LINE = 512  # bytes that surely hold it
WINDOWS_TICK_S = 1.0 / 64
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else WINDOWS_TICK_S
PARTS = ("user", "nice", "system", "irq")  # psutil's; on Windows `system` holds the time of interrupts
_open: dict[str, int] = {}


def busy_s(stat: str = STAT) -> float:
    """Busy CPU seconds of all CPUs since the machine started (guests' time included, steal not).

    The sum of user, nice, system, irq and softirq. Raises OSError or ValueError when it cannot be read.
    """
    if not syscalls.LINUX:
        times = _psutil().cpu_times()
        return sum(float(getattr(times, part, 0.0)) for part in PARTS)
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
    if not syscalls.LINUX:
        return _psutil().cpu_count() or os.cpu_count() or 1
    with open(stat, "rb") as file:
        return sum(line.startswith(b"cpu") for line in file) - 1 or 1


def ram_bytes(meminfo: str = "/proc/meminfo") -> int:
    """Installed memory as the kernel sees it. Raises OSError or ValueError when it cannot be read."""
    if not syscalls.LINUX:
        return int(_psutil().virtual_memory().total)
    with open(meminfo, "rb") as file:
        name, kib, *_ = file.readline().split()
    if name != b"MemTotal:":
        raise ValueError(f"{meminfo} has an unknown form")
    return int(kib) * BYTES_PER_KIB


def _psutil() -> Any:
    """The module, which takes 30 ms to load and is not needed on Linux. Raises OSError without it."""
    try:
        import psutil
    except ImportError as err:
        raise OSError(f"psutil cannot be loaded: {err}") from err
    return psutil
