"""Where the machine is and what its grid emits just now: what takes long is looked up beside the command."""

from __future__ import annotations

import _thread
import os

from energywrap import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.grid.live import Lookup, Outcome
    from energywrap.model import Live, Place

PATIENCE_S = 3.0  # after the command's end, for an answer that is under way


class Whereabouts:
    """The place, asked for once, and the live intensity; both on a thread only where the user wants that."""

    def __init__(self, settings: Settings, started_at_s: float) -> None:
        self._settings = settings
        self.started_at_s = started_at_s
        self._known: list[Place] = []
        self._door = _thread.allocate_lock()
        self._asked = _thread.allocate_lock()
        self._lookup: Lookup | None = None
        self._asking = False

    def start(self) -> None:
        """Begin to ask what may take a while; nothing by default."""
        if self._settings.grid is not None:
            from energywrap.grid import live

            self._lookup = live.Lookup(self._settings, self.place, self.started_at_s)
            self._lookup.start()
        elif self._settings.detect_cloud:
            self._asking = True
            self._asked.acquire()
            try:
                _thread.start_new_thread(self._ask, ())
            except RuntimeError:  # no thread can be had: asked at the end
                self._asking = False
                self._asked.release()

    def place(self) -> Place:
        """The place; with `--detect-cloud` the metadata service is asked, by whoever comes first."""
        with self._door:
            if not self._known:
                found = place.resolve(self._settings, os.environ)
                if self._settings.detect_cloud:
                    found = place.ask(self._settings, os.environ, found)
                self._known.append(found)
            return self._known[0]

    def live(self) -> Live | None:
        """What the live provider has told so far."""
        return self._lookup.live if self._lookup is not None else None

    def finish(self, ended_at_s: float) -> tuple[Place, Outcome | None]:
        """The place, and what the live provider has told of the run if one was asked."""
        outcome = self._lookup.finish(ended_at_s, PATIENCE_S) if self._lookup is not None else None
        if self._asking and self._asked.acquire(timeout=PATIENCE_S):
            self._asked.release()
        if self._door.acquire(timeout=PATIENCE_S):
            self._door.release()
            return self.place(), outcome
        return place.resolve(self._settings, os.environ), outcome  # the metadata service hangs: without it

    def _ask(self) -> None:
        try:
            self.place()
        finally:
            self._asked.release()
