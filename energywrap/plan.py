"""Which source speaks for which component: measured beats modelled, and nothing is counted twice. Pure."""

from __future__ import annotations

from energywrap.model import Basis, Component
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from energywrap.model import Channel

LEAVES = (Component.CPU, Component.RAM, Component.GPU)
# Families of measured sources, best first (docs/sources.md#which-source-speaks); others come after them.
PRECEDENCE: Mapping[str, tuple[str, ...]] = {
    Component.CPU: ("rapl", "rapl-mmio", "perf", "msr", "amd_energy", "grace", "emi", "ioreport",
                    "powermetrics", "cray", "xgene", "altra", "ina3221"),
    Component.RAM: ("rapl", "rapl-mmio", "perf", "msr", "grace", "emi", "ioreport", "cray", "ina3221"),
    Component.GPU: ("nvml", "amdsmi", "gaudi", "xe", "i915", "amdgpu", "ioreport", "powermetrics", "cray",
                    "ina3221"),
    Component.MACHINE: ("plug", "snmp", "cray", "ipmi", "power_meter", "ina3221", "battery", "psys"),
}  # fmt: skip
# These know GPUs by names of their own: beside another family they would count the same device twice.
ALONE = ("ioreport", "powermetrics", "cray")


@record
class Leaf:
    """One part of the machine and the channels that can speak for it, best first."""

    component: str
    device: str
    channels: tuple[Channel, ...]


@record
class Plan:
    """Per component the alternatives in order; an alternative is a set of leaves that add up."""

    choices: tuple[tuple[tuple[Leaf, ...], ...], ...]
    rest: tuple[Leaf, ...]  # the modelled rest of the machine: speaks where no meter saw the whole
    whole: tuple[
        Leaf, ...
    ] = ()  # the modelled machine: no line, but the interval of a total that is all modelled
    meters: tuple[Leaf, ...] = ()  # each sees the whole machine; the first that lives speaks, on its own line


def choose(channels: Iterable[Channel]) -> Plan:
    """Order the channels: per component the measured alternatives, best family first, then the modelled one.

    Channels of one device are alternatives of one leaf: in the order of their families, and of one family in
    the order in which they are given (a counter before a gauge).
    """
    given = tuple(channels)
    choices = []
    for component in LEAVES:
        measured = _alternatives(_ordered(given, component))
        modelled = _leaves(_of(given, component, Basis.MODELLED))
        choices.append(tuple(leaves for leaves in (*measured, modelled) if leaves))
    rest = _leaves(_of(given, Component.REST, Basis.MODELLED))
    meters = tuple(
        Leaf(channel.component, channel.device, (channel,)) for channel in _ordered(given, Component.MACHINE)
    )
    whole = _leaves(_of(given, Component.MACHINE, Basis.MODELLED))
    return Plan(tuple(choice for choice in choices if choice), rest, whole, meters)


def family(channel: Channel) -> str:
    """The kind of source that a channel belongs to: the first word of its label."""
    return channel.source.partition(" ")[0].removesuffix(":")


def _alternatives(ordered: Sequence[Channel]) -> list[tuple[Leaf, ...]]:
    """Sets of leaves, best first.

    A later family fills in for devices of an earlier one, by name; what only it knows is an alternative to
    all of that, not an addition. GPUs of several makers do add up.
    """
    found: list[dict[str, list[Channel]]] = []
    started: list[str] = []
    for channel in ordered:
        group = _group(channel)
        same = next((leaves[channel.device] for leaves in found if channel.device in leaves), None)
        if same is not None:
            same.append(channel)
        elif group in started:
            found[started.index(group)].setdefault(channel.device, []).append(channel)
        else:
            started.append(group)
            found.append({channel.device: [channel]})
    return [
        tuple(Leaf(parts[0].component, device, tuple(parts)) for device, parts in sorted(leaves.items()))
        for leaves in found
    ]


def _group(channel: Channel) -> str:
    name = family(channel)
    return name if channel.component != Component.GPU or name in ALONE else "any"


def _ordered(channels: Iterable[Channel], component: str) -> list[Channel]:
    order = PRECEDENCE[component]
    measured = _of(channels, component, Basis.MEASURED)
    return sorted(measured, key=lambda c: order.index(family(c)) if family(c) in order else len(order))


def _of(channels: Iterable[Channel], component: str, basis: str) -> tuple[Channel, ...]:
    return tuple(channel for channel in channels if (channel.component, channel.basis) == (component, basis))


def _leaves(channels: tuple[Channel, ...]) -> tuple[Leaf, ...]:
    by_device: dict[str, list[Channel]] = {}
    for channel in channels:
        by_device.setdefault(channel.device, []).append(channel)
    return tuple(
        Leaf(found[0].component, device, tuple(found)) for device, found in sorted(by_device.items())
    )
