"""Keeps the journal of a run: when a checkpoint is due, and that trouble with it stays its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from energywrap.fold import Fold
    from energywrap.journal import Journal
    from energywrap.readings import Snapshot

FIRST_AFTER_S, EVERY_S = 1.0, 5.0  # as readings come at most 10 s apart, no checkpoint gets older than that


class Keeper:
    """Writes a checkpoint after the first second and then every five or so, as readings come in."""

    def __init__(self, open_journal: Callable[[], Journal | None]) -> None:
        self._open = open_journal
        self._journal: Journal | None = None
        self._due_s = FIRST_AFTER_S
        self.trouble: str | None = None

    def note(self, fold: Fold, now: Snapshot) -> None:
        """Write a checkpoint if one is due. Called on the sampler's thread."""
        if now.at_s < self._due_s or self.trouble is not None:
            return
        self._due_s = now.at_s + EVERY_S
        from energywrap import recover  # not needed for runs shorter than the first checkpoint

        try:
            self._journal = self._journal or self._open()
            if self._journal is not None:
                self._journal.write(recover.checkpoint(fold, now))
        except OSError as err:
            self.trouble = f"the run's journal could not be written: {err.strerror or err}"

    def close(self) -> None:
        """The report is written: the journal goes."""
        if self._journal is not None:
            self._journal.remove()
            self._journal = None
