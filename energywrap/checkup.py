"""What can be measured here: every source tried, each channel read for a moment, what would help."""

from __future__ import annotations

import os
import time

from energywrap import accounting, balance, facility, grid, place, plan, syscalls
from energywrap.host import unread_gpus
from energywrap.model import Basis, Component, Kind
from energywrap.record import record
from energywrap.sampler import Sampler
from energywrap.sources import explain, open_all
from energywrap.sources.registry import NAMES, label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from energywrap.balance import Total
    from energywrap.config import Settings
    from energywrap.model import CarbonIntensity, Channel, ComponentEnergy, Facility, Place, Skipped, Tally

WATCHED_S, STEP_S = 1.0, 0.02
PERF_FIX = "sysctl kernel.perf_event_paranoid=2   (as root; then perf counts every process exactly)"
MEASURED_BAND = "x0.98 to x1.02"  # what RAPL's counters of a package deserve
OPENS_CPU = (label("rapl"), label("perf"), label("msr"))


@record
class ChannelState:
    """One channel: what it showed, how often it changed, whether a run would listen to it."""

    component: str
    device: str
    source: str
    basis: str
    value: float | None
    unit: str
    power_w: float | None
    updates_per_s: float | None
    used: bool
    why: str


@record
class Missing:
    """A source that does not speak, why, the line that would change it, and what that would gain."""

    what: str
    why: str
    fix: str | None
    gain: str | None
    expected: bool


@record
class Checkup:
    """All of it, as `energywrap doctor` shows it."""

    channels: tuple[ChannelState, ...]
    missing: tuple[Missing, ...]
    unread: tuple[str, ...]
    accounting: str
    accounting_fix: str | None
    place: Place
    intensity: CarbonIntensity
    facility: Facility


def examine(
    settings: Settings, environ: Mapping[str, str], pause: Callable[[float], None] = time.sleep
) -> Checkup:
    """Open every source, read all of them for a second, close them. Raises UserError for a wrong setting."""
    sources = open_all(settings)
    sampler = Sampler(sources, WATCHED_S)
    seen = _watch(sampler, pause)
    fold = sampler.folded()
    took_s = max(at for at, _ in seen)
    total = balance.total(plan.choose(sources.channels), fold.tallies, took_s)
    skipped = [*sources.skipped, *explain(settings, sources.absent, expected=True), *total.skipped]
    sources.close()
    method, fix = _accounting()
    where = place.resolve(settings, environ)
    return Checkup(
        channels=tuple(
            _state(channel, seen, total, took_s, fold.tallies[channel.id])
            for channel in sources.channels
            if (channel.component, channel.basis) != (Component.MACHINE, Basis.MODELLED)
        ),
        missing=tuple(_missing(gap, total) for gap in _once(skipped)),
        unread=tuple(unread_gpus(settings.sysfs_root, sources.answered)),
        accounting=method,
        accounting_fix=fix,
        place=where,
        intensity=grid.lookup(settings, where),
        facility=facility.resolve(settings),
    )


def _watch(sampler: Sampler, pause: Callable[[float], None]) -> list[tuple[float, dict[str, float]]]:
    """Readings close to each other, enough of them to see how often each channel changes."""
    began_s = time.monotonic()
    seen = []
    while True:
        now = sampler.read()
        seen.append((now.at_s, now.values))
        if time.monotonic() - began_s >= WATCHED_S:
            return seen
        pause(STEP_S)


def _state(
    channel: Channel,
    seen: Sequence[tuple[float, dict[str, float]]],
    total: Total,
    took_s: float,
    tally: Tally,
) -> ChannelState:
    values = [values[channel.id] for _, values in seen if channel.id in values]
    changes = sum(a != b for a, b in zip(values, values[1:]))
    spoken = next((s for s in total.spoken if (s.source, s.device) == (channel.source, channel.device)), None)
    counted = channel.kind == Kind.COUNTER and len(values) > 1
    power = (values[-1] - values[0]) / took_s if counted else values[-1] if values else None
    if not values and tally.covered_s > 0:  # reckoned from the readings, not read
        power = tally.joules / tally.covered_s
    return ChannelState(
        component=channel.component,
        device=channel.device,
        source=channel.source,
        basis=channel.basis,
        value=values[-1] if values else None,
        unit="J" if channel.kind == Kind.COUNTER else "W",
        power_w=power if power is not None and power >= 0 else None,
        updates_per_s=changes / took_s if values else None,
        used=spoken.used if spoken is not None else False,
        why=spoken.why if spoken is not None else "",
    )


def _missing(gap: Skipped, total: Total) -> Missing:
    gain = None
    cpu = [part for part in total.components if part.component == Component.CPU]
    opens = gap.what in OPENS_CPU or gap.what.startswith("rapl ")
    if gap.fix is not None and not gap.expected and opens and cpu and cpu[0].basis != Basis.MEASURED:
        gain = f"the interval of the CPU's energy shrinks from {_band(cpu[0])} to {MEASURED_BAND}"
    return Missing(NAMES.get(gap.what, gap.what), gap.why, gap.fix, gain, gap.expected)


def _band(part: ComponentEnergy) -> str:
    if part.energy_j <= 0:
        return "anything"
    return f"x{part.low_j / part.energy_j:.2g} to x{part.high_j / part.energy_j:.2g}"


def _once(skipped: Sequence[Skipped]) -> list[Skipped]:
    return list(dict.fromkeys(skipped))


def _accounting() -> tuple[str, str | None]:
    """The method that a run would use, tried on a short-lived child as a run does."""
    if not syscalls.LINUX:
        return accounting.watch(os.getpid()).method, None  # the same for all processes
    pid = os.fork()
    if pid == 0:
        os.read(os.pipe()[0], 1)  # waits for ever: nobody writes; the parent ends it
    try:
        meter = accounting.watch(pid)
        meter.close()
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return meter.method, None if meter.live else PERF_FIX
