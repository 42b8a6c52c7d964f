"""CPU time by perf's task clock: inherited by every descendant, exact for short-lived and orphaned ones."""

from __future__ import annotations

import os

from energywrap import syscalls
from energywrap.units import seconds_from_nanoseconds

# perf_event_open(2): the call's number per machine, and the fields of struct perf_event_attr (version 5)
NUMBERS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "loongarch64": 241, "ppc64le": 319, "s390x": 331}
SOFTWARE, TASK_CLOCK, ATTR_BYTES = 1, 1, 112
DISABLED, INHERIT, EXCLUDE_KERNEL, EXCLUDE_HV, ENABLE_ON_EXEC = 1, 1 << 1, 1 << 5, 1 << 6, 1 << 12
FD_CLOEXEC = 8


class TaskClock:
    """One inherited task-clock event, opened on a process that has not started its command yet."""

    method = "perf"
    live = True

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def cpu_s(self) -> float | None:
        """CPU seconds of the whole tree since the command started."""
        try:
            return seconds_from_nanoseconds(int.from_bytes(os.read(self._fd, 8), "little"))
        except OSError:
            return None

    def close(self) -> None:
        """Close the event."""
        os.close(self._fd)


def watch(pid: int) -> TaskClock | None:
    """Count from the exec of `pid` on; None where perf events are refused or unknown."""
    number = NUMBERS.get(os.uname().machine) if syscalls.LINUX else None
    if number is None:
        return None
    words = (0, 0, 0, DISABLED | INHERIT | EXCLUDE_KERNEL | EXCLUDE_HV | ENABLE_ON_EXEC)
    attr = (
        SOFTWARE.to_bytes(4, "little") + ATTR_BYTES.to_bytes(4, "little") + TASK_CLOCK.to_bytes(8, "little")
    )
    attr += b"".join(word.to_bytes(8, "little") for word in words)
    fd = syscalls.syscall(number, attr.ljust(ATTR_BYTES, b"\0"), pid, -1, -1, FD_CLOEXEC)
    return TaskClock(fd) if fd >= 0 else None
