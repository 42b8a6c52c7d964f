"""What providers have told, kept on disk: asked again when a slot has ended or a forecast has come true."""

from __future__ import annotations

import json
import os

from energywrap.grid import slots
from energywrap.grid.answers import grams, number, slot
from energywrap.model import Live
from energywrap.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
KEPT_S = 7 * 86400.0
USUAL_S = 900.0  # for so long an answer is new that tells nothing of the time it was given at
SLACK_S = 60.0  # by so much may a clock be set back
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
        """Keep what has been told, beside the actual values that were known; all of it.

        What was expected earlier is forgotten: it would look as new as what has been told now.
        """
        old = self.load(live.provider, live.zone)
        actual = [each for each in old.slots if each.kind == "actual"] if old is not None else []
        known = slots.tidy(live.slots, actual)
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


def enough(known: Live, from_s: float, to_s: float, now_s: float) -> bool:
    """Whether it covers that time by actual values, or by others and was told in the slot that still runs."""
    touched = slots.overlapping(known.slots, from_s, to_s)
    if not _is_new(known, now_s) and any(each.kind != "actual" for each in touched):
        return False
    return slots.mean(touched, from_s, max(to_s, from_s + 1.0)) is not None


def _is_new(known: Live, now_s: float) -> bool:
    told_in = slots.overlapping(known.slots, known.fetched_at_s, known.fetched_at_s + 1.0)
    ends_s = told_in[0].to_s if told_in else known.fetched_at_s + USUAL_S
    return known.fetched_at_s - SLACK_S <= now_s < ends_s


def _write(path: str, text: str) -> None:
    """By a temporary file of nobody else's: two that write at once leave one whole file."""
    temporary = f"{path}.{os.urandom(6).hex()}.tmp"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
