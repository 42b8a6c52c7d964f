"""Which source speaks for which component: measured beats modelled, and nothing is counted twice. Pure."""

from __future__ import annotations

from energywrap.model import Basis, Component
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from energywrap.model import Channel

LEAVES = (Component.CPU, Component.RAM, Component.GPU)


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
    rest: tuple[Leaf, ...]  # speaks beside a modelled CPU only: its model is of the whole machine


def choose(channels: Iterable[Channel]) -> Plan:
    """Order the channels: per component the measured leaves, else the modelled one.

    Measured channels of one device are alternatives, in the order in which they are given: a counter before
    a gauge, powercap's own zone before the copy that memory-mapped registers show.
    """
    given = tuple(channels)
    choices = []
    for component in LEAVES:
        measured = _leaves(given, component, Basis.MEASURED)
        modelled = _leaves(given, component, Basis.MODELLED)
        choices.append(tuple(leaves for leaves in (measured, modelled) if leaves))
    rest = _leaves(given, Component.REST, Basis.MODELLED)
    return Plan(tuple(choice for choice in choices if choice), rest)


def _leaves(channels: tuple[Channel, ...], component: str, basis: str) -> tuple[Leaf, ...]:
    by_device: dict[str, list[Channel]] = {}
    for channel in channels:
        if channel.component == component and channel.basis == basis:
            by_device.setdefault(channel.device, []).append(channel)
    return tuple(Leaf(component, device, tuple(found)) for device, found in sorted(by_device.items()))
