"""The battery of a laptop as a meter of the whole machine, while nothing else feeds it."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind
from energywrap.sources import hwmon
from energywrap.units import watts_from_micro

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.readings import Gpu, Skipped

NAME = "battery"
FOLDER = "class/power_supply"
TICK_S = 10.0  # the controller of a battery tells a new value every 1 to 30 s
MAX_W = 500.0
ERROR = 0.05  # ACPI's _BIX usually states an accuracy of 95 %
CHANNEL = Channel(
    id=f"{NAME}:discharge",
    component=Component.MACHINE,
    device="machine",
    source=NAME,
    kind=Kind.GAUGE,
    max_w=MAX_W,
    tick_s=TICK_S,
    error=ERROR,
)
CHARGERS = ("Mains", "USB", "UPS", "Wireless", "BrickID")  # what sysfs-class-power knows beside batteries
ON_MAINS = "it meters the machine only while nothing else feeds it"
UNPLUG_FIX = "unplug the machine before the run"


class Battery:
    """What all batteries together give; nothing while the machine is fed from elsewhere."""

    name = NAME
    channels = (CHANNEL,)
    gpus: tuple[Gpu, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def read(self) -> dict[str, float]:
        """Watts by channel id; absent as soon as a charger is plugged in."""
        batteries, others = _supplies(self._folder)  # each time: both come and go
        if not _discharging(batteries, others):
            return {}
        watts = _watts(batteries)
        return {CHANNEL.id: watts} if watts is not None and watts <= MAX_W else {}

    def close(self) -> None:
        """Nothing is held open."""


def promising(settings: Settings) -> bool:
    """Whether batteries alone feed the machine just now."""
    return _discharging(*_supplies(os.path.join(settings.sysfs_root, FOLDER)))


def open_battery(settings: Settings) -> Battery:
    """Find the machine's batteries under `settings.sysfs_root`.

    Raises Unavailable where there is none, where something else feeds the machine, and where a battery does
    not tell its power.
    """
    folder = os.path.join(settings.sysfs_root, FOLDER)
    batteries, others = _supplies(folder)
    if not batteries:
        raise Unavailable("this machine has no battery", expected=True)
    if not _discharging(batteries, others):
        raise Unavailable(ON_MAINS, UNPLUG_FIX, expected=True)
    if _watts(batteries) is None:
        raise Unavailable("the battery does not tell its power", expected=True)
    return Battery(folder)


def _supplies(folder: str) -> tuple[list[str], list[str]]:
    """The batteries of the machine itself, and whatever else could feed it."""
    batteries, others = [], []
    for name in hwmon.listing(folder):
        supply = os.path.join(folder, name)
        if _text(supply, "scope") == "Device":
            continue  # of a mouse or a headset: it always discharges
        if _text(supply, "type") != "Battery":
            others.append(supply)
        elif _text(supply, "present") != "0":
            batteries.append(supply)
    return batteries, others


def _discharging(batteries: list[str], others: list[str]) -> bool:
    """Whether the batteries alone feed the machine; no, where that is not certain."""
    if any(_text(battery, "status") != "Discharging" for battery in batteries):
        return False
    if not all((_text(supply, "type") or "").startswith(CHARGERS) for supply in others):
        return False  # what does not say what it is may be a battery
    for supply in others:  # 1: plugged in; 2: plugged in, and its voltage can be chosen
        if os.path.exists(os.path.join(supply, "online")) and _text(supply, "online") != "0":
            return False
    return bool(batteries)


def _watts(batteries: list[str]) -> float | None:
    """The sum, as two batteries discharge in turn; None if one does not tell, or if all of them show 0."""
    total = 0.0
    for battery in batteries:
        watts = _power(battery)
        if watts is None:
            return None
        total += watts
    return total or None


def _power(battery: str) -> float | None:
    """W of one battery: some drivers give a discharge a negative sign, some tell current and voltage only."""
    watts = hwmon.watts(os.path.join(battery, "power_now"))
    if watts is not None:
        return abs(watts)
    microamperes = hwmon.number(os.path.join(battery, "current_now"))
    microvolts = hwmon.number(os.path.join(battery, "voltage_now"))
    if microamperes is None or microvolts is None:
        return None
    return abs(watts_from_micro(microvolts, microamperes))


def _text(supply: str, attribute: str) -> str | None:
    return hwmon.text(os.path.join(supply, attribute))
