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
    from collections.abc import Mapping, Sequence

    from energywrap.accounting import Meter
    from energywrap.config import Settings
    from energywrap.model import CarbonIntensity, Facility, Git, Place, Skipped
    from energywrap.reportfile import Target
    from energywrap.runner import Child, Ending
    from energywrap.sources import Source


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
class Measured:
    """The command's end and what was read on the way."""

    child: Child
    ending: Ending
    duration_s: float
    sampler: Sampler
    sources: list[Source]
    skipped: list[Skipped]
    tree: Tree
    live: bool
    warnings: tuple[str, ...]


def run(given: Mapping[str, str], words: Sequence[str]) -> Ending:
    """Run the command and report on it. Raises UserError, NotStarted or OSError while nothing has started."""
    signals = runner.Signals()
    prepared = prepare(given, os.environ)
    child = runner.spawn(words, signals)
    runner.let_go()
    kept = [child.gate, child.failure] + ([prepared.target.fd] if prepared.target.fd is not None else [])
    runner.close_foreign(kept)
    measured = follow(child, words, signals, prepared.settings)
    deliver(prepared, measured, words)
    return measured.ending


def prepare(given: Mapping[str, str], environ: Mapping[str, str]) -> Prepared:
    """Refuse everything that the user can get wrong, before anything has started."""
    folder = _folder()
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


def follow(child: Child, words: Sequence[str], signals: runner.Signals, settings: Settings) -> Measured:
    """Read, let the command start, read while it runs, read when it has ended."""
    meter = accounting.watch(child.pid)
    opened, skipped = sources.open_all(settings)
    sampler = Sampler(opened, meter, settings.interval)
    moved_before = accounting.own_storage_bytes()
    warnings: list[str] = []

    def when_alive() -> None:
        if not sampler.start():
            warnings.append("no thread could be had: energy was read only before and after the command")

    sampler.read()
    started_s = time.monotonic()
    runner.release(child, words[0])
    ending = runner.wait(child, signals, when_alive)
    duration_s = time.monotonic() - started_s
    if not sampler.finish():
        warnings.append("a power source stopped answering; what it read before the command's end counts")
    tree = _tree(meter, child, ending, moved_before)
    return Measured(child, ending, duration_s, sampler, opened, skipped, tree, meter.live, tuple(warnings))


def deliver(prepared: Prepared, measured: Measured, words: Sequence[str]) -> None:
    """Assemble the report, write it and show it. Raises OSError when it cannot be written."""
    from energywrap.formats import document

    report = assemble(_facts(prepared, measured, words), prepared.settings)
    try:
        reportfile.write(prepared.target, document.text(report))
        shown = prepared.target.path
    except OSError as err:
        reason = prepared.target.reason or f"{prepared.target.path}: {err.strerror or err}"
        runner.say(f"the report could not be written ({reason})")
        shown = None
    for source in measured.sources:
        source.close()
    if not prepared.settings.quiet:
        from energywrap.formats import table

        look = table.look(os.environ, 2, prepared.settings.no_color)
        runner.write_stderr(table.render(report, shown, look))
    if shown is None and prepared.settings.strict:
        raise OSError("the report could not be written")


def _facts(prepared: Prepared, measured: Measured, words: Sequence[str]) -> Facts:
    from energywrap import energy

    channels = [channel for source in measured.sources for channel in source.channels]
    sampler = measured.sampler
    total = energy.total(plan.choose(channels), sampler.tallies, measured.duration_s)
    gpus = [gpu for source in measured.sources for gpu in source.gpus]
    times = os.times()
    tick_s, cpus = 1.0 / os.sysconf("SC_CLK_TCK"), os.cpu_count() or 1
    names = {
        channel: f"{part.component} {part.device}" for channel, part in zip(total.channels, total.components)
    }
    git = prepared.git
    if git is not None:
        git = replace(git, dirty=host.is_dirty(prepared.folder, os.environ))
    return Facts(
        run_id=prepared.run_id,
        words=tuple(_readable(word) for word in words),
        exit_code=measured.ending.code,
        signal=measured.ending.signal,
        core_dumped=measured.ending.core_dumped,
        started_at=_utc(prepared.started_at_s),
        ended_at=_utc(time.time()),
        duration_s=measured.duration_s,
        suspended_s=sampler.suspended_s,
        total=total,
        tallies=sampler.tallies,
        skipped=tuple(measured.skipped),
        share=attribution.share(measured.tree.cpu_s, sampler.busy_s, tick_s, cpus),
        live=measured.live,
        tree=measured.tree,
        place=prepared.place,
        intensity=prepared.intensity,
        facility=prepared.facility,
        trace=sampler.trace.trace(names),
        host=host.facts(gpus, prepared.state),
        git=git,
        unread_gpus=tuple(host.unread_gpus(prepared.settings.sysfs_root, gpus)),
        own_cpu_s=times.user + times.system,
        busy_s=sampler.busy_s,
        warnings=measured.warnings,
    )


def _tree(meter: Meter, child: Child, ending: Ending, moved_before: tuple[int, int] | None) -> Tree:
    counted = meter.cpu_s()
    meter.close()
    moved = accounting.own_storage_bytes()
    known = moved is not None and moved_before is not None
    return Tree(
        cpu_s=ending.cpu_s if counted is None else max(counted, ending.cpu_s),
        method=meter.method,
        rusage_cpu_s=ending.cpu_s,
        max_rss_bytes=ending.max_rss_bytes,
        max_rss_bound="exact" if ending.max_rss_bytes > child.rss_at_fork_bytes else "at most",
        read_bytes=moved[0] - moved_before[0] if known and moved and moved_before else None,
        write_bytes=moved[1] - moved_before[1] if known and moved and moved_before else None,
    )


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "."  # deleted or unreadable: the command still runs in it


def _readable(word: str) -> str:
    """The word as text; bytes that are no UTF-8 are spelled out."""
    return os.fsencode(word).decode("utf-8", "backslashreplace")


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
