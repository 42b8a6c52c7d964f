"""Intensities over time: a mean by energy, the greenest window, and durations in words. Pure."""

from __future__ import annotations

from bisect import bisect_right

from energywrap.errors import UserError
from energywrap.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from energywrap.model import Slot

    Piece = tuple[float, float, float]  # from, to (s since 1970), joules

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_S = 366 * 86400.0
SLACK_S = 1.0  # two slots that are no further apart than this touch each other
KINDS = ("actual", "estimated", "forecast")  # the earlier counts where two tell of the same time
NO_GAIN_G_PER_KWH = 1e-6  # rounding makes as much of a difference between two equal means


@record
class Window:
    """When to start, the mean intensity from there on, and what it would be if it were started now."""

    start_s: float  # seconds since 1970
    g_per_kwh: float
    now_g_per_kwh: float | None


def weighted(slots: Sequence[Slot], pieces: Iterable[Piece]) -> tuple[float | None, float]:
    """Mean g/kWh by energy over what lies in slots, and the part of the energy that does.

    The slots are in order. Energy is spread evenly over its piece's time. None where none lies in a slot.
    """
    ends = [slot.to_s for slot in slots]
    grams = inside = everything = 0.0
    for from_s, to_s, joules in pieces:
        everything += joules
        if to_s <= from_s:
            continue
        index = bisect_right(ends, from_s)
        while index < len(slots) and slots[index].from_s < to_s:
            slot = slots[index]
            part = joules * (min(to_s, slot.to_s) - max(from_s, slot.from_s)) / (to_s - from_s)
            grams += part * slot.g_per_kwh
            inside += part
            index += 1
    if inside <= 0:
        return None, 0.0
    return grams / inside, min(1.0, inside / everything)


def mean(slots: Sequence[Slot], from_s: float, to_s: float) -> float | None:
    """Mean g/kWh by time; None where the slots do not cover all of it."""
    value, part = weighted(slots, [(from_s, to_s, 1.0)])
    seconds = to_s - from_s
    return value if value is not None and (1 - part) * seconds <= SLACK_S else None


def greenest(slots: Sequence[Slot], now_s: float, within_s: float, lasting_s: float) -> Window | None:
    """The first start, now or within the time, whose window has the lowest mean; None if none is covered.

    The mean over a window changes its direction only where the window's beginning or its end passes from one
    slot into another: only those starts need be looked at.
    """
    slots = overlapping(slots, now_s, now_s + within_s + lasting_s)
    edges = {edge for slot in slots for edge in (slot.from_s, slot.to_s)}
    starts = {now_s, now_s + within_s, *edges, *(edge - lasting_s for edge in edges)}
    known = [
        (value, start)
        for start in sorted(starts)
        if now_s <= start <= now_s + within_s and (value := mean(slots, start, start + lasting_s)) is not None
    ]
    if not known:
        return None
    lowest = min(value for value, _ in known)
    value, start = next(each for each in known if each[0] <= lowest + NO_GAIN_G_PER_KWH)
    return Window(start, value, mean(slots, now_s, now_s + lasting_s))


def tidy(*layers: Iterable[Slot]) -> tuple[Slot, ...]:
    """In order of time, none overlapping: an actual value before an estimate before a forecast.

    Of two that are of one kind the earlier layer's counts; within a layer, what begins first.
    """
    kept: list[Slot] = []
    listed = [sorted(layer, key=lambda each: each.from_s) for layer in layers]
    for kind in KINDS:
        for layer in listed:
            kept = _beneath(kept, [slot for slot in layer if slot.kind == kind])
    return tuple(kept)


def _beneath(kept: Sequence[Slot], more: Iterable[Slot]) -> list[Slot]:
    """What is kept, and of the others those parts that it leaves free; both are in order of time."""
    found, last_s = list(kept), 0.0
    for slot in more:
        start_s = max(slot.from_s, last_s)
        index = bisect_right(kept, start_s, key=lambda each: each.to_s)
        while start_s < slot.to_s:
            end_s = min(slot.to_s, kept[index].from_s) if index < len(kept) else slot.to_s
            if start_s < end_s:
                found.append(replace(slot, from_s=start_s, to_s=end_s))
            start_s = kept[index].to_s if index < len(kept) else slot.to_s
            index += 1
        last_s = max(last_s, slot.to_s)
    return sorted(found, key=lambda each: each.from_s)


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
