"""Taking a provider's answer apart: what is not what it should be is dropped and counted, never believed."""

from __future__ import annotations

from datetime import datetime, timezone

from energywrap.grid import slots
from energywrap.grid.client import NoLive
from energywrap.model import Slot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from energywrap.grid.client import Client

MOST_G_PER_KWH = 5000.0  # twice what the dirtiest plant emits
EARLIEST_S, LATEST_S = 1.4e9, 4.1e9  # 2014 and 2099: other times are no times
SHORTEST_SLOT_S, LONGEST_SLOT_S = 60.0, 86400.0
MOST_SLOTS = 10_000  # more than three months of quarters of hours
ISO = "%Y-%m-%dT%H:%MZ"


def number(value: object) -> float | None:
    """A finite number, given as one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -1e15 < value < 1e15 else None


def grams(value: object) -> float | None:
    """An intensity that a grid can have, in g/kWh."""
    found = number(value)
    return found if found is not None and 0 <= found <= MOST_G_PER_KWH else None


def instant_s(value: object) -> float | None:
    """Seconds since 1970 of "2026-11-20T12:00Z", with or without seconds and their fractions."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=timezone.utc)
    return found.timestamp()


def utc(seconds: float) -> str:
    """The instant as providers write it: "2026-11-20T12:00Z"."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(ISO)


def table(value: object, what: str) -> dict[str, object]:
    """An object of JSON. Raises NoLive."""
    if not isinstance(value, dict):
        raise NoLive(f"{what} is no object")
    return value


def rows(value: object, what: str) -> list[object]:
    """A list of JSON. Raises NoLive."""
    if not isinstance(value, list):
        raise NoLive(f"{what} is no list")
    return value


def slot(from_s: float | None, to_s: float | None, g_per_kwh: float | None, kind: str) -> Slot | None:
    """A slot, if all of it makes sense."""
    if from_s is None or to_s is None or g_per_kwh is None or kind not in slots.KINDS:
        return None
    if not EARLIEST_S <= from_s < to_s <= LATEST_S:
        return None
    if not SHORTEST_SLOT_S <= to_s - from_s <= LONGEST_SLOT_S:
        return None
    return Slot(from_s, to_s, g_per_kwh, kind)


def good(found: Iterable[Slot | None], client: Client) -> tuple[Slot, ...]:
    """The slots that make sense, in order; the client remarks how many do not. Raises NoLive if none do."""
    everything = list(found)
    if len(everything) > MOST_SLOTS:
        raise NoLive(f"its answer holds more than {MOST_SLOTS} values")
    kept = [each for each in everything if each is not None]
    if not kept:
        what = "no value that makes sense" if everything else "no value for this time"
        raise NoLive(f"its answer holds {what}")
    dropped = len(everything) - len(kept)
    client.remark = (
        f"{dropped} of {len(everything)} values made no sense and are left out" if dropped else None
    )
    return slots.tidy(kept)
