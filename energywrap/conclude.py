"""The second half of the straight line: what there is time for once the command has ended."""

from __future__ import annotations

import os
import time

from energywrap import (
    allocation,
    attribution,
    balance,
    console,
    extras,
    facility,
    grid,
    host,
    ledger,
    plan,
    reportfile,
    surroundings,
)
from energywrap import sources as sources_of
from energywrap.accounting import network
from energywrap.formats import document
from energywrap.model import ModelBasis, Tree
from energywrap.record import record, replace
from energywrap.report import Facts, assemble
from energywrap.sci import Served
from energywrap.sources.procstat import TICK_S
from energywrap.units import BYTES_PER_GB
from energywrap.words import readable, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.acceptance import Accepted
    from energywrap.allocation import Allocation
    from energywrap.extras import Extras
    from energywrap.measure import Observation
    from energywrap.model import CarbonIntensity, Live, Trace
    from energywrap.runner import Child
    from energywrap.surroundings import Blend
    from energywrap.tee import Tee
    from energywrap.waiting import Ending


LOST, LOST_S = 0.9, 0.05  # a meter that counts less than waiting for children does has lost the command
WAITED = "waited-for children only" if hasattr(os, "wait4") else "looks at the command's processes"


@record
class Span:
    """How long the command took and when it ended."""

    duration_s: float
    ended_at_s: float


@record
class Measured:
    """The command's end and what was read on the way."""

    ending: Ending
    duration_s: float
    ended_at_s: float
    tree: Tree
    live: bool  # whether the command's CPU time was followed while it ran
    seen: Observation


def close(
    seen: Observation,
    child: Child,
    ending: Ending,
    span: Span,
    *,
    finished: bool,
    moved: tuple[int, int] | None,
) -> Measured:
    """Close the accounts; a source that hangs in its driver is left alone."""
    meter = seen.sampler.meter
    counted = meter.cpu_s()
    meter.close()
    lost = counted is not None and counted < LOST * ending.cpu_s - LOST_S
    if lost:
        seen.sampler.warnings.append(
            f"{meter.method} lost sight of the command (it may run with other rights): its CPU time is "
            "that of the processes that were waited for, and its share is taken over the whole run"
        )
    if finished:
        seen.sources.close()
    tree = _tree(seen, child, ending, None if lost else counted, moved)
    return Measured(ending, span.duration_s, span.ended_at_s, tree, meter.live and not lost, seen)


def deliver(accepted: Accepted, measured: Measured, words: Sequence[str]) -> None:
    """Assemble the report, write it and show it. Raises NotWritten, after showing it all the same."""
    settings = accepted.settings
    report = assemble(_facts(accepted, measured, words), settings)
    leash = measured.seen.leash
    if leash is not None:
        report = replace(report, warnings=(*report.warnings, *leash.close(report)))
    text = document.text(report)
    target = accepted.target or reportfile.in_state_folder(os.environ, report.started_at, report.run_id)
    path, failure = target.path, None
    try:
        reportfile.write(target, text)
    except reportfile.NotWritten as err:
        path, failure = None, err
    else:
        measured.seen.keeper.close()
    if not settings.quiet:
        from energywrap.formats import table

        console.write_stderr(table.render(report, path, table.look(os.environ, 2, settings.no_color)))
    if not settings.no_ledger:
        said = ledger.keep(text, report.run_id, report.duration_s, settings, os.environ)
        if said is not None:
            console.say(said)
    if settings.ci != "auto" or os.environ.get("GITHUB_ACTIONS") == "true":
        from energywrap import publish

        publish.after_run(report, settings, accepted.folder, os.environ)
    if failure is not None:
        raise failure
    if measured.seen.keeper.trouble is not None:
        raise reportfile.NotWritten(measured.seen.keeper.trouble)


def report_others() -> None:
    """Runs whose wrapper was killed have left a journal: report them now."""
    state = reportfile.state_folder(os.environ)
    try:
        if state is None or not os.listdir(os.path.join(state, "journal")):
            return
    except OSError:
        return  # no run has ever been long enough for a journal
    from energywrap import recover

    done, complaints = recover.sweep(os.environ)
    for each in done:
        console.say(f"a run that was cut off has been reported: {each.path}")
    for complaint in complaints:
        console.say(complaint)


def _facts(accepted: Accepted, measured: Measured, words: Sequence[str]) -> Facts:
    settings, seen = accepted.settings, measured.seen
    where, told = seen.whereabouts.finish(measured.ended_at_s)
    fold = seen.sampler.folded()
    total = balance.total(
        plan.choose(seen.sources.channels),
        fold.tallies,
        measured.duration_s,
    )
    gpus = seen.sources.gpus
    cpus = os.cpu_count() or 1
    git = seen.provenance.git()
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cpus
    kept = allocation.reserved(os.environ, cpus, affinity)
    trace = fold.trace.trace(balance.names(total))
    live = told.live if told is not None else None
    yearly = grid.lookup(settings, where)
    machine = _blended(yearly, live, trace, accepted, measured, surroundings.machine_watts(trace))
    command = _blended(yearly, live, trace, accepted, measured, trace.command_w)
    found = host.facts(gpus, reportfile.state_folder(os.environ))
    model = seen.sources.model()
    asked = accepted.extras or extras.resolve(settings)
    served, unserved = _served(asked, seen.tee)
    return Facts(
        run_id=accepted.run_id,
        parent_run=os.environ.get("ENERGYWRAP_RUN"),
        words=tuple(readable(word) for word in words),
        exit_code=measured.ending.code,
        signal=measured.ending.signal,
        core_dumped=measured.ending.core_dumped,
        complete=True,
        started_at=utc(accepted.started_at_s),
        ended_at=utc(measured.ended_at_s),
        duration_s=measured.duration_s,
        suspended_s=fold.suspended_s,
        total=total,
        tallies=fold.tallies,
        skipped=(*seen.sources.skipped, *sources_of.explain(settings, seen.sources.absent)),
        share=attribution.share(measured.tree.cpu_s, fold.busy_s, TICK_S, cpus),
        live=measured.live,
        tree=measured.tree,
        place=where,
        intensity=machine.intensity,
        command_intensity=command.intensity,
        told=live if machine.part > 0 else None,
        told_part=machine.part,
        facility=facility.resolve(settings, where),
        around=surroundings.around(
            settings,
            where,
            model.identified.machine if model is not None else None,
            gpus,
            surroundings.reserved(kept, allocation.memory_limit_bytes(), found.ram_bytes),
            measured.duration_s,
            _moved(seen.network_before),
        ),
        extras=asked,
        served=served,
        trace=trace,
        host=found,
        git=git and replace(git, dirty=host.is_dirty(accepted.folder, os.environ, measured.duration_s)),
        unread_gpus=tuple(host.unread_gpus(settings.sysfs_root, seen.sources.answered)),
        own_cpu_s=time.process_time(),
        own_run_cpu_s=fold.own_s,
        busy_s=fold.busy_s,
        warnings=(
            *seen.sampler.warnings,
            *seen.sources.warnings(),
            *((accepted.waited,) if accepted.waited is not None else ()),
            *(told.warnings if told is not None else ()),
            *unserved,
        ),
        baseline=seen.sampler.baseline,
        held=fold.held,
        model=_model(seen, kept),
        reserved_part=kept.part if kept is not None else None,
    )


def _blended(
    yearly: CarbonIntensity,
    live: Live | None,
    trace: Trace,
    accepted: Accepted,
    measured: Measured,
    watts: Sequence[float | None],
) -> Blend:
    """The intensity of a scope's energy: each live slot weighs by what was drawn in it."""
    drawn = surroundings.pieces(trace, accepted.started_at_s, measured.duration_s, watts)
    return surroundings.blend(yearly, live, drawn)


def _moved(before: int | None) -> int | None:
    """Bytes over the network since then."""
    now = network.moved_bytes()
    return now - before if now is not None and before is not None and now >= before else None


def _served(asked: Extras, tee: Tee | None) -> tuple[Served | None, tuple[str, ...]]:
    """How many units the run served, as given or as the command printed; and what to say where it is none."""
    unit = asked.unit
    if unit is None:
        return None, ()
    if unit.count is not None:
        return Served(unit.name, unit.count, "given"), ()
    count = extras.positive(tee.found) if tee is not None and tee.found is not None else None
    if count is None or tee is None:
        printed = "that is no number above 0" if tee is not None and tee.found is not None else "nothing"
        return None, (f"--per: /{unit.pattern}/ found {printed} in what the command printed",)
    return Served(unit.name, count, f"/{unit.pattern}/ in the line {tee.line!r}"), ()


def _model(seen: Observation, kept: Allocation | None) -> ModelBasis | None:
    """What the model knew of the machine, and what of that this run may use."""
    model = seen.sources.model()
    if model is None:
        return None
    memory_gb = model.identified.machine.memory_gb
    installed = int(memory_gb * BYTES_PER_GB) if memory_gb else None
    limits = allocation.sentences(kept, allocation.memory_limit_bytes(), installed)
    return ModelBasis(model.tier, (*model.identified.evidence, *limits), model.identified.hints)


def _tree(
    seen: Observation, child: Child, ending: Ending, counted: float | None, moved: tuple[int, int] | None
) -> Tree:
    before = seen.moved_before
    return Tree(
        cpu_s=(ending.cpu_s or None) if counted is None else max(counted, ending.cpu_s),  # 0: it was not seen
        method=WAITED if counted is None else seen.sampler.meter.method,
        rusage_cpu_s=ending.cpu_s or None,
        max_rss_bytes=ending.max_rss_bytes or None,
        max_rss_bound="exact" if ending.max_rss_bytes > child.rss_at_fork_bytes else "at most",
        read_bytes=moved[0] - before[0] if moved and before else None,
        write_bytes=moved[1] - before[1] if moved and before else None,
    )
