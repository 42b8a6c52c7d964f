"""Ampere Altra, eMAG and X-Gene processors: what their management controller tells of a socket."""

from __future__ import annotations

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.sources import hwmon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.sources.hwmon import Device, Part

    Sum = tuple[Channel, tuple[Part, ...]]

NAME = "ampere"
POWER, ENERGY = ("apm_xgene",), ("altra_hwmon", "altra")  # what the two drivers call themselves
# The rail of the cores and that of the mesh, the memory controllers and the lanes: together the package.
RAILS = ("CPU power", "IO power")
CORES = "core"  # "Core Energy 000" and so on: no package, but counters
MAX_W = 1_000.0
TICK_S = 1.0  # neither driver tells how often its controller measures
POWER_ERROR, ENERGY_ERROR = 0.05, 0.10  # no band is published; the second lacks all but the cores


def open_ampere(settings: Settings) -> hwmon.Meter:
    """Find the sockets' meters under `settings.sysfs_root`.

    Raises Unavailable on other processors, and where no meter may be read.
    """
    skipped: list[Skipped] = []
    root = settings.sysfs_root
    powers, energies = hwmon.devices(root, *POWER), hwmon.devices(root, *ENERGY)
    sums = [
        found
        for devices, sum_of in ((powers, _power), (energies, _energy))
        for socket, device in enumerate(devices)
        if (found := sum_of(device, socket, skipped)) is not None
    ]
    if sums:
        return hwmon.Meter(NAME, sums, skipped)
    if skipped:
        raise Unavailable(skipped[0].why, skipped[0].fix)
    raise Unavailable("no driver tells the power of an Ampere or X-Gene processor here", expected=True)


def _power(device: Device, socket: int, skipped: list[Skipped]) -> Sum | None:
    inputs = {device.text(f"power{index}_label"): device.path(f"power{index}_input") for index in (1, 2)}
    paths = [inputs[label] for label in RAILS if label in inputs]
    if RAILS[0] not in inputs or not _may_read(paths, f"xgene package-{socket}", skipped):
        return None
    channel = Channel(
        id=f"{NAME}:power-{socket}",
        component=Component.CPU,
        device=f"package-{socket}",
        source="xgene power",
        kind=Kind.GAUGE,
        max_w=MAX_W,
        tick_s=TICK_S,
        error=POWER_ERROR,
    )
    cores, *lanes = paths
    return channel, (lambda: hwmon.watts(cores) or None, *(_watts(path) for path in lanes))  # 0: no answer


def _energy(device: Device, socket: int, skipped: list[Skipped]) -> Sum | None:
    """The cores' counters as one: where one of them starts again, so does their sum, which is noticed."""
    names = [
        name.removesuffix("_label")
        for name in hwmon.listing(device.folder)
        if name.startswith("energy") and name.endswith("_label")
    ]
    cores = [name for name in names if device.text(f"{name}_label").lower().startswith(CORES)]
    paths = [device.path(f"{name}_input") for name in cores]
    if not paths or not _may_read(paths, f"altra package-{socket}", skipped):
        return None
    channel = Channel(
        id=f"{NAME}:energy-{socket}",
        component=Component.CPU,
        device=f"package-{socket}",
        source="altra energy of the cores",
        kind=Kind.COUNTER,
        max_w=MAX_W,
        tick_s=TICK_S,
        error=ENERGY_ERROR,
    )
    return channel, tuple(_joules(path) for path in paths)


def _may_read(paths: list[str], what: str, skipped: list[Skipped]) -> bool:
    closed = [why for path in paths if (why := hwmon.closed(path))]
    if closed:
        skipped.append(Skipped(what, *closed[0]))
    return not closed


def _watts(path: str) -> Part:
    return lambda: hwmon.watts(path)


def _joules(path: str) -> Part:
    return lambda: hwmon.joules(path)
