"""CPU package and DRAM energy from the kernel's powercap tree (Intel and AMD RAPL)."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.record import record
from energywrap.units import joules_from_microjoules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.readings import Gpu

CONTROL_TYPES = ("intel-rapl", "intel-rapl-mmio")  # the second shows the same packages again
DEFAULT_ROOT = "/sys"
TICK_S = 0.001  # the hardware updates the counters about every millisecond
MAX_W = 1000.0  # no package or memory of a socket draws more
# Half-widths of the band printed around a reading, see docs/methodology.md#measured-energy
ERRORS = {Component.CPU: 0.02, Component.RAM: 0.10, Component.MACHINE: 0.20}
PSYS = "psys rapl"

UDEV_FIX = (
    'groupadd -f energy && echo \'SUBSYSTEM=="powercap", ACTION=="add", KERNEL=="intel-rapl*:*", '
    'RUN+="/bin/chgrp energy /sys%p/energy_uj", RUN+="/bin/chmod g+r /sys%p/energy_uj"\' '
    "> /etc/udev/rules.d/70-energy.rules && udevadm control --reload && "
    "udevadm trigger -s powercap -c add && usermod -aG energy $USER   (as root, then log in again)"
)
MODULE_FIX = "modprobe intel_rapl_msr   (as root; on AMD it needs Linux 5.11 or newer)"
MOUNT_FIX = (
    "mount the host's tree into the container (docker run -v /sys:/host-sys:ro ...) "
    "and give it: --sysfs-root /host-sys"
)


@record
class Zone:
    """One powercap zone: where it is, what it calls itself, what it belongs to."""

    id: str
    folder: str
    name: str
    parent: str


class Rapl:
    """The energy counters that can be read here; a counter that fails now is absent from the reading."""

    name = "rapl"
    gpus: tuple[Gpu, ...] = ()

    def __init__(self, files: dict[str, str], channels: tuple[Channel, ...], skipped: tuple[Skipped, ...]):
        self._files = files
        self.channels = channels
        self.skipped = skipped

    def read(self) -> dict[str, float]:
        """Joules by channel id."""
        values = {}
        for channel_id, path in self._files.items():
            try:
                values[channel_id] = joules_from_microjoules(int(_text(path)))
            except (OSError, ValueError):
                continue  # a zone that could not be read is absent; the report shows the lost coverage
        return values

    def close(self) -> None:
        """Nothing is held open."""


def open_rapl(settings: Settings) -> Rapl:
    """Find the package and DRAM counters under `settings.sysfs_root`.

    Raises Unavailable when there is no powercap tree, or none of its counters may be read.
    """
    zones = _zones(settings.sysfs_root)
    if not zones:
        raise _absent(settings.sysfs_root)
    files: dict[str, str] = {}
    channels: list[Channel] = []
    skipped: list[Skipped] = []
    refused = 0
    for zone in zones:
        role = _role(zone, zones)
        path = os.path.join(zone.folder, "energy_uj")
        if role is None:
            continue
        if not os.path.exists(path):
            skipped.append(Skipped(f"rapl {zone.name}", f"{zone.folder} has no energy_uj", MOUNT_FIX))
            continue
        if not os.access(path, os.R_OK):
            refused += 1
            skipped.append(Skipped(f"rapl {zone.name}", f"no permission to read {path}", UDEV_FIX))
            continue
        channel = _channel(zone, role, channels)
        files[channel.id] = path
        channels.append(channel)
    if not any(channel.component != Component.MACHINE for channel in channels):
        raise _unreadable(refused)
    return Rapl(files, tuple(channels), tuple(skipped))


def _zones(sys_root: str) -> list[Zone]:
    """Every zone, by the class's flat list, or by the device tree where its links lead nowhere."""
    found = _walk(os.path.join(sys_root, "class/powercap"))
    for control in CONTROL_TYPES:
        found = found or _walk(os.path.join(sys_root, "devices/virtual/powercap", control))
    return sorted(found, key=lambda zone: (CONTROL_TYPES.index(zone.id.partition(":")[0]), zone.id))


def _walk(folder: str) -> list[Zone]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    zones: dict[str, Zone] = {}
    for name in names:
        control, colon, number = name.partition(":")
        if colon and control in CONTROL_TYPES:
            inside = os.path.join(folder, name)
            try:
                label = _text(os.path.join(inside, "name")).strip()
            except OSError:
                continue
            zones[name] = Zone(name, inside, label, name.rpartition(":")[0] if ":" in number else "")
            for zone in _walk(inside):
                zones.setdefault(zone.id, zone)
    return list(zones.values())


def _role(zone: Zone, zones: list[Zone]) -> tuple[str, str] | None:
    """(component, device) of a zone that counts; None for parts of a package."""
    if zone.name.startswith("package-"):
        return Component.CPU, zone.name
    if zone.name == "psys":  # the whole platform: a meter, never added to what is inside it
        return Component.MACHINE, "platform"
    if zone.name == "dram":  # powercap nests it in the package, but its energy is not part of it
        parent = next((other for other in zones if other.id == zone.parent), None)
        socket = parent.name.removeprefix("package-") if parent else zone.id
        return Component.RAM, f"dram-{socket}"
    return None


def _channel(zone: Zone, role: tuple[str, str], before: list[Channel]) -> Channel:
    try:
        wrap_j = joules_from_microjoules(int(_text(os.path.join(zone.folder, "max_energy_range_uj"))))
    except (OSError, ValueError):
        wrap_j = None  # then a decrease can only be taken for a restart: a lower bound
    component, device = role
    return Channel(
        id=f"rapl:{zone.id}",
        component=component,
        device=device,
        source=PSYS if component == Component.MACHINE else zone.id.partition(":")[0].removeprefix("intel-"),
        kind=Kind.COUNTER,
        wrap_j=wrap_j or None,
        max_w=MAX_W,
        tick_s=TICK_S,
        error=ERRORS[component],
        duplicate_of=_die_before(component, device, zone, before),
    )


def _die_before(component: str, device: str, zone: Zone, before: list[Channel]) -> str | None:
    """The first die of the same package: some AMD processors show one socket counter for every die."""
    package, die, _ = device.partition("-die-")
    control = zone.id.partition(":")[0]
    for channel in before:
        same = channel.component == component and channel.device.partition("-die-")[0] == package
        if die and same and channel.id.startswith(f"rapl:{control}:") and channel.duplicate_of is None:
            return channel.id
    return None


def _text(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _absent(sys_root: str) -> Unavailable:
    if sys_root != DEFAULT_ROOT and not os.path.isdir(os.path.join(sys_root, "class/powercap")):
        return Unavailable(
            f"{sys_root} holds no class/powercap", "give --sysfs-root the folder that holds class/"
        )
    if _in_virtual_machine():
        return Unavailable("the host of this virtual machine shows none; nothing in here can change that")
    if not os.path.isdir(os.path.join(sys_root, "class/powercap")):
        return Unavailable(f"the kernel shows no {sys_root}/class/powercap", MODULE_FIX)
    if _in_container():
        return Unavailable("the container hides the powercap tree", MOUNT_FIX)
    return Unavailable("the powercap tree holds no RAPL zone", MODULE_FIX)


def _unreadable(refused: int) -> Unavailable:
    if refused:
        return Unavailable("the energy counters are readable by root only (Linux 5.10 and newer)", UDEV_FIX)
    return Unavailable("the powercap tree holds no package or DRAM counter", MODULE_FIX)


def _in_virtual_machine() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            return " hypervisor " in file.read(8192)
    except OSError:
        return False


def _in_container() -> bool:
    return os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")
