"""The machine's joules to the command's share. Pure."""

from __future__ import annotations

from energywrap.model import Component
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.balance import Total
    from energywrap.model import ComponentEnergy, Idle, Tally

METHOD = "share of the machine's busy CPU time, per sampling interval; GPUs by their own share, else whole"
TOTALS_METHOD = (
    "share of the machine's busy CPU time, over the whole run; GPUs by their own share, else whole"
)
HELD_METHOD = "; memory by what the command held of it"
HELD_DOUBT = 0.2  # looked at every ten seconds, and what the kernel caches for it is not in it
GPU_DOUBT = 0.1  # the driver samples who uses a GPU now and then


@record
class Share:
    """The command's part of the machine's busy CPU time, with the range its resolution leaves (0..1)."""

    value: float
    low: float
    high: float


@record
class Joules:
    """An energy with its interval, in J."""

    value: float
    low: float
    high: float


def share(tree_s: float | None, busy_s: float | None, tick_s: float, cpus: int) -> Share | None:
    """Command's CPU seconds over the machine's, each CPU's busy time being known to one tick.

    None when either could not be read. A tree that used more than the machine shows (the machine's clock
    is the coarser one) has the whole of it. Method: docs/methodology.md#the-commands-share.
    """
    if tree_s is None or busy_s is None:
        return None
    doubt = tick_s * cpus
    busy = max(busy_s, tree_s)
    if busy <= 0:
        return Share(0.0, 0.0, 1.0)
    least = max(tree_s, busy - doubt)
    return Share(tree_s / busy, tree_s / (busy + doubt), tree_s / least if least > 0 else 1.0)


def command(
    total: Total, tallies: Mapping[str, Tally], whole: Share, live: bool, *, held: bool = False
) -> Joules:
    """The command's joules: CPU, RAM and rest by its share of CPU time, GPUs by their own."""
    value = low = high = 0.0
    for energy, channel in zip(total.components, total.channels):
        tally = tallies.get(channel) if channel else None
        known = _held(energy, tally) if held else None
        part, least, most = known or _part(energy, tally, whole, live)
        value += part * energy.energy_j
        low += least * energy.low_j
        high += most * energy.high_j
    return Joules(value, low, high)


def _held(energy: ComponentEnergy, tally: Tally | None) -> tuple[float, float, float] | None:
    """The part of the memory that the command holds, where that was looked at."""
    if energy.component != Component.RAM or tally is None or tally.joules <= 0:
        return None
    part = min(1.0, tally.shared_j / tally.joules)
    return part, part * (1 - HELD_DOUBT), min(1.0, part * (1 + HELD_DOUBT))


def _part(
    energy: ComponentEnergy, tally: Tally | None, whole: Share, live: bool
) -> tuple[float, float, float]:
    """The command's part of one component's energy, at least and at most."""
    followed = tally is not None and tally.joules > 0
    told = tally.shared_j / tally.joules if tally is not None and followed else None
    if energy.component == Component.GPU:
        part = 1.0 if told is None else min(1.0, told)
        if energy.shared is not None:
            return part, 0.0, 1.0
        doubt = GPU_DOUBT if 0 < part < 1 else 0.0
        return part, max(0.0, part - doubt), min(1.0, part + doubt)
    part = told if told is not None and live else whole.value
    return part, min(part, whole.low), max(part, whole.high)


def above_idle(
    total: Total, tallies: Mapping[str, Tally], idle: Mapping[str, Idle], whole: Share
) -> Joules | None:
    """The command's share of the energy above the idle machine's; None where no component has a baseline.

    Of each step of a channel max(0, joules - idle watts x seconds) x share, as the readings came in. Its
    interval: the component's own, with the idle power at its P90 and P10 over the covered time.
    """
    value = low = high = 0.0
    known = False
    for energy, channel in zip(total.components, total.channels):
        tally = tallies.get(channel) if channel else None
        if channel is None or tally is None or tally.above_j is None or channel not in idle:
            continue
        known = True
        part = tally.shared_j / tally.joules if tally.joules > 0 else whole.value
        base, seconds = idle[channel], tally.covered_s
        value += tally.above_j
        low += max(0.0, min(tally.above_j, part * (energy.low_j - base.high_w * seconds)))
        high += max(tally.above_j, part * (energy.high_j - base.low_w * seconds))
    return Joules(value, low, high) if known else None


def reserved(
    total: Total, tallies: Mapping[str, Tally], idle: Mapping[str, Idle], part: float
) -> Joules | None:
    """The idle energy that falls to the CPUs kept free for this run; None without a baseline."""
    value = low = high = 0.0
    known = False
    for energy, channel in zip(total.components, total.channels):
        if channel is None or channel not in idle or energy.component == Component.GPU:
            continue
        known = True
        base, seconds = idle[channel], tallies[channel].covered_s
        value += base.watts * seconds * part
        low += base.low_w * seconds * part
        high += base.high_w * seconds * part
    return Joules(value, low, high) if known else None
