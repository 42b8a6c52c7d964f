"""From a run to its journal, and from a journal that was left behind to a report."""

from __future__ import annotations

import os
import time

from energywrap import (
    attribution,
    balance,
    extras,
    facility,
    grid,
    host,
    journal,
    ledger,
    place,
    plan,
    redact,
    reportfile,
    sources,
    surroundings,
)
from energywrap.config import Settings
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.model import Checkpoint, JournalHead, RunReport, Tally, Tree
from energywrap.record import record
from energywrap.report import Facts, assemble, settings_table
from energywrap.sources.procstat import TICK_S
from energywrap.trace import Recorder
from energywrap.words import readable, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energywrap.acceptance import Accepted
    from energywrap.fold import Fold
    from energywrap.journal import Found
    from energywrap.measure import Observation
    from energywrap.model import Snapshot


SLICE_S = 10.0  # of a trace made from checkpoints
NO_LIVE = "what {} has told of this run is lost with it: the yearly intensity is used"


@record
class Recovered:
    """A report made from a journal, and where it was written."""

    report: RunReport
    path: str


def open_journal(accepted: Accepted, seen: Observation, words: Sequence[str]) -> journal.Journal | None:
    """The journal of the run that is going on; None where no state directory is known."""
    state = reportfile.state_folder(os.environ)
    if state is None:
        return None
    started, boot = journal.identity(os.getpid())
    head = JournalHead(
        version=journal.VERSION,
        run_id=accepted.run_id,
        parent_run=os.environ.get("ENERGYWRAP_RUN"),
        pid=os.getpid(),
        pid_started=started,
        boot_id=boot,
        words=redact.command(tuple(readable(word) for word in words)),
        settings=settings_table(accepted.settings),
        folder=accepted.folder,
        output=accepted.target.path if accepted.target is not None and accepted.target.fd is None else None,
        started_at_s=accepted.started_at_s,
        channels=tuple(seen.sources.channels),
        skipped=(*seen.sources.skipped, *sources.explain(accepted.settings, seen.sources.absent)),
        gpus=tuple(seen.sources.gpus),
        place=place.resolve(accepted.settings, os.environ),
        git=seen.provenance.git(),
        method=seen.sampler.meter.method,
        live=seen.sampler.meter.live,
    )
    return journal.Journal(journal.folder_in(state), head)


def checkpoint(fold: Fold, now: Snapshot) -> Checkpoint:
    """What the run adds up to now."""
    return Checkpoint(
        at_s=now.at_s,
        taken_at_s=time.time(),
        tallies=fold.tallies,
        busy_s=fold.busy_s,
        own_s=fold.own_s,
        suspended_s=fold.suspended_s,
        tree_s=now.tree_s,
    )


def sweep(environ: Mapping[str, str]) -> tuple[list[Recovered], list[str]]:
    """Turn every journal that was left behind into a report marked incomplete; and what went wrong."""
    state = reportfile.state_folder(environ)
    done: list[Recovered] = []
    complaints: list[str] = []
    for found in journal.left_behind(journal.folder_in(state)) if state is not None else ():
        try:
            if found.checkpoints:
                report = _report(found)
                done.append(Recovered(report, _write(found, report, environ)))
                settings = _settings(found.head)
                if not settings.no_ledger:
                    ledger.put(document.text(report), report.run_id, settings, environ)
        except (UserError, KeyError, TypeError, ValueError) as problem:
            complaints.append(f"the journal {found.path} could not be reported: {problem}")
            found.close(remove=False)
        else:
            found.close(remove=True)
    return done, complaints


def _write(found: Found, report: RunReport, environ: Mapping[str, str]) -> str:
    """To the file that the run was told, if that is still free; else to the state directory."""
    wanted = found.head.output
    if wanted is not None and os.path.isdir(os.path.dirname(wanted)) and not os.path.exists(wanted):
        try:
            reportfile.write(reportfile.Target(wanted, None, None), document.text(report))
        except reportfile.NotWritten:
            pass  # then to where all the others are
        else:
            return wanted
    target = reportfile.in_state_folder(environ, report.started_at, report.run_id)
    reportfile.write(target, document.text(report))
    return target.path or ""


def _report(found: Found) -> RunReport:
    head, last = found.head, found.checkpoints[-1]
    settings = _settings(head)
    total = balance.total(plan.choose(head.channels), last.tallies, last.at_s)
    cpus = os.cpu_count() or 1
    around = surroundings.around(settings, head.place, None, head.gpus, 1.0, last.at_s, None)
    facts = Facts(
        run_id=head.run_id,
        parent_run=head.parent_run,
        words=head.words,
        exit_code=None,
        signal=None,
        core_dumped=False,
        complete=False,
        started_at=utc(head.started_at_s),
        ended_at=utc(last.taken_at_s),
        duration_s=last.at_s,
        suspended_s=last.suspended_s,
        total=total,
        tallies=last.tallies,
        skipped=head.skipped,
        share=attribution.share(last.tree_s, last.busy_s, TICK_S, cpus),
        live=head.live,
        tree=Tree(last.tree_s, head.method, None, None, "unknown", None, None),
        place=head.place,
        intensity=grid.lookup(settings, head.place),
        facility=facility.resolve(settings, head.place),
        around=around,
        extras=extras.resolve(settings),
        trace=_trace(found, total).trace(balance.names(total)),
        host=host.facts(head.gpus, reportfile.state_folder(os.environ)),
        git=head.git,
        unread_gpus=(),
        own_cpu_s=last.own_s,
        own_run_cpu_s=last.own_s,
        busy_s=last.busy_s,
        warnings=(
            "no report was made at this run's end: this one holds what was recorded in its first "
            f"{last.at_s:.0f} s",
            *((NO_LIVE.format(settings.grid),) if settings.grid is not None else ()),
        ),
    )
    return assemble(facts, settings)


def _trace(found: Found, total: balance.Total) -> Recorder:
    """Power between the checkpoints, which is all that a journal tells of it."""
    recorder, before_s = Recorder(SLICE_S), 0.0
    known = {name: Tally() for name in total.channels if name is not None}
    for checkpoint in found.checkpoints:
        for name, old in known.items():
            new = checkpoint.tallies[name]
            recorder.add(name, before_s, checkpoint.at_s, new.joules - old.joules)
            recorder.add_shared(name, before_s, checkpoint.at_s, new.shared_j - old.shared_j)
            known[name] = new
        before_s = checkpoint.at_s
    return recorder


def _settings(head: JournalHead) -> Settings:
    values = {name: entry["value"] for name, entry in head.settings.items()}
    origin = {name: str(entry["origin"]) for name, entry in head.settings.items()}
    return Settings(**values, origin=origin, warnings=())  # type: ignore[arg-type]
