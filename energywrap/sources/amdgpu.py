"""AMD GPUs by the power sensor of their kernel driver (amdgpu), without any library."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.sources import hwmon
from energywrap.sources.amdvisible import cards, claims, rocm, together

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from energywrap.config import Settings
    from energywrap.sources.amdvisible import Card, Seen
    from energywrap.sources.hwmon import Part

DRIVER = "amdgpu"
SENSORS = ("power1_average", "power1_input")  # newer chips have the second, some have both
NODES = "class/kfd/kfd/topology/nodes"
TICK_S = 0.1  # the firmware averages over up to that
MAX_W = 3000.0  # well above any module sold, and below the 4294 W as which some kernels print an error
# Half-width of the printed band: before RDNA 3 the sensor leaves out memory and voltage regulators.
ERROR = 0.15
SMALL_VRAM_BYTES = 1 << 30  # what firmware sets aside for a graphics core inside a processor
SOCKETS = ("0x74a0",)  # MI300A: GPU, CPU cores and memory in one, and all of it in one reading
TWINS = ("0x7408", "0x740c")  # MI250 and MI250X: two GPUs on one module, of which the first tells the sum
INSIDE = "it is part of the processor: its power is inside the CPU package's counter"
TWIN = "its power is in the reading of the other GPU of the same module"
SILENT = "its driver tells no power"
NO_GPU = "there is no AMD GPU with a driver"


def open_amdgpu(settings: Settings, *, environ: Mapping[str, str] | None = None) -> hwmon.Meter:
    """Find the power sensors of AMD GPUs. Raises Unavailable where there is none outside a processor."""
    found = cards(settings.sysfs_root, DRIVER)
    sensors = {card.address: where for card in found if (where := telling(card)) is not None}
    skipped, groups = grouped(found, sensors)
    if not groups:
        raise absent(skipped)
    visible = seen(settings.sysfs_root, os.environ if environ is None else environ)
    sums = [
        (
            channel(group, visible, f"amdgpu:{group[0].address}:power", "amdgpu power", Kind.GAUGE, ERROR),
            (_part(group[0], sensors[group[0].address]),),
        )
        for group in groups
    ]
    meter = hwmon.Meter("amdgpu", sums, skipped)
    meter.gpus = tuple(group[0].gpu("AMD") for group in groups)
    return meter


def telling(card: Card) -> hwmon.Device | None:
    """The sensors of a card that tells its power, or will once it is awake; None where there are none."""
    sensors = card.sensors(DRIVER)
    if sensors is None or inside_package(card):
        return None
    if card.asleep:
        return sensors if any(os.path.exists(sensors.path(name)) for name in SENSORS) else None
    return sensors if _watts(sensors) is not None else None


def grouped(
    found: Sequence[Card], told: Collection[str], source: str = DRIVER
) -> tuple[list[Skipped], list[list[Card]]]:
    """The cards that are not read, with the reason, and the others, each with a twin whose power it tells."""
    skipped, groups, first = [], [], None
    for card in found:
        twin, inside = card.text("device") in TWINS, inside_package(card)
        if card.address in told and not inside:
            groups.append([card])
            first = groups[-1] if twin else None
        elif twin and first is not None:
            first.append(card)
            first = None
            skipped.append(Skipped(f"{source} {card.device}", TWIN, expected=True))
        else:
            why = INSIDE if inside else SILENT
            skipped.append(Skipped(f"{source} {card.device}", why, expected=inside))
    return skipped, groups


def absent(skipped: Sequence[Skipped], fix: str | None = None) -> Unavailable:
    """Why no card is read: the reason of one that should have been, else of any."""
    worst = sorted(skipped, key=lambda gap: gap.expected)
    if not worst:
        return Unavailable(NO_GPU, expected=True)
    return Unavailable(f"{worst[0].what}: {worst[0].why}", fix, expected=worst[0].expected)


def channel(
    group: Sequence[Card], visible: Mapping[str, Seen], name: str, source: str, kind: str, error: float
) -> Channel:
    """What tells the power or energy of a card, and of its twin."""
    socket = group[0].text("device") in SOCKETS
    share, shared = claims(together(visible.get(card.address, True) for card in group))
    if socket:
        share, shared = None, "it is of a whole socket, with its CPU cores and memory"
    return Channel(
        id=name,
        component=Component.GPU,
        device=group[0].device,
        source=source,
        kind=kind,
        max_w=MAX_W,
        tick_s=TICK_S,
        error=error,
        covers=(Component.CPU, Component.RAM) if socket else (),
        share=share,
        shared=shared,
    )


def inside_package(card: Card) -> bool:
    """Whether the GPU is a part of the processor (an APU): only those have a northbridge voltage."""
    if card.text("device") in SOCKETS:
        return False
    sensors, vram = card.sensors(DRIVER), hwmon.number(os.path.join(card.folder, "mem_info_vram_total"))
    northbridge = sensors is not None and sensors.text("in1_label") == "vddnb"
    return northbridge or (vram is not None and vram <= SMALL_VRAM_BYTES)


def seen(sysfs_root: str, environ: Mapping[str, str]) -> dict[str, Seen]:
    """Whether the command can see a card, by address; cards that ROCm does not run are absent."""
    nodes, closed = _nodes(sysfs_root)
    visible = rocm(environ, [uuid for _, uuid in nodes])
    parts: dict[str, list[Seen]] = {}
    for index, (address, _) in enumerate(nodes):  # a card that is split in partitions has several
        parts.setdefault(address, []).append(None if visible is None else index in visible)
    known: dict[str, Seen] = {address: together(states) for address, states in parts.items()}
    if closed:  # a container that was given some GPUs: the others are out of the command's reach
        known = {**{card.address: False for card in cards(sysfs_root, DRIVER)}, **known}
    return known


def _nodes(sysfs_root: str) -> tuple[list[tuple[str, str]], bool]:
    """(address, UUID) of ROCm's GPUs in its own order, and whether some may not be looked at."""
    root, found, closed = os.path.join(sysfs_root, NODES), [], False
    for name in hwmon.listing(root):
        properties = hwmon.text(os.path.join(root, name, "properties"))
        if properties is None:
            closed = True
            continue
        words = properties.split()
        facts = {key: int(value) for key, value in zip(words[::2], words[1::2]) if value.isdecimal()}
        if facts.get("simd_count"):  # a node without is a CPU
            place = facts.get("location_id", 0)
            address = f"{facts.get('domain', 0):04x}:{place >> 8 & 255:02x}:{place >> 3 & 31:02x}.{place & 7}"
            found.append((address, f"GPU-{facts.get('unique_id', 0):016x}"))
    return found, closed


def _part(card: Card, sensors: hwmon.Device) -> Part:
    return lambda: None if card.asleep else _watts(sensors)


def _watts(sensors: hwmon.Device) -> float | None:
    """W now; None if it cannot be told. A GPU that answers draws more than nothing."""
    told = (hwmon.watts(sensors.path(name)) for name in SENSORS)
    return next((watts for watts in told if watts is not None and 0 < watts <= MAX_W), None)
