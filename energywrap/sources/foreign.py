"""What a source from another package must be before a run believes it."""

from __future__ import annotations

from energywrap.readings import Basis, Channel, Component, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from energywrap.sources import Source

    T = TypeVar("T")

COMPONENTS = (Component.CPU, Component.RAM, Component.GPU, Component.MACHINE)
TEXTS, NUMBERS, OPTIONAL = ("id", "device", "source"), ("max_w", "tick_s", "error"), ("wrap_j", "share")
INFINITY = float("inf")


def objection(name: str, source: Source) -> str | None:
    """What is wrong with a source that calls itself `name`; None if it can be used."""
    channels = getattr(source, "channels", None)
    if not isinstance(channels, tuple) or not all(isinstance(channel, Channel) for channel in channels):
        return f"the channels of its source {name} are no tuple of Channel"
    if not channels:
        return f"its source {name} has no channel"
    if not all(callable(getattr(source, method, None)) for method in ("read", "close")):
        return f"its source {name} cannot be read and closed"
    ids = [channel.id for channel in channels]
    if len(set(ids)) < len(ids):
        return f"two channels of its source {name} have one id"
    return next((f"channel {c.id!r}: {why}" for c in channels if (why := _fault(name, c)) is not None), None)


def _fault(name: str, channel: Channel) -> str | None:
    if not all(isinstance(getattr(channel, text), str) and getattr(channel, text) for text in TEXTS):
        return f"{', '.join(TEXTS)} must be texts"
    if not all(text.startswith(f"{name}:") for text in value_ids(channel)):
        return f"its ids must begin with '{name}:'"
    if channel.source.partition(" ")[0] != name:
        return f"its source must begin with the word {name!r}"
    if channel.component not in COMPONENTS or channel.kind not in (Kind.COUNTER, Kind.GAUGE):
        return f"component must be one of {', '.join(COMPONENTS)}, kind {Kind.COUNTER} or {Kind.GAUGE}"
    if channel.basis != Basis.MEASURED:
        return "only what is measured can be a source"
    given = [getattr(channel, number) for number in OPTIONAL if getattr(channel, number) is not None]
    if any(real(number) is None for number in (*(getattr(channel, number) for number in NUMBERS), *given)):
        return f"{', '.join(NUMBERS + OPTIONAL)} must be numbers, and none below 0"
    return None


def value_ids(channel: Channel) -> set[str]:
    """The ids under which a channel's values are read."""
    ids = (channel.id, channel.low_id, channel.high_id, channel.share_id)
    return {id for id in ids if id is not None}


def real(value: object) -> float | None:
    """A finite number that is not below 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if 0 <= number < INFINITY else None


def all_of(source: Source, attribute: str, kind: type[T]) -> list[T]:
    """The things of one kind that a source lists, where it lists any."""
    found = getattr(source, attribute, ())
    return [each for each in found if isinstance(each, kind)] if isinstance(found, (tuple, list)) else []
