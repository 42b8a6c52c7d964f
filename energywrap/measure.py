"""The straight line: from the command's words to its report.

What the command has to wait for stands here and imports next to nothing; the rest is in `conclude`.
"""

from __future__ import annotations

import gc
import os
import sys
import time

from energywrap import acceptance, accounting, descriptors, sources
from energywrap.errors import UserError
from energywrap.record import record
from energywrap.sampler import Sampler

if sys.platform.startswith("linux"):
    from energywrap import runner, waiting
else:
    from energywrap import portable as runner
    from energywrap import portable as waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from energywrap.acceptance import Accepted
    from energywrap.accounting import Meter
    from energywrap.fold import Fold
    from energywrap.journal import Journal
    from energywrap.keeper import Keeper
    from energywrap.leash import Leash
    from energywrap.model import Baseline, Git, Snapshot
    from energywrap.runner import Child
    from energywrap.tee import Tee
    from energywrap.waiting import Ending
    from energywrap.whereabouts import Whereabouts

    T = TypeVar("T")


# what the report will need, in an order in which none brings many others along
AHEAD = ("model", "energy", "trace", "plan", "balance", "fold", "power_model.watts", "power_model",
         "machine.identify", "sources.modelled", "tables", "attribution", "console", "facility", "grid.table",
         "grid", "host", "allocation", "place", "reportfile", "formats.document", "footprint", "redact",
         "grade", "hidden", "sci", "remarks", "report", "embodied", "surroundings", "words",
         "conclude")  # fmt: skip


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

    sources: sources.Sources
    sampler: Sampler
    moved_before: tuple[int, int] | None
    provenance: Provenance
    keeper: Keeper
    network_before: int | None
    whereabouts: Whereabouts
    tee: Tee | None
    leash: Leash | None

    def note(self, fold: Fold, now: Snapshot) -> None:
        """Whatever looks at the readings while the command runs."""
        self.keeper.note(fold, now)
        if self.leash is not None:
            self.leash.note(fold, now)


@record
class Outcome:
    """How the command ended, and whether that is hidden by a failure of ours (with `--strict` only)."""

    ending: Ending
    failed: bool
    over_budget: bool  # the command was ended for its budget


def run(given: Mapping[str, str], words: Sequence[str]) -> Outcome:
    """Run the command and report on it. Raises UserError or NotStarted while nothing has started."""
    signals = runner.Signals()
    inherited = descriptors.inherited()
    accepted = acceptance.accept(given, os.environ)
    ours = Spared()
    sampler = ours.attempt(lambda: observe(accepted))
    tee = ours.attempt(lambda: listen(accepted))
    leash = ours.attempt(lambda: hold(accepted))
    alone = accepted.settings.no_die_with_parent
    child = runner.spawn(words, signals, accepted.heir, die_with_parent=not alone)
    if tee is not None:
        tee.started()
    meter = ours.attempt(lambda: accounting.watch(child.pid))
    seen: list[Observation] = []
    chores = meanwhile(
        inherited, lambda: seen.extend(follow(sampler, meter, child, accepted, words, tee, leash))
    )

    def idle() -> bool:
        return ours.attempt(lambda: next(chores, False)) or False

    started_s = time.monotonic()
    runner.release(child)
    ending = waiting.wait(child, signals, idle, lambda: ours.attempt(lambda: go_on(seen)), leash)
    duration_s = time.monotonic() - started_s
    if tee is not None:
        tee.finish()
    waiting.confirm(child, words[0])
    if leash is not None:
        ours.attempt(leash.finish)
    while not seen and idle():
        pass
    if seen:
        ours.attempt(lambda: report(accepted, seen[0], child, ending, duration_s, words))
        Spared().attempt(report_others)  # their trouble is not this run's
    failed = ours.trouble and accepted.settings.strict and ending.code == 0
    return Outcome(ending, failed, over_budget=leash is not None and leash.ended)


def listen(accepted: Accepted) -> Tee | None:
    """Read what the command prints where a number is to be found in it."""
    unit = accepted.extras.unit if accepted.extras is not None else None
    if unit is None or unit.pattern is None:
        return None
    from energywrap.tee import Tee

    try:
        return Tee(unit.pattern)
    except (OSError, RuntimeError) as err:
        raise UserError(f"--per: what the command prints cannot be read: {err}") from err


def hold(accepted: Accepted) -> Leash | None:
    """What keeps the command to its budget, if it has one."""
    if accepted.limits is None:
        return None
    from energywrap.leash import Leash

    return Leash(accepted.limits, accepted.settings)


def observe(accepted: Accepted) -> Sampler:
    """Open the sources that are quick to open and take the reading just before the command starts."""
    opened = sources.Sources(accepted.settings)
    sampler = Sampler(opened, accepted.settings.interval, lambda: _baseline(accepted))
    sampler.read()
    return sampler


def _baseline(accepted: Accepted) -> Baseline | None:
    """As measured for this run, else as it was kept."""
    if accepted.baseline is not None:
        return accepted.baseline
    from energywrap import reportfile

    if not reportfile.has_baselines(os.environ):
        return None  # as on most machines: nothing more need be loaded
    from energywrap import baseline

    return baseline.load(os.environ)


def meanwhile(inherited: Sequence[int], follow: Callable[[], None]) -> Iterator[bool]:
    """What has waited for the command to start, in small steps: a signal shall not have to wait for it.

    Most commands leave a CPU idle in their first milliseconds: what the report will need is loaded then.
    """
    descriptors.let_go(inherited)
    yield True
    follow()
    yield True
    for name in AHEAD:
        __import__(f"energywrap.{name}")
        yield True


def follow(
    sampler: Sampler | None,
    meter: Meter | None,
    child: Child,
    accepted: Accepted,
    words: Sequence[str],
    tee: Tee | None,
    leash: Leash | None,
) -> list[Observation]:
    """The watched command; nothing after a failure of ours."""
    from energywrap.accounting import network
    from energywrap.keeper import Keeper
    from energywrap.whereabouts import Whereabouts

    if sampler is None or meter is None:
        return []
    sampler.follow(meter, child.pid)
    sampler.sources.follow(child.pid)

    def open_journal() -> Journal | None:
        from energywrap import recover

        return recover.open_journal(accepted, seen, words)

    moved_before, provenance = accounting.own_storage_bytes(), Provenance(accepted.folder)
    whereabouts = Whereabouts(accepted.settings, accepted.started_at_s)
    whereabouts.start()
    seen = Observation(
        sources=sampler.sources,
        sampler=sampler,
        moved_before=moved_before,
        provenance=provenance,
        keeper=Keeper(open_journal),
        network_before=network.moved_bytes(),
        whereabouts=whereabouts,
        tee=tee,
        leash=leash,
    )
    if leash is not None:
        leash.follow(seen)
    return [seen]


def go_on(seen: Sequence[Observation]) -> None:
    """The command lives: read in the background, and note the repository's commit before it can change."""
    gc.freeze()  # what is loaded by now stays
    gc.enable()
    for each in seen:
        each.sampler.start(each.note)
        each.provenance.git()


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
