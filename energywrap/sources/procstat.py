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

STAT, LOADAVG = "/proc/stat", "/proc/loadavg"
PIECE = 4096  # bytes: more is read only where there are that many processors
WINDOWS_TICK_S = 1.0 / 64
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else WINDOWS_TICK_S
PARTS = ("user", "nice", "system", "irq")  # psutil's; on Windows `system` holds the time of interrupts
_open: dict[str, int] = {}


def read(stat: str = STAT) -> bytes:
    """The kernel's lines about CPUs as they are, to be taken apart later; empty on other systems than Linux.

    Raises OSError when they cannot be read.
    """
    if not syscalls.LINUX:
        return b""
    fd = _open.get(stat)
    if fd is None:  # it stays open: opening it anew costs more than reading it
        fd = _open[stat] = os.open(stat, os.O_RDONLY | os.O_CLOEXEC)
    text = os.pread(fd, PIECE, 0)
    end = text.find(b"\nintr")
    while end < 0 and (more := os.pread(fd, PIECE, len(text))):
        text += more
        end = text.find(b"\nintr")
    return text if end < 0 else text[:end]


def busy_s(text: bytes) -> float:
    """Busy CPU seconds of all CPUs since the machine started (guests' time included, steal not).

    The sum of user, nice, system, irq and softirq. Raises OSError or ValueError when it cannot be told.
    """
    if not syscalls.LINUX:
        times = _psutil().cpu_times()
        return sum(float(getattr(times, part, 0.0)) for part in PARTS)
    name, *fields = text[: text.find(b"\n")].split()
    if name != b"cpu" or len(fields) < 7:
        raise ValueError("the kernel's lines about CPUs have an unknown form")
    return _busy_s(fields)


def each_busy_s(text: bytes) -> dict[bytes, float]:
    """The same of every CPU by its name; empty where that is not known."""
    lines = (line.split() for line in text.splitlines()[1:])
    return {line[0]: _busy_s(line[1:]) for line in lines if line[:1] and len(line) > 7}


def _busy_s(fields: list[bytes]) -> float:
    user, nice, system, _idle, _iowait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) * TICK_S


def running(loadavg: str = LOADAVG) -> int | None:
    """How many threads run or wait for a CPU at this instant, the asking one left out; None: not told."""
    if not syscalls.LINUX:
        return None
    try:
        fd = _open.get(loadavg)
        if fd is None:
            fd = _open[loadavg] = os.open(loadavg, os.O_RDONLY | os.O_CLOEXEC)
        return max(0, int(os.pread(fd, 128, 0).split()[3].partition(b"/")[0]) - 1)
    except (OSError, ValueError, IndexError):
        return None


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
