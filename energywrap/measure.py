"""The straight line: from the command's words to its report."""

from __future__ import annotations

import os
import time

from energywrap import (
    accounting,
    attribution,
    config,
    facility,
    grid,
    host,
    place,
    plan,
    reportfile,
    runner,
    sources,
)
from energywrap.model import Tree
from energywrap.record import record, replace
from energywrap.report import Facts, assemble
from energywrap.sampler import Sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from energywrap.accounting import Meter
    from energywrap.config import Settings
    from energywrap.energy import Total
    from energywrap.model import CarbonIntensity, Facility, Git, Place, Skipped
    from energywrap.reportfile import Target
    from energywrap.runner import Child, Ending
    from energywrap.sources import Source

    T = TypeVar("T")


@record
class Prepared:
    """All that is settled before the command may start: no mistake of the user is left in it."""

    settings: Settings
    place: Place
    intensity: CarbonIntensity
    facility: Facility
    target: Target
    state: str | None
    folder: str
    git: Git | None
    run_id: str
    started_at_s: float


@record
class Observation:
    """What was opened to watch the command, and its first reading."""

    meter: Meter
    sources: list[Source]
    skipped: list[Skipped]
    sampler: Sampler
    moved_before: tuple[int, int] | None


@record
class Outcome:
    """How the command ended, and whether that is hidden by a failure of ours (with `--strict` only)."""

    ending: Ending
    failed: bool


@record
class Measured:
    """The command's end and what was read on the way."""

    ending: Ending
    duration_s: float
    ended_at_s: float
    tree: Tree
    seen: Observation


def run(given: Mapping[str, str], words: Sequence[str]) -> Outcome:
    """Run the command and report on it. Raises UserError, NotStarted or OSError while nothing has started."""
    signals = runner.Signals()
    prepared = prepare(given, os.environ)
    child = runner.spawn(words, signals)
    runner.let_go(keep=[fd for fd in (child.gate, child.failure, prepared.target.fd) if fd is not None])
    ours = Spared()
    seen = ours.attempt(lambda: observe(child, prepared.settings))
    started_s = time.monotonic()
    runner.release(child, words[0])
    ending = runner.wait(child, signals, lambda: ours.attempt(seen.sampler.start if seen else lambda: None))
    duration_s = time.monotonic() - started_s
    if seen is not None:
        ours.attempt(lambda: deliver(prepared, conclude(seen, child, ending, duration_s), words))
    return Outcome(ending, failed=ours.trouble and prepared.settings.strict and ending.code == 0)


class Spared:
    """The guard between our failures and the command: it is started, waited for and imitated all the same."""

    def __init__(self) -> None:
        self.trouble = False

    def attempt(self, step: Callable[[], T]) -> T | None:
        """Do one step of our own; if it fails, say how and go on."""
        try:
            return step()
        except reportfile.NotWritten as failure:
            runner.say(str(failure))
        except Exception:  # a bug of ours, or of a driver's library, must not cost the command
            import traceback

            runner.say("this is a bug of energywrap; the command is not affected\n" + traceback.format_exc())
        self.trouble = True
        return None


def prepare(given: Mapping[str, str], environ: Mapping[str, str]) -> Prepared:
    """Refuse everything that the user can get wrong, before anything has started."""
    folder = config.folder()
    settings = config.resolve(given, environ, folder)
    where = place.resolve(settings, environ)
    started_at_s = time.time()
    run_id = os.urandom(8).hex()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started_at_s))
    return Prepared(
        settings=settings,
        place=where,
        intensity=grid.lookup(settings, where),
        facility=facility.resolve(settings),
        target=reportfile.target(settings, environ, folder, f"{stamp}-{run_id}.json"),
        state=reportfile.state_folder(environ),
        folder=folder,
        git=host.repository(folder),
        run_id=run_id,
        started_at_s=started_at_s,
    )


def observe(child: Child, settings: Settings) -> Observation:
    """Open every source and take the reading just before the command starts."""
    meter = accounting.watch(child.pid)
    opened, skipped = sources.open_all(settings)
    sampler = Sampler(opened, meter, settings.interval)
    moved_before = accounting.own_storage_bytes()
    sampler.read()
    return Observation(meter, opened, skipped, sampler, moved_before)


def conclude(seen: Observation, child: Child, ending: Ending, duration_s: float) -> Measured:
    """Take the reading just after the command's end and close the accounts."""
    finished = seen.sampler.finish()
    tree = _tree(seen, child, ending)
    for source in seen.sources if finished else ():
        source.close()
    return Measured(ending, duration_s, time.time(), tree, seen)


def deliver(prepared: Prepared, measured: Measured, words: Sequence[str]) -> None:
    """Assemble the report, write it and show it. Raises NotWritten, after showing it all the same."""
    from energywrap.formats import document

    report = assemble(_facts(prepared, measured, words), prepared.settings)
    path, failure = prepared.target.path, None
    try:
        reportfile.write(prepared.target, document.text(report))
    except reportfile.NotWritten as err:
        path, failure = None, err
    if not prepared.settings.quiet:
        from energywrap.formats import table

        look = table.look(os.environ, 2, prepared.settings.no_color)
        runner.write_stderr(table.render(report, path, look))
    if failure is not None:
        raise failure


def _facts(prepared: Prepared, measured: Measured, words: Sequence[str]) -> Facts:
    from energywrap import energy

    seen, sampler = measured.seen, measured.seen.sampler
    channels = [channel for source in seen.sources for channel in source.channels]
    total = energy.total(plan.choose(channels), sampler.tallies, measured.duration_s)
    gpus = [gpu for source in seen.sources for gpu in source.gpus]
    git = prepared.git and replace(prepared.git, dirty=host.is_dirty(prepared.folder, os.environ))
    own = os.times()
    tick_s, cpus = 1.0 / os.sysconf("SC_CLK_TCK"), os.cpu_count() or 1
    return Facts(
        run_id=prepared.run_id,
        words=tuple(_readable(word) for word in words),
        exit_code=measured.ending.code,
        signal=measured.ending.signal,
        core_dumped=measured.ending.core_dumped,
        started_at=_utc(prepared.started_at_s),
        ended_at=_utc(measured.ended_at_s),
        duration_s=measured.duration_s,
        suspended_s=sampler.suspended_s,
        total=total,
        tallies=sampler.tallies,
        skipped=tuple(seen.skipped),
        share=attribution.share(measured.tree.cpu_s, sampler.busy_s, tick_s, cpus),
        live=seen.meter.live,
        tree=measured.tree,
        place=prepared.place,
        intensity=prepared.intensity,
        facility=prepared.facility,
        trace=sampler.trace.trace(_names(total)),
        host=host.facts(gpus, prepared.state),
        git=git,
        unread_gpus=tuple(host.unread_gpus(prepared.settings.sysfs_root, gpus)),
        own_cpu_s=own.user + own.system,
        own_run_cpu_s=sampler.own_s,
        busy_s=sampler.busy_s,
        warnings=tuple(sampler.warnings),
    )


def _names(total: Total) -> dict[str, str]:
    """What each speaking channel is called in the trace."""
    parts = zip(total.channels, total.components)
    return {channel: f"{part.component} {part.device}" for channel, part in parts}


def _tree(seen: Observation, child: Child, ending: Ending) -> Tree:
    counted = seen.meter.cpu_s()
    seen.meter.close()
    moved, before = accounting.own_storage_bytes(), seen.moved_before
    return Tree(
        cpu_s=ending.cpu_s if counted is None else max(counted, ending.cpu_s),
        method=seen.meter.method,
        rusage_cpu_s=ending.cpu_s,
        max_rss_bytes=ending.max_rss_bytes,
        max_rss_bound="exact" if ending.max_rss_bytes > child.rss_at_fork_bytes else "at most",
        read_bytes=moved[0] - before[0] if moved and before else None,
        write_bytes=moved[1] - before[1] if moved and before else None,
    )


def _readable(word: str) -> str:
    """The word as text; bytes that are no UTF-8 are spelled out."""
    return os.fsencode(word).decode("utf-8", "backslashreplace")


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
