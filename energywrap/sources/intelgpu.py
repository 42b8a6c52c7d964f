"""Intel's discrete GPUs by the energy counters of their kernel drivers (xe and i915)."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.sources import hwmon
from energywrap.sources.amdvisible import cards, claims, level_zero

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from energywrap.config import Settings
    from energywrap.sources.amdvisible import Card, Seen
    from energywrap.sources.hwmon import Part

    Sum = tuple[Channel, tuple[Part, ...]]

DRIVERS = ("xe", "i915")
COUNTERS = {"energy1_input": "card", "energy2_input": "pkg"}  # unless a label says otherwise; best first
ROOT_BUS = "0000:00:"  # where the GPUs inside processors are
TICK_S = 0.1  # nowhere told; a tenth of a second is surely not too short
MAX_W = 2000.0  # well above any card sold: tells a restarted counter from a real step
# Half-widths of the printed band: the package leaves out memory, fans and voltage regulators of the card.
ERRORS = {"card": 0.05, "pkg": 0.20}
NAMES = {"card": "card", "pkg": "package"}
INSIDE = "it is part of the processor: its energy is inside the CPU package's counter"
SILENT = "its driver shows no energy counter"
DRIVER_FIX = "cards since Arc have one under i915 from Linux 6.2, under xe from Linux 6.8"


def open_intel_gpu(settings: Settings, *, environ: Mapping[str, str] | None = None) -> hwmon.Meter:
    """Find the energy counters of Intel's discrete GPUs. Raises Unavailable where there is none."""
    found = sorted(
        ((card, driver) for driver in DRIVERS for card in cards(settings.sysfs_root, driver)),
        key=lambda pair: pair[0].address,
    )
    visible = level_zero(os.environ if environ is None else environ, [_tiles(*pair) for pair in found])
    sums: list[Sum] = []
    skipped: list[Skipped] = []
    gpus = []
    for (card, driver), state in zip(found, visible):
        inside = card.address.startswith(ROOT_BUS)
        counters = [] if inside else list(_counters(card, driver, state))
        if counters:
            sums += counters
            gpus.append(card.gpu("Intel"))
        else:
            why, fix = (INSIDE, None) if inside else (SILENT, DRIVER_FIX)
            skipped.append(Skipped(f"{driver} {card.device}", why, fix, inside))
    if not sums:
        raise _absent(skipped)
    meter = hwmon.Meter("intelgpu", sums, skipped)
    meter.gpus = tuple(gpus)
    return meter


def _counters(card: Card, driver: str, seen: Seen) -> Iterator[Sum]:
    """The counters of one card, best first: that of the card contains that of the package."""
    sensors = card.sensors(driver)
    if sensors is None:
        return
    share, shared = claims(seen)
    there = [name for name in COUNTERS if os.path.exists(os.path.join(sensors.folder, name))]
    for attribute in there:
        # A counter alone was once called the card's, but it is the package's register that is read.
        usual = COUNTERS[attribute] if len(there) > 1 else "pkg"
        scope = sensors.text(attribute.replace("input", "label")) or usual
        if scope not in ERRORS:
            continue
        channel = Channel(
            id=f"{driver}:{card.address}:{scope}",
            component=Component.GPU,
            device=card.device,
            source=f"{driver} {NAMES[scope]}",
            kind=Kind.COUNTER,
            max_w=MAX_W,
            tick_s=TICK_S,
            error=ERRORS[scope],
            share=share,
            shared=shared,
        )
        yield channel, (_part(card, os.path.join(sensors.folder, attribute)),)


def _part(card: Card, path: str) -> Part:
    return lambda: None if card.asleep else hwmon.joules(path)


def _tiles(card: Card, driver: str) -> int:
    """Of how many tiles a GPU is made: programs may see each as a GPU of its own."""
    if driver == "xe":
        return max(1, sum(name.startswith("tile") for name in hwmon.listing(card.folder)))
    sensors = os.path.join(card.folder, "hwmon")
    names = [hwmon.text(os.path.join(sensors, entry, "name")) or "" for entry in hwmon.listing(sensors)]
    return max(1, sum(name.startswith("i915_gt") for name in names))


def _absent(skipped: list[Skipped]) -> Unavailable:
    for gap in sorted(skipped, key=lambda gap: gap.expected):
        return Unavailable(f"{gap.what}: {gap.why}", gap.fix, expected=gap.expected)
    return Unavailable("there is no Intel GPU with a driver", expected=True)
