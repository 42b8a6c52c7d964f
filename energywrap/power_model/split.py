"""How a machine's wall power divides among processor, memory and the rest."""

from __future__ import annotations

from energywrap.power_model.interval import widened
from energywrap.power_model.watts import Power, Watts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.power_model.assume import Host

# idle package power over TDP, by RAPL on ten machines
IDLE_OF_TDP_AMD, IDLE_OF_TDP_OTHER, IDLE_OF_TDP_CLIENT = 0.20, 0.11, 0.08
MOST_OF_IDLE, OF_LOAD = 0.45, 0.80  # of wall power, the remainder being fans, board and losses
MOST_OF_TDP = 1.1
MOST_OF_REMAINDER = 0.5  # of what the processor leaves, for memory
# P90 in logs of package power over its modelled part of the wall's, so that 8 of 10 points on RAPL lie inside
SPREAD = 0.30 * 1.2816


def idle_of_tdp(host: Host) -> float:
    """Idle package power over TDP."""
    if host.client:
        return IDLE_OF_TDP_CLIENT
    return IDLE_OF_TDP_AMD if host.vendor == "amd" else IDLE_OF_TDP_OTHER


def cpu_w(total_w: float, idle_w: float, package_idle_w: float, most_w: float) -> float:
    """What the packages draw of a machine's power."""
    return min(min(package_idle_w, MOST_OF_IDLE * idle_w) + OF_LOAD * (total_w - idle_w), most_w)


def split(total: Watts, cpu: float, memory: Watts, tier: str) -> Power:
    """A machine's power by component, from its total, the processor's W and its memory's usual W."""
    left = total.value - cpu
    ram = min(memory.value, MOST_OF_REMAINDER * left)
    processor = part(cpu, total)
    most = max(ram, min(memory.high, total.high - processor.low))  # no more than the whole leaves it
    return Power(
        total=total,
        cpu=processor,
        ram=Watts(ram, memory.low * ram / memory.value, most),
        rest=part(left - ram, total),
        tier=tier,
    )


def part(watts: float, total: Watts) -> Watts:
    """A part that is as unsure as the whole, and as the division of it."""
    low, high = widened(total.low / total.value, total.high / total.value, SPREAD)
    return Watts(watts, watts * low, watts * high)
