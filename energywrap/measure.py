"""The straight line: from the command's words to its report.

What the command has to wait for stands here and imports next to nothing; the rest is in `conclude`.
"""

from __future__ import annotations

import os
import time

from energywrap import accounting, config, runner, sources
from energywrap.errors import UserError
from energywrap.keeper import Keeper
from energywrap.record import record
from energywrap.sampler import Sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from energywrap.accounting import Meter
    from energywrap.config import Settings
    from energywrap.journal import Journal
    from energywrap.model import Git
    from energywrap.readings import Skipped
    from energywrap.reportfile import Target
    from energywrap.runner import Child, Ending
    from energywrap.sources import Source

    T = TypeVar("T")


@record
class Accepted:
    """The settings, checked as far as the user can be wrong, and where the run starts."""

    settings: Settings
    target: Target | None  # what --output names; None for the state directory
    folder: str
    run_id: str
    started_at_s: float


class Provenance:
    """The commit that the working directory was at, read once: as early as there is time for it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._found: list[Git | None] = []

    def git(self) -> Git | None:
        """Commit and branch, or None outside a repository."""
        if not self._found:
            from energywrap import host

            self._found.append(host.repository(self._folder))
        return self._found[0]


@record
class Observation:
    """What was opened to watch the command, after its first reading."""

    meter: Meter
    sources: list[Source]
    skipped: list[Skipped]
    absent: list[str]
    sampler: Sampler
    moved_before: tuple[int, int] | None
    provenance: Provenance
    keeper: Keeper


@record
class Outcome:
    """How the command ended, and whether that is hidden by a failure of ours (with `--strict` only)."""

    ending: Ending
    failed: bool


def run(given: Mapping[str, str], words: Sequence[str]) -> Outcome:
    """Run the command and report on it. Raises UserError or NotStarted while nothing has started."""
    signals = runner.Signals()
    accepted = accept(given, os.environ)
    alone = accepted.settings.no_die_with_parent
    child = runner.spawn(words, signals, accepted.run_id, die_with_parent=not alone)
    runner.let_go(keep=_kept(child, accepted))
    ours = Spared()
    seen = ours.attempt(lambda: observe(child, accepted, words))
    started_s = time.monotonic()
    runner.release(child)
    ending = runner.wait(child, signals, lambda: ours.attempt(lambda: go_on(seen)))
    duration_s = time.monotonic() - started_s
    runner.confirm(child, words[0])
    if seen is not None:
        ours.attempt(lambda: report(accepted, seen, child, ending, duration_s, words))
        Spared().attempt(report_others)  # their trouble is not this run's
    return Outcome(ending, failed=ours.trouble and accepted.settings.strict and ending.code == 0)


def accept(given: Mapping[str, str], environ: Mapping[str, str]) -> Accepted:
    """Refuse everything that the user can get wrong, before anything has started.

    Raises UserError. Only what the user has set is looked at: defaults hold by construction.
    """
    folder = config.folder()
    settings = config.resolve(given, environ, folder)
    target = None
    if settings.zone is not None:
        from energywrap.grid import table

        table.zone(settings.zone, settings.origin["zone"])
    if settings.origin["site"] != "default":
        from energywrap import facility

        facility.resolve(settings)
    if settings.output is not None:
        from energywrap import reportfile

        target = reportfile.named(settings.output, settings.origin["output"], folder)
    return Accepted(settings, target, folder, os.urandom(8).hex(), time.time())


def observe(child: Child, accepted: Accepted, words: Sequence[str]) -> Observation:
    """Open every source and take the reading just before the command starts."""
    meter = accounting.watch(child.pid)
    opened, skipped, absent = sources.open_all(accepted.settings)
    sampler = Sampler(opened, meter, accepted.settings.interval)
    moved_before = accounting.own_storage_bytes()

    def open_journal() -> Journal | None:
        from energywrap import recover

        return recover.open_journal(accepted, seen, words)

    provenance, keeper = Provenance(accepted.folder), Keeper(open_journal)
    seen = Observation(meter, opened, skipped, absent, sampler, moved_before, provenance, keeper)
    sampler.read()
    return seen


def go_on(seen: Observation | None) -> None:
    """The command lives: read in the background, and note the repository's commit before it can change."""
    if seen is not None:
        seen.sampler.start(seen.keeper.note)
        seen.provenance.git()


def report(
    accepted: Accepted,
    seen: Observation,
    child: Child,
    ending: Ending,
    duration_s: float,
    words: Sequence[str],
) -> None:
    """Read once more, now that the command has ended; then assemble, write and show the report."""
    ended_at_s = time.time()
    moved = (
        accounting.own_storage_bytes()
    )  # while the sampler's thread lives: what an ended one wrote is nobody's
    finished = seen.sampler.finish()
    from energywrap import conclude

    span = conclude.Span(duration_s, ended_at_s)
    measured = conclude.close(seen, child, ending, span, finished=finished, moved=moved)
    conclude.deliver(accepted, measured, words)


def report_others() -> None:
    """Report the runs that were cut off, now that this one is done."""
    from energywrap import conclude

    conclude.report_others()


class Spared:
    """The guard between our failures and the command: it is started, waited for and imitated all the same."""

    def __init__(self) -> None:
        self.trouble = False

    def attempt(self, step: Callable[[], T]) -> T | None:
        """Do one step of our own; if it fails, say how and go on."""
        try:
            return step()
        except Exception as failure:  # of ours or of a driver's library: it must not cost the command
            self.trouble = True
            try:
                _tell(failure)
            except Exception:  # not even a descriptor to load the words with
                pass
        return None


def _tell(failure: Exception) -> None:
    from energywrap import console

    if isinstance(failure, UserError):
        console.say(failure.line())
        return
    import traceback

    console.say("this is a bug of energywrap; the command is not affected")
    shown = "".join(traceback.format_exception(failure))
    console.write_stderr(shown.encode("utf-8", "backslashreplace"))


def _kept(child: Child, accepted: Accepted) -> list[int]:
    target = accepted.target.fd if accepted.target is not None else None
    return [child.gate, child.failure] + ([target] if target is not None else [])
