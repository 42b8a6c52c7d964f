"""How often the processors slowed down for their heat, by Linux's own count."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

PATTERN = "devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"


def count(sys_root: str = "/sys") -> int | None:
    """The sum of all counters since the machine started; None where there is none."""
    found = []
    for path in Path(sys_root).glob(PATTERN):
        with suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return sum(found) if found else None
