"""CPU package energy from the amd_energy driver: the same counters as RAPL's, seen through hwmon."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Skipped
from energywrap.sources import topology
from energywrap.units import joules_from_microjoules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from energywrap.config import Settings
    from energywrap.readings import Channel, Gpu

FAMILY = DRIVER = "amd_energy"
HWMON = "class/hwmon"
SOCKET, CORE = "Esocket", "Ecore"
UDEV_FIX = (
    'groupadd -f energy && echo \'SUBSYSTEM=="hwmon", ACTION=="add", ATTR{{name}}=="amd_energy", {runs}\' '
    "> /etc/udev/rules.d/70-energy-amd.rules && udevadm control --reload && "
    "udevadm trigger -s hwmon -c add && usermod -aG energy $USER   (as root, then log in again)"
)


class AmdEnergy:
    """The sockets that the driver shows; one that cannot be read now is absent from the reading."""

    name = FAMILY
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
                values[channel_id] = joules_from_microjoules(int(topology.text(path)))
            except (OSError, ValueError):
                continue
        return values

    def close(self) -> None:
        """Nothing is held open."""


def open_amd_energy(settings: Settings) -> AmdEnergy:
    """Find the driver's sockets under `settings.sysfs_root`; its cores are parts of them.

    Raises Unavailable without the driver, or where its counters are for root only.
    """
    sockets = _sockets(settings.sysfs_root)
    if not sockets:
        raise Unavailable("there is no amd_energy driver here (it left the mainline kernel)", expected=True)
    files: dict[str, str] = {}
    channels: list[Channel] = []
    skipped: list[Skipped] = []
    fix = _fix(sockets.values())
    expected = topology.counted_by_powercap(settings.sysfs_root)
    for socket, path in sockets.items():
        if not os.access(path, os.R_OK):
            skipped.append(
                Skipped(f"{FAMILY} package-{socket}", f"no permission to read {path}", fix, expected)
            )
            continue
        channel = topology.channel(FAMILY, topology.PACKAGE, socket)
        files[channel.id] = path
        channels.append(channel)
    if not channels:
        raise Unavailable("the driver's counters are readable by root only", fix, expected=expected)
    return AmdEnergy(files, tuple(channels), tuple(skipped))


def _sockets(sys_root: str) -> dict[str, str]:
    """The counter's file by the number of its socket."""
    hwmon = os.path.join(sys_root, HWMON)
    found = {}
    for folder in (os.path.join(hwmon, device) for device in topology.names(hwmon)):
        if _word(os.path.join(folder, "name")) != DRIVER:
            continue
        numbers = (name.removeprefix("energy").removesuffix("_label") for name in topology.names(folder))
        for number in sorted((int(number) for number in numbers if number.isdecimal()), reverse=True):
            label = _word(os.path.join(folder, f"energy{number}_label"))
            if label.startswith(CORE):
                break  # hundreds of cores come before the few sockets
            if label.startswith(SOCKET):
                socket = label.removeprefix(SOCKET).lstrip("0") or "0"
                found[socket] = os.path.join(folder, f"energy{number}_input")
    return dict(sorted(found.items()))


def _word(path: str) -> str:
    try:
        return topology.text(path).strip()
    except OSError:
        return ""


def _fix(paths: Iterable[str]) -> str:
    names = [os.path.basename(path) for path in paths]
    runs = [f'RUN+="/bin/chgrp energy /sys%p/{name}", RUN+="/bin/chmod g+r /sys%p/{name}"' for name in names]
    return UDEV_FIX.format(runs=", ".join(runs))
