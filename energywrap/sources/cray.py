"""The energy counters of HPE Cray nodes: of the node, its processors, its memory, its accelerators."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind
from energywrap.sources import hwmon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.readings import Gpu, Skipped

NAME = "cray"
FOLDER = "cray/pm_counters"
TICK_S = 0.1  # of the blade's controller, where raw_scan_hz does not say otherwise
ERROR = 0.05  # no band is published; what ENERGY STAR asks of the meters in servers
NODE_MAX_W, CPU_MAX_W, RAM_MAX_W, ACCELERATOR_MAX_W = 20_000.0, 3_000.0, 2_000.0, 3_000.0
SUFFIX = "_energy"
CAPPED = "the node's power cap changed during the run (pm_counters generation {} to {})"


class Cray:
    """The counters of one node, all of one scan of its controller."""

    name = NAME
    gpus: tuple[Gpu, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __init__(self, folder: str, channels: dict[str, Channel]) -> None:
        self._folder = folder
        self._channels = channels
        self._generation = self._number("generation")
        self.channels = tuple(channels.values())
        self.warnings: list[str] = []  # what happened to the node itself during the run

    def read(self) -> dict[str, float]:
        """Joules by channel id; read once more where the controller wrote new ones meanwhile."""
        before = self._number("freshness")
        values = self._sweep()
        if self._number("freshness") != before:
            values = self._sweep()
        self._watch_cap()
        return values

    def close(self) -> None:
        """Nothing is held open."""

    def _sweep(self) -> dict[str, float]:
        values = {}
        for name, channel in self._channels.items():
            value = _joules(os.path.join(self._folder, name))
            if value is not None:
                values[channel.id] = value
        return values

    def _watch_cap(self) -> None:
        now = self._number("generation")
        if now is not None and now != self._generation:
            self.warnings.append(CAPPED.format(self._generation, now))
            self._generation = now

    def _number(self, name: str) -> int | None:
        return hwmon.number(os.path.join(self._folder, name))


def open_cray(settings: Settings) -> Cray:
    """Find the node's counters under `settings.sysfs_root`.

    Raises Unavailable on other machines, and where none of the counters can be read.
    """
    folder = os.path.join(settings.sysfs_root, FOLDER)
    if not os.path.isdir(folder):
        raise Unavailable("this is no HPE Cray node: it has no pm_counters", expected=True)
    scans_hz = hwmon.number(os.path.join(folder, "raw_scan_hz")) or 0
    tick_s = 1 / scans_hz if scans_hz > 0 else TICK_S
    names = hwmon.listing(folder)
    channels = {}
    for name in names:
        role = _role(name, names)
        if role is not None and _joules(os.path.join(folder, name)) is not None:
            channels[name] = _channel(name, role, tick_s)
    if not channels:
        raise Unavailable(f"{folder} holds no energy counter that can be read")
    return Cray(folder, channels)


def _role(name: str, names: list[str]) -> tuple[str, str, float] | None:
    """(component, device, most watts) of a counter; the node's own contains all the others."""
    if name == "energy":
        return Component.MACHINE, "machine", NODE_MAX_W
    part = name.removesuffix(SUFFIX)
    if part == name:
        return None
    if part == "cpu":
        return Component.CPU, "all packages", CPU_MAX_W
    if part == "memory":
        return Component.RAM, "all memory", RAM_MAX_W
    number = part.removeprefix("accel")
    if number.isdigit() or (part == "accel" and f"accel0{SUFFIX}" not in names):
        return Component.GPU, part, ACCELERATOR_MAX_W  # a card: of an MI250X both of its halves
    return None


def _channel(name: str, role: tuple[str, str, float], tick_s: float) -> Channel:
    component, device, max_w = role
    return Channel(
        id=f"{NAME}:{name}",
        component=component,
        device=device,
        source=f"{NAME} {name}",
        kind=Kind.COUNTER,
        max_w=max_w,
        tick_s=tick_s,
        error=ERROR,
    )


def _joules(path: str) -> float | None:
    """Of `81147367 J 1700061210920464 us`; None if it is not in J."""
    words = (hwmon.text(path) or "").split()
    if not words or not words[0].isdigit() or words[1:2] not in (["J"], []):
        return None
    return float(words[0])
