"""Memory that a process tree holds: each process's own pages, and its part of those it shares."""

from __future__ import annotations

import os

from energywrap.procs import PROC, tree
from energywrap.units import BYTES_PER_KIB


def resident_bytes(pid: int, proc: str = PROC) -> int | None:
    """Proportional set size of a process and all its descendants; None where it cannot be told.

    Pages that several processes share count for each by its part, so that the sum is what the tree holds
    (a sum of resident sets counts them again and again). A process that may not be looked into counts by its
    resident set.
    """
    found = [_process(each, proc) for each in tree(pid, proc)]
    known = [size for size in found if size is not None]
    return sum(known) if known else None


def _process(pid: int, proc: str) -> int | None:
    try:
        with open(f"{proc}/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * BYTES_PER_KIB
    except (OSError, ValueError, IndexError):
        pass  # another user's, or a kernel before 4.14
    try:
        with open(f"{proc}/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
