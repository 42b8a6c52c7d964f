"""The machine's joules to the command's share. Pure."""

from __future__ import annotations

from energywrap.model import Component
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.energy import Total
    from energywrap.model import Tally

METHOD = "share of the machine's busy CPU time, per sampling interval; GPUs whole"
TOTALS_METHOD = "share of the machine's busy CPU time, over the whole run; GPUs whole"


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


def command(total: Total, tallies: Mapping[str, Tally], whole: Share, live: bool) -> Joules:
    """The command's joules: CPU, RAM and rest by its share of CPU time, GPUs whole."""
    value = low = high = 0.0
    for energy, channel in zip(total.components, total.channels):
        part, least, most = 1.0, 1.0, 1.0
        if energy.component != Component.GPU:
            tally = tallies[channel]
            part = tally.shared_j / tally.joules if live and tally.joules > 0 else whole.value
            least, most = min(part, whole.low), max(part, whole.high)
        value += part * energy.energy_j
        low += least * energy.low_j
        high += most * energy.high_j
    return Joules(value, low, high)
