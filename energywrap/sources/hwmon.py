"""Meters in class/hwmon: where they are, and sources that are made of their attributes."""

from __future__ import annotations

import os

from energywrap.readings import Kind
from energywrap.record import record
from energywrap.units import joules_from_microjoules, seconds_from_milliseconds, watts_from_microwatts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from energywrap.readings import Channel, Gpu, Skipped

    Part = Callable[[], float | None]  # W or J now; None: it could not be read

PAGE = 4096  # what the kernel shows of an attribute at most
CLOSED_FIX = (
    "groupadd -f energy && chgrp energy {0} && chmod g+r {0} && usermod -aG energy $USER   "
    "(as root, then log in again; the mode lasts until the machine restarts)"
)


@record
class Device:
    """One hwmon device by the name that its driver gives it."""

    name: str
    folder: str

    def path(self, attribute: str) -> str:
        """Where an attribute is: older drivers have theirs not in hwmonN but in hwmonN/device."""
        own = os.path.join(self.folder, attribute)
        return own if os.path.exists(own) else os.path.join(self.folder, "device", attribute)

    def text(self, attribute: str) -> str:
        """An attribute without its line end; empty where there is none."""
        return text(self.path(attribute)) or ""


class Meter:
    """A source whose channels are sums of attributes; a sum of which a part could not be read is absent."""

    gpus: tuple[Gpu, ...] = ()

    def __init__(
        self,
        name: str,
        sums: Iterable[tuple[Channel, tuple[Part, ...]]],
        skipped: Iterable[Skipped] = (),
    ) -> None:
        self.name = name
        self._sums = tuple(sums)
        self.channels = tuple(channel for channel, _ in self._sums)
        self.skipped = tuple(skipped)

    def read(self) -> dict[str, float]:
        """Joules and watts by channel id; a power that cannot be real is no reading either."""
        values = {}
        for channel, parts in self._sums:
            total = _sum(parts)
            if total is None or total < 0 or (channel.kind == Kind.GAUGE and total > channel.max_w):
                continue
            values[channel.id] = total
        return values

    def close(self) -> None:
        """Nothing is held open."""


def devices(sysfs_root: str, *names: str) -> list[Device]:
    """The devices that have one of these names, hwmon2 before hwmon10."""
    root = os.path.join(sysfs_root, "class/hwmon")
    found = (_device(os.path.join(root, entry)) for entry in listing(root))
    return [device for device in found if device.name in names]


def closed(path: str) -> tuple[str, str] | None:
    """Why an attribute may not be read and what would help; None if it may."""
    if os.access(path, os.R_OK):
        return None
    return f"no permission to read {path}", CLOSED_FIX.format(path)


def listing(folder: str) -> list[str]:
    """The names in a folder, numbers in their order; none where there is no such folder."""
    try:
        return sorted(os.listdir(folder), key=lambda name: (len(name), name))
    except OSError:
        return []


def text(path: str) -> str | None:
    """What one plain read(2) gives: to some drivers a second one is a new question, or an error."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(file, PAGE).decode("ascii", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(file)


def number(path: str) -> int | None:
    """A whole number in the kernel's unit; None if it could not be read."""
    try:
        return int(text(path) or "")
    except ValueError:
        return None


def watts(path: str) -> float | None:
    """A power attribute (the kernel's are in µW) in W."""
    microwatts = number(path)
    return None if microwatts is None else watts_from_microwatts(microwatts)


def joules(path: str) -> float | None:
    """An energy attribute (the kernel's are in µJ) in J."""
    microjoules = number(path)
    return None if microjoules is None else joules_from_microjoules(microjoules)


def seconds(path: str) -> float | None:
    """An interval attribute (the kernel's are in ms) in s; None also if it is not positive."""
    milliseconds = number(path)
    return seconds_from_milliseconds(milliseconds) if milliseconds and milliseconds > 0 else None


def _device(folder: str) -> Device:
    name = text(os.path.join(folder, "name")) or text(os.path.join(folder, "device/name"))
    return Device(name or "", folder)


def _sum(parts: tuple[Part, ...]) -> float | None:
    total = 0.0
    for part in parts:
        value = part()
        if value is None:
            return None
        total += value
    return total
