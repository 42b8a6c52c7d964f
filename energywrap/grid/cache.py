"""What providers have told, kept on disk: asked again when a slot has ended or a forecast has come true."""

from __future__ import annotations

import json
import os

from energywrap.grid import slots
from energywrap.grid.answers import grams, number, slot
from energywrap.model import Live, Slot
from energywrap.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
KEPT_S = 7 * 86400.0
KINDS = ("actual", "estimated", "forecast")
MOST_BYTES = 1_000_000
LABELS = ("provider", "zone", "boundary", "gas", "accounting", "source", "licence")


class Cache:
    """One small file per provider and zone. Nothing here ever fails: it only helps less."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        base = environ.get("XDG_CACHE_HOME")
        if not base or not os.path.isabs(base):
            base = os.path.join(environ["HOME"], ".cache") if environ.get("HOME") else None
        self._folder = os.path.join(base, "energywrap", "grid") if base else None

    def load(self, provider: str, zone: str) -> Live | None:
        """What is known; None where the file is absent, damaged or somebody else's."""
        try:
            with open(self._path(provider, zone) or "", "rb") as file:
                document = json.loads(file.read(MOST_BYTES))
            if document["version"] != VERSION or (document["provider"], document["zone"]) != (provider, zone):
                return None
            found = [
                slot(number(from_s), number(to_s), grams(value), kind)
                for from_s, to_s, value, kind in document["slots"]
                if kind in KINDS
            ]
            labels = {name: str(document[name]) for name in LABELS}
            fetched_at_s = number(document["fetched_at_s"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        known = slots.tidy(each for each in found if each is not None)
        if fetched_at_s is None or not known:
            return None
        return Live(**labels, fetched_at_s=fetched_at_s, cached=True, slots=known)

    def save(self, live: Live, now_s: float) -> Live:
        """Keep what has been told beside what was known; all of it."""
        old = self.load(live.provider, live.zone)
        known = merged(old.slots if old is not None else (), live.slots)
        kept = [each for each in known if each.to_s > now_s - KEPT_S]
        document = {
            "version": VERSION,
            **{name: getattr(live, name) for name in LABELS},
            "fetched_at_s": live.fetched_at_s,
            "slots": [[each.from_s, each.to_s, each.g_per_kwh, each.kind] for each in kept],
        }
        path = self._path(live.provider, live.zone)
        if path is not None:
            _write(path, json.dumps(document))
        return replace(live, slots=known)

    def _path(self, provider: str, zone: str) -> str | None:
        if self._folder is None:
            return None
        name = "".join(c if (c.isalnum() and c.isascii()) or c == "-" else "_" for c in f"{provider}-{zone}")
        return os.path.join(self._folder, f"{name[:100]}.json")


def merged(old: tuple[Slot, ...], new: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """The new slots, and of the old ones what no new one covers."""
    kept: list[Slot] = []
    for each in old:
        pieces = [(each.from_s, each.to_s)]
        for other in new:
            pieces = [part for piece in pieces for part in _without(piece, other)]
        kept += [replace(each, from_s=start, to_s=end) for start, end in pieces]
    return slots.tidy([*kept, *new])


def enough(known: tuple[Slot, ...], from_s: float, to_s: float, now_s: float) -> bool:
    """Whether the slots cover that time, and no forecast among them has become past."""
    touched = slots.overlapping(known, from_s, to_s)
    if any(each.kind == "forecast" and each.to_s <= now_s for each in touched):
        return False
    return slots.mean(touched, from_s, max(to_s, from_s + 1.0)) is not None


def _without(piece: tuple[float, float], other: Slot) -> list[tuple[float, float]]:
    start, end = piece
    if other.to_s <= start or other.from_s >= end:
        return [piece]
    left, right = (start, min(end, other.from_s)), (max(start, other.to_s), end)
    return [part for part in (left, right) if part[1] > part[0]]


def _write(path: str, text: str) -> None:
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
