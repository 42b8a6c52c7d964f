"""NVIDIA Jetson: the INA3221 monitors of its supply rails, by hwmon or by the older iio driver."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.record import record
from energywrap.sources import hwmon
from energywrap.units import watts_from_milli, watts_from_milliwatts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.sources.hwmon import Part

NAME = "jetson"
DRIVERS = ("ina3221", "ina3221x")
TOTALS = ("VDD_IN", "POM_5V_IN")  # other rails may end in _IN as well: VDD_M2_IN feeds one slot
# in4 to in6 of the hwmon driver are shunt voltages, in7 is their sum: of no use here.
HWMON_RAILS, IIO_RAILS = (1, 2, 3), (0, 1, 2)
TICK_S = 0.1  # where the driver does not tell how long it averages
MAX_W = 300.0  # the largest module is made for 130 W
# The chip and its shunts are good to 1 % each at full load; their steps are coarse on a rail that idles.
ERROR = 0.05
NO_TOTAL = "the board has no rail that feeds all the others"


@record
class Rail:
    """One supply rail: what the board calls it, how it is read, how often it changes."""

    label: str
    watts: Part
    tick_s: float


def open_jetson(settings: Settings) -> hwmon.Meter:
    """Find the supply rails under `settings.sysfs_root`. Raises Unavailable where there are none."""
    rails = _rails(settings.sysfs_root)
    total = _total(list(rails))
    roles = {label: _role(label, label == total) for label in rails}
    sums = [(_channel(rails[label], *role), (rails[label].watts,)) for label, role in roles.items() if role]
    if not sums:
        raise Unavailable("there are no supply rails of a Jetson module here", expected=True)
    skipped = [] if total else [Skipped("ina3221 total", NO_TOTAL, expected=True)]
    return hwmon.Meter(NAME, sums, skipped)


def _total(labels: list[str]) -> str | None:
    """The rail that feeds the board; by its usual name, or as the only one that sounds like it."""
    for label in TOTALS:
        if label in labels:
            return label
    inputs = [label for label in labels if label.endswith("_IN")]
    return inputs[0] if len(inputs) == 1 else None


def _role(label: str, is_total: bool) -> tuple[str, str, tuple[str, ...]] | None:
    """(component, device, what else is inside) of a rail; None if it is only a part of the rest."""
    if is_total:
        return Component.MACHINE, "machine", ()
    words = label.split("_")
    if "CPU" in words:
        return Component.CPU, "package-0", (Component.GPU,) if "GPU" in words else ()
    if "GPU" in words:
        return Component.GPU, "gpu-0", ()
    if "DDR" in words or "VDDRQ" in words:
        return Component.RAM, "dram-0", ()
    return None


def _channel(rail: Rail, component: str, device: str, covers: tuple[str, ...]) -> Channel:
    return Channel(
        id=f"{NAME}:{rail.label}",
        component=component,
        device=device,
        source=f"ina3221 {rail.label}",
        kind=Kind.GAUGE,
        max_w=MAX_W,
        tick_s=rail.tick_s,
        error=ERROR,
        covers=covers,
    )


def _rails(sysfs_root: str) -> dict[str, Rail]:
    found: dict[str, Rail] = {}
    for folder in _folders(sysfs_root):
        iio = os.path.basename(folder).startswith("iio:")
        for rail in _iio_rails(folder) if iio else _hwmon_rails(folder):
            found.setdefault(rail.label, rail)
    return found


def _folders(sysfs_root: str) -> list[str]:
    """Of every monitor once: those of the I2C drivers, then what else calls itself so in class/hwmon."""
    found: dict[str, str] = {}
    for driver in DRIVERS:
        root = os.path.join(sysfs_root, "bus/i2c/drivers", driver)
        for chip in (os.path.join(root, name) for name in hwmon.listing(root)):
            inside = [
                os.path.join(chip, "hwmon", name) for name in hwmon.listing(os.path.join(chip, "hwmon"))
            ]
            inside += [os.path.join(chip, name) for name in hwmon.listing(chip) if name.startswith("iio:")]
            for folder in inside:
                found.setdefault(os.path.realpath(folder), folder)
    for device in hwmon.devices(sysfs_root, *DRIVERS):
        found.setdefault(os.path.realpath(device.folder), device.folder)
    return list(found.values())


def _hwmon_rails(folder: str) -> list[Rail]:
    found = []
    tick_s = hwmon.seconds(os.path.join(folder, "update_interval")) or TICK_S
    for index in HWMON_RAILS:
        label = hwmon.text(os.path.join(folder, f"in{index}_label"))
        if label and hwmon.number(os.path.join(folder, f"in{index}_enable")) != 0:
            found.append(Rail(label, _hwmon_watts(folder, index), tick_s))
    return found


def _hwmon_watts(folder: str, index: int) -> Part:
    voltage, current = (os.path.join(folder, f"{kind}{index}_input") for kind in ("in", "curr"))

    def watts() -> float | None:
        millivolts, milliamperes = hwmon.number(voltage), hwmon.number(current)
        if millivolts is None or milliamperes is None:
            return None
        return max(0.0, watts_from_milli(millivolts, milliamperes))  # an idle rail's offset may be negative

    return watts


def _iio_rails(folder: str) -> list[Rail]:
    found = []
    for index in IIO_RAILS:
        label = hwmon.text(os.path.join(folder, f"rail_name_{index}"))
        if label:
            found.append(Rail(label, _iio_watts(os.path.join(folder, f"in_power{index}_input")), TICK_S))
    return found


def _iio_watts(path: str) -> Part:
    def watts() -> float | None:
        milliwatts = hwmon.number(path)
        return None if milliwatts is None else watts_from_milliwatts(milliwatts)

    return watts
