"""Live intensities beside a run: asked for by name only, on a thread of their own, never in its way."""

from __future__ import annotations

import _thread
import os
import time

from energywrap.console import say
from energywrap.errors import UserError
from energywrap.grid import cache, providers, slots
from energywrap.grid.client import Client, NoLive
from energywrap.model import Live, Place
from energywrap.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from energywrap.config import Settings
    from energywrap.grid.providers import Provider

BASE = "ENERGYWRAP_GRID_BASE_URL"  # of a mirror, or of a stand-in in tests, for every provider
OFTEN_S, SELDOM_S = 900.0, 12 * 3600.0  # between two questions: no more often, and no more seldom
LATE_S = 60.0  # after a slot's end the provider may take a while to tell of the next
WHOLE = 0.999  # of a run's time: above this nothing is said to be missing


@record
class Outcome:
    """What came of asking: the slots that overlap the run, and what to say."""

    live: Live | None
    warnings: tuple[str, ...]


def check(settings: Settings) -> None:
    """Refuse before the command starts what cannot work. Raises UserError; asks nobody."""
    if settings.intensity is not None and settings.grid is not None:
        raise UserError(
            f"{where(settings, 'intensity')} and {where(settings, 'grid')} are two answers to one question",
            "give one of them",
        )
    if settings.wait_for_green is not None:
        origin = where(settings, "wait_for_green")
        slots.duration_s(settings.wait_for_green, origin)
        slots.duration_s(settings.lasting, where(settings, "lasting"))
        if settings.grid is None:
            known = ", ".join(providers.BUILT_IN)
            raise UserError(f"{origin} needs a live provider", f"name one with --grid: {known}")
    found, wanted = named(settings)
    providers.check(found, wanted)


def named(settings: Settings) -> tuple[Provider, str | None]:
    """The provider that `--grid` names, and the zone after its colon. Raises UserError."""
    origin = where(settings, "grid")
    if settings.grid is None:
        raise UserError(
            "no live provider is named, and none is asked unless it is",
            f"name one with --grid: {', '.join(providers.BUILT_IN)}",
        )
    name, colon, wanted = settings.grid.partition(":")
    if colon and not wanted.strip():
        raise UserError(f"{origin}: {settings.grid!r} names no zone after its colon", "such as neso:13")
    return providers.provider(name.strip(), origin), wanted.strip() or None


def usual_client() -> Client:
    """What asks the providers themselves, or the base that the environment names in their place."""
    return Client(os.environ.get(BASE))


def fetch(
    found: Provider,
    wanted: str | None,
    place: Place,
    from_s: float,
    to_s: float,
    *,
    client: Client | None = None,
) -> Live:
    """What is known of a time: from the cache if that covers it, else from the provider.

    Raises NoLive; UserError for a malformed zone, and without a key where one is needed.
    """
    client = client or usual_client()
    zone = found.zone_of(place, wanted)
    kept, now_s = cache.Cache(os.environ), client.now_s()
    known = kept.load(found.name, zone)
    if known is not None and cache.enough(known, from_s, to_s, now_s):
        return known
    return kept.save(found.fetch(client, zone, from_s, to_s), now_s)


class Lookup:
    """The live intensity of a run that goes on."""

    def __init__(
        self,
        settings: Settings,
        place_of: Callable[[], Place],
        started_at_s: float,
        client: Client | None = None,
    ) -> None:
        self._settings = settings
        self._place_of = place_of
        self._started_at_s = started_at_s
        self._client = client or usual_client()
        self.live: Live | None = None  # what was told so far
        self._failure: str | None = None
        self._remark: str | None = None
        self._stop, self._done = _thread.allocate_lock(), _thread.allocate_lock()
        self._running = False

    def start(self) -> None:
        """Begin to ask, beside the command."""
        self._stop.acquire()
        self._done.acquire()
        try:
            _thread.start_new_thread(self._run, ())
            self._running = True
        except RuntimeError:
            self._failure = "no thread could be had"

    def finish(self, ended_at_s: float, patience_s: float) -> Outcome:
        """What was told of the run; waits for an answer that is under way, but no longer than that."""
        if self._running:
            self._stop.release()
            if not self._done.acquire(timeout=max(0.0, patience_s)) and self._failure is None:
                self._failure = f"no answer {max(0.0, patience_s):g} s after the command's end"
        ended_at_s = max(ended_at_s, self._started_at_s + 1.0)
        live, name = self.live, (self._settings.grid or "").partition(":")[0].strip()
        told = slots.overlapping(live.slots, self._started_at_s, ended_at_s) if live is not None else ()
        _, part = slots.weighted(told, [(self._started_at_s, ended_at_s, 1.0)])
        warnings = [f"{name}: {self._remark}"] if self._remark is not None else []
        if self._failure is not None and part <= WHOLE:
            warnings.append(f"{name} could not be asked ({self._failure}): {_instead(part)}")
        elif part <= WHOLE:
            warnings.append(f"{name} told of {100 * part:.0f} % of this time: {_instead(part)}")
        return Outcome(replace(live, slots=told) if live is not None and told else None, tuple(warnings))

    def _run(self) -> None:
        try:
            self._ask()
            while not self._stop.acquire(timeout=pause_s(self.live, self._client.now_s())):
                self._ask()
            if not self._covered(self._client.now_s()):
                self._ask()
        finally:
            self._done.release()

    def _ask(self) -> None:
        try:
            found, wanted = named(self._settings)
            now_s = self._client.now_s()
            from_s = self._started_at_s if now_s - self._started_at_s < SELDOM_S else now_s - 2 * SELDOM_S
            live = fetch(found, wanted, self._place_of(), from_s, now_s, client=self._client)
        except NoLive as absence:
            self._failure = f"{absence.reason}; {absence.hint}" if absence.hint else absence.reason
        except UserError as mistake:
            self._failure = mistake.line()
        else:
            old = self.live.slots if self.live is not None else ()
            self.live = replace(live, slots=slots.tidy(live.slots, old))
            self._failure, self._remark = None, self._client.remark

    def _covered(self, until_s: float) -> bool:
        """Whether nothing more need be asked; after a failure at the start a short run asks no more."""
        if self.live is None:
            return until_s - self._started_at_s < OFTEN_S
        return cache.enough(self.live, self._started_at_s, until_s, until_s)


def pause_s(live: Live | None, now_s: float) -> float:
    """Seconds until the provider is asked again: a minute after the running slot's end, within limits."""
    current = slots.overlapping(live.slots, now_s, now_s + 1) if live is not None else ()
    wait_s = current[0].to_s - now_s + LATE_S if current else OFTEN_S
    return min(SELDOM_S, max(OFTEN_S, wait_s))


def wait_for_green(
    settings: Settings,
    place: Place,
    now_s: float,
    sleep: Callable[[float], None],
    client: Client | None = None,
) -> str:
    """Wait for the start of the greenest window within --wait-for-green; what has come of it, in words.

    A provider that cannot be asked, or that does not look ahead, is no reason to wait.
    """
    most_s = slots.duration_s(settings.wait_for_green or "", where(settings, "wait_for_green"))
    lasting_s = slots.duration_s(settings.lasting, where(settings, "lasting"))
    found, wanted = named(settings)
    client = client or usual_client()
    began_s = client.now_s()
    try:
        if not found.forecasts:
            raise NoLive("it does not look ahead")
        live = fetch(found, wanted, place, now_s, now_s + most_s + lasting_s, client=client)
        if client.remark is not None:
            say(f"{found.name}: {client.remark}")
        window = slots.greenest(live.slots, now_s, most_s, lasting_s)
        if window is None:
            raise NoLive("it does not look that far ahead")
    except NoLive as absence:
        words = f"not waiting for a green hour: {found.name}: {absence.reason}"
        say(words)
        return words
    wait_s = window.start_s - now_s - (client.now_s() - began_s)
    if wait_s < 1:
        words = f"now is the greenest time within {settings.wait_for_green}: {window.g_per_kwh:.0f} g/kWh"
        say(words)
        return words
    gain = f", {window.now_g_per_kwh:.0f} now" if window.now_g_per_kwh is not None else ""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(window.start_s))
    say(f"waiting until {when} for {window.g_per_kwh:.0f} g/kWh{gain} ({found.name})")
    sleep(wait_s)
    return f"started {wait_s / 60:.0f} min later for {window.g_per_kwh:.0f} g/kWh{gain} ({found.name})"


def _instead(part: float) -> str:
    return "the yearly value is used" if part <= 0 else "the yearly value is used for the rest"


def where(settings: Settings, name: str) -> str:
    """How a message names a setting: by its flag, or with the place that it came from."""
    origin = settings.origin[name]
    return f"--{name.replace('_', '-')}" if origin == "flag" else f"{name} ({origin})"
