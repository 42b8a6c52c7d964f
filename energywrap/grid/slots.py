"""Intensities over time: a mean by energy, the greenest window, and durations in words. Pure."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from energywrap.model import Slot

    Piece = tuple[float, float, float]  # from, to (s since 1970), joules

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_S = 366 * 86400.0
SLACK_S = 1.0  # two slots that are no further apart than this touch each other


@record
class Window:
    """When to start, the mean intensity from there on, and what it would be if it were started now."""

    start_s: float  # seconds since 1970
    g_per_kwh: float
    now_g_per_kwh: float | None


def weighted(slots: Sequence[Slot], pieces: Iterable[Piece]) -> tuple[float | None, float]:
    """Mean g/kWh by energy over what lies in slots, and the part of the energy that does.

    Energy is spread evenly over the time of its piece. None where none lies in a slot.
    """
    grams = inside = everything = 0.0
    for from_s, to_s, joules in pieces:
        everything += joules
        if to_s <= from_s:
            continue
        for slot in slots:
            seconds = min(to_s, slot.to_s) - max(from_s, slot.from_s)
            if seconds > 0:
                part = joules * seconds / (to_s - from_s)
                grams += part * slot.g_per_kwh
                inside += part
    if inside <= 0:
        return None, 0.0
    return grams / inside, min(1.0, inside / everything)


def mean(slots: Sequence[Slot], from_s: float, to_s: float) -> float | None:
    """Mean g/kWh by time; None where the slots do not cover all of it."""
    value, part = weighted(slots, [(from_s, to_s, 1.0)])
    seconds = to_s - from_s
    return value if value is not None and (1 - part) * seconds <= SLACK_S else None


def greenest(slots: Sequence[Slot], now_s: float, within_s: float, lasting_s: float) -> Window | None:
    """The start, now or later within the time, whose window has the lowest mean; None if none is covered.

    The mean over a window changes its direction only where the window's beginning or its end passes from one
    slot into another: only those starts need be looked at.
    """
    edges = {edge for slot in slots for edge in (slot.from_s, slot.to_s)}
    starts = {now_s, now_s + within_s, *edges, *(edge - lasting_s for edge in edges)}
    known = [
        (value, start)
        for start in sorted(starts)
        if now_s <= start <= now_s + within_s and (value := mean(slots, start, start + lasting_s)) is not None
    ]
    if not known:
        return None
    value, start = min(known)
    return Window(start, value, mean(slots, now_s, now_s + lasting_s))


def tidy(slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """In order of time, none overlapping: of two that do, the later one begins where the earlier ends."""
    from energywrap.record import replace

    found: list[Slot] = []
    for slot in sorted(slots, key=lambda each: (each.from_s, each.to_s)):
        start_s = max(slot.from_s, found[-1].to_s) if found else slot.from_s
        if slot.to_s > start_s:
            found.append(replace(slot, from_s=start_s) if start_s != slot.from_s else slot)
    return tuple(found)


def overlapping(slots: Iterable[Slot], from_s: float, to_s: float) -> tuple[Slot, ...]:
    """Those that have a part in a time."""
    return tuple(slot for slot in slots if slot.from_s < to_s and slot.to_s > from_s)


def duration_s(text: str, where: str) -> float:
    """Seconds of "90m", "6h", "1d" or "45s". Raises UserError for anything else, naming where it stands."""
    word = text.strip().lower()
    number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = UNITS.get(word[len(number) :])
    try:
        value = float(number) * unit if unit is not None else -1.0
    except ValueError:
        value = -1.0
    if not 0 < value <= LONGEST_S:
        raise UserError(f"{where}: {text!r} is no duration", "write it like 90m, 6h or 1d")
    return value
