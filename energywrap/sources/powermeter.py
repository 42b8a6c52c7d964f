"""The ACPI power meter: the whole machine on many servers, the rails of a socket on NVIDIA Grace."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.sources import hwmon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.sources.hwmon import Device, Part

    Sum = tuple[Channel, tuple[Part, ...]]
    Rails = dict[str, Device]  # of one socket, by name

NAME, GRACE = "power_meter", "grace"
MACHINE_MAX_W = 30_000.0  # also far below the 4.3 MW by which firmware says that it does not know
SOCKET_MAX_W = 5_000.0  # a module with its GPUs
MACHINE_TICK_S, GRACE_TICK_S = 1.0, 0.05  # firmware asks power supplies once a second, or less often
# What a meter does not say itself: ±5 % is what ENERGY STAR asks of the input power that a server shows.
ERROR = 0.05
SURE, LEAST_SURE = 0.99, 0.5  # an accuracy beyond these is a field that nobody filled in
RAILS = ("Grace", "Module", "CPU", "SysIO")
DRIVER_FIX = "modprobe acpi_power_meter   (as root; on NVIDIA Grace add force_cap_on=y)"
INSIDE = "its energy is inside the rail that is read"
HAS_GPU = "it holds the GPU as well; the Grace rail and NVML tell its parts"
NO_PARTS = "the rail tells no more than a part of the socket"
MANY = "the machine has several power meters, and none says what it measures; they are not added up"


def open_power_meter(settings: Settings) -> hwmon.Meter:
    """Find the ACPI power meters under `settings.sysfs_root`.

    Raises Unavailable when there is none, or none that tells its power.
    """
    meters = hwmon.devices(settings.sysfs_root, "power_meter")
    if not meters:
        raise _absent(settings.sysfs_root)
    skipped: list[Skipped] = []
    sockets: dict[str, Rails] = {}
    sums: list[Sum] = []
    for meter in meters:
        what = f"power_meter {os.path.basename(meter.folder)}"
        socket, rail = _socket(meter.text("power1_oem_info"))
        if (why := _closed(meter)) is not None:
            skipped.append(Skipped(f"{what} {rail}".strip(), *why))
        elif socket is not None:
            sockets.setdefault(socket, {})[rail] = meter
        elif sums:
            skipped.append(Skipped(what, MANY))
        else:
            sums.append(_machine(meter))
    for name, rails in sorted(sockets.items()):
        sums += _grace(name, rails, skipped)
    if not sums:
        raise Unavailable(skipped[0].why, skipped[0].fix)
    return hwmon.Meter(NAME, sums, skipped)


def _closed(meter: Device) -> tuple[str, str | None] | None:
    """Why a meter cannot be read, and what would help."""
    path = meter.path("power1_average")
    if not os.path.exists(path):
        return "the meter's firmware does not let it measure", None
    return hwmon.closed(path)


def _socket(info: str) -> tuple[str | None, str]:
    """(socket, rail) of `Grace Power Socket 0`; no socket where the words are not about one."""
    rail, _, socket = info.rpartition(" Socket ")
    return (socket, rail.removesuffix(" Power")) if rail else (None, "")


def _machine(meter: Device) -> Sum:
    tick_s = hwmon.seconds(meter.path("power1_average_interval")) or MACHINE_TICK_S
    channel = Channel(
        id=f"{NAME}:{os.path.basename(meter.folder)}",
        component=Component.MACHINE,
        device="machine",
        source=NAME,
        kind=Kind.GAUGE,
        max_w=MACHINE_MAX_W,
        tick_s=max(tick_s, MACHINE_TICK_S),
        error=_error(meter),
    )
    return channel, (_part(meter),)


def _grace(socket: str, rails: Rails, skipped: list[Skipped]) -> list[Sum]:
    """The one channel that tells most of a socket without telling its GPU twice, and why not the others."""
    used, covers = _used(rails)
    for rail in rails:
        if rail not in used:
            skipped.append(_not_added(socket, rail, bool(used)))
    if not used:
        return []
    meters = [rails[rail] for rail in used]
    channel = Channel(
        id=f"{NAME}:{used[0].lower()}-{socket}",
        component=Component.CPU,
        device=f"package-{socket}",
        source=f"{GRACE} {' and '.join(used)} rail",
        kind=Kind.GAUGE,
        max_w=SOCKET_MAX_W,
        tick_s=hwmon.seconds(meters[0].path("power1_average_interval")) or GRACE_TICK_S,
        error=max(_error(meter) for meter in meters),
        covers=covers,
    )
    return [(channel, tuple(_part(meter) for meter in meters))]


def _used(rails: Rails) -> tuple[list[str], tuple[str, ...]]:
    """The rails that are added up, and what they hold beside the processor."""
    if "Grace" in rails:
        return ["Grace"], (Component.RAM,)
    if "Module" in rails:
        return ["Module"], (Component.RAM, Component.GPU)
    return [rail for rail in ("CPU", "SysIO") if "CPU" in rails and rail in rails], ()


def _not_added(socket: str, rail: str, others: bool) -> Skipped:
    known = others and rail in RAILS
    why = (HAS_GPU if rail == "Module" else INSIDE) if known else NO_PARTS
    return Skipped(f"grace {rail} rail of socket {socket}", why, expected=known)


def _part(meter: Device) -> Part:
    path = meter.path("power1_average")
    # The driver shows 0 when its meter has never answered it; nothing that runs this draws 0 W.
    return lambda: hwmon.watts(path) or None


def _error(meter: Device) -> float:
    """Of `power1_accuracy`, which reads like 95.0%."""
    try:
        accuracy = float(meter.text("power1_accuracy").removesuffix("%")) / 100
    except ValueError:
        return ERROR
    return 1 - accuracy if LEAST_SURE <= accuracy <= SURE else ERROR


def _absent(sysfs_root: str) -> Unavailable:
    for name in hwmon.listing(os.path.join(sysfs_root, "bus/acpi/devices")):
        status = os.path.join(sysfs_root, "bus/acpi/devices", name, "status")
        if name.startswith("ACPI000D:") and hwmon.number(status) != 0:
            return Unavailable("the machine has an ACPI power meter whose driver is not loaded", DRIVER_FIX)
    return Unavailable("this machine has no ACPI power meter", expected=True)
