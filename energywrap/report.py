"""The run's results to the report. Pure."""

from __future__ import annotations

from energywrap import __version__, attribution, footprint, grade, hidden, redact, remarks, sci
from energywrap.model import (
    DIGITS,
    SCHEMA_VERSION,
    Carbon,
    Component,
    Overhead,
    RunReport,
    Scope,
    Tree,
)
from energywrap.record import mapped, record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.attribution import Share
    from energywrap.balance import Total
    from energywrap.config import Settings
    from energywrap.extras import Extras
    from energywrap.model import (
        Baseline,
        CarbonIntensity,
        Facility,
        Git,
        Host,
        Live,
        ModelBasis,
        Place,
        Skipped,
        Tally,
        Trace,
    )


@record
class Facts:
    """Everything that a run has brought to light."""

    run_id: str
    parent_run: str | None
    words: tuple[str, ...]
    exit_code: int | None
    signal: int | None
    core_dumped: bool
    complete: bool
    started_at: str
    ended_at: str
    duration_s: float
    suspended_s: float
    total: Total
    tallies: Mapping[str, Tally]
    skipped: tuple[Skipped, ...]
    share: Share | None
    live: bool
    tree: Tree
    place: Place
    intensity: CarbonIntensity  # of the machine's energy; a mean by energy where live values are in it
    facility: Facility
    around: hidden.Around
    extras: Extras
    trace: Trace
    host: Host
    git: Git | None
    unread_gpus: tuple[str, ...]
    own_cpu_s: float
    own_run_cpu_s: float  # the part of it between the first and the last reading
    busy_s: float | None
    warnings: tuple[str, ...]
    baseline: Baseline | None = None  # the idle machine, where it was measured
    model: ModelBasis | None = None  # what the power model went by
    held: bool = False  # whether it was seen what part of the memory the command holds
    reserved_part: float | None = None  # of the machine's CPUs, by a batch system or a control group
    command_intensity: CarbonIntensity | None = None  # where it differs: the command's energy lies otherwise
    told: Live | None = None  # by a live provider
    told_part: float = 0.0  # of the machine's energy, that live values are known for
    served: sci.Served | None = None


def assemble(facts: Facts, settings: Settings) -> RunReport:
    """One report out of the facts of a run, its numbers rounded as they will be written."""
    scopes = _scopes(facts)
    lines = hidden.lines(scopes, _intensities(facts), facts.facility, facts.around, facts.extras)
    report = RunReport(
        schema_version=SCHEMA_VERSION,
        energywrap_version=__version__,
        run_id=facts.run_id,
        parent_run=facts.parent_run,
        label=settings.label,
        project=settings.project,
        command=redact.command(facts.words),
        exit_code=facts.exit_code,
        signal=facts.signal,
        started_at=facts.started_at,
        ended_at=facts.ended_at,
        duration_s=facts.duration_s,
        suspended_s=facts.suspended_s,
        complete=facts.complete,
        components=facts.total.components,
        meter=facts.total.meter,
        sources=facts.total.spoken,
        model=facts.model if _any_modelled(facts) else None,
        scopes=scopes,
        footprint=lines,
        sci=sci.sci(facts.served, scopes, lines) if facts.served is not None else None,
        grade=grade.grade(_basics(facts, scopes["machine"])),
        tree=facts.tree,
        carbon=_carbon(facts),
        making=facts.around.making,
        network_bytes=facts.around.network_bytes,
        not_measured=remarks.not_measured(facts),
        warnings=remarks.warnings(facts, settings),
        host=facts.host,
        git=facts.git,
        trace=facts.trace,
        overhead=_overhead(facts),
        settings=settings_table(settings),
    )
    return mapped(report, float, lambda number: float(f"{number:.{DIGITS}g}"))


def _intensities(facts: Facts) -> dict[str, CarbonIntensity]:
    return {"machine": facts.intensity, "command": facts.command_intensity or facts.intensity}


def _basics(facts: Facts, machine: Scope) -> grade.Basics:
    return grade.Basics(
        scope=machine,
        components=facts.total.components,
        model=facts.model if _any_modelled(facts) else None,
        intensity=facts.intensity,
        place=facts.place,
        facility=facts.facility,
        virtual=facts.host.virtualisation is not None,
        duration_s=facts.duration_s,
    )


def _any_modelled(facts: Facts) -> bool:
    return any(part.source.startswith("model:") for part in facts.total.components)


def machine_scope(total: Total, intensity: CarbonIntensity, facility: Facility) -> Scope:
    """The whole machine's energy and CO2e, with their intervals."""
    if not total.components:
        return footprint.nothing()
    machine = footprint.assess(_whole(total), intensity, facility)
    return replace(machine, method="all that ran on the machine while the command ran")


def _whole(total: Total) -> attribution.Joules:
    """What the machine used: a meter's word where it saw no less than the parts, else their sum."""
    energies, meter = total.components, total.meter
    parts_j = sum(e.energy_j for e in energies)
    summed = (meter,) if meter is not None and meter.energy_j >= parts_j else energies
    value = sum(e.energy_j for e in summed)
    bounds = (total.whole,) if total.whole is not None else summed
    low, high = sum(e.low_j for e in bounds), sum(e.high_j for e in bounds)
    low = max(low, max(e.low_j for e in energies))  # the whole is no less than each of its parts
    return attribution.Joules(value, min(value, low), max(value, high))


def _scopes(facts: Facts) -> dict[str, Scope]:
    machine = machine_scope(facts.total, facts.intensity, facts.facility)
    if not facts.total.components:
        return {"machine": machine, "command": footprint.nothing()}
    whole = _whole(facts.total)
    if facts.share is None:
        command = replace(
            footprint.nothing(), method="the machine's or the command's CPU time could not be read"
        )
        return {"machine": machine, "command": command}
    part = attribution.command(facts.total, facts.tallies, facts.share, facts.live, held=facts.held)
    part = attribution.Joules(
        min(part.value, whole.value), min(part.low, whole.low), min(part.high, whole.high)
    )  # a part is no more than the whole
    command = replace(
        footprint.assess(part, _intensities(facts)["command"], facts.facility),
        cpu_share=facts.share.value,
        cpu_share_low=facts.share.low,
        cpu_share_high=facts.share.high,
        method=(attribution.METHOD if facts.live else attribution.TOTALS_METHOD)
        + (attribution.HELD_METHOD if facts.held else ""),
    )
    return {"machine": machine, "command": command, **_above_idle(facts, facts.share)}


def _above_idle(facts: Facts, share: Share) -> dict[str, Scope]:
    """The scopes that need to know the idle machine: none are invented without a measured baseline."""
    base = facts.baseline
    if base is None:
        return {}
    found = {}
    how = f"above the idle baseline ({base.how})"
    above = attribution.above_idle(facts.total, facts.tallies, base.idle, share)
    if above is not None:
        scope = footprint.assess(above, facts.intensity, facts.facility)
        found["marginal"] = replace(scope, method=f"{how}, its share of that per sampling interval")
    part = facts.reserved_part
    kept = attribution.reserved(facts.total, facts.tallies, base.idle, part) if part is not None else None
    if kept is not None:
        scope = footprint.assess(kept, facts.intensity, facts.facility)
        found["reserved_idle"] = replace(
            scope, method=f"{100 * (part or 0):.0f} % of the idle energy of CPU and memory: the CPUs reserved"
        )
    return found


def _carbon(facts: Facts) -> Carbon:
    intensity, facility = facts.intensity, facts.facility
    return Carbon(
        zone=intensity.zone,
        zone_name=intensity.name,
        zone_evidence=facts.place.evidence,
        zone_steps=facts.place.steps,
        region=facts.place.region,
        intensity_g_per_kwh=intensity.g_per_kwh,
        intensity_low_g_per_kwh=intensity.low_g_per_kwh,
        intensity_high_g_per_kwh=intensity.high_g_per_kwh,
        year=intensity.year,
        boundary=intensity.boundary,
        gas=intensity.gas,
        accounting=intensity.accounting,
        quality=intensity.quality,
        source=intensity.source,
        licence=intensity.licence,
        pue=facility.pue,
        pue_low=facility.low,
        pue_high=facility.high,
        pue_evidence=facility.evidence,
        live=facts.told,
        live_part=facts.told_part,
    )


def _overhead(facts: Facts) -> Overhead:
    """Our own CPU time, and the energy of the part of it that is inside the machine's energy."""
    cpu = [energy for energy in facts.total.components if energy.component == Component.CPU]
    own = facts.own_run_cpu_s
    if facts.busy_s is None or not cpu:
        unknown = "the energy of the CPU, or its busy time, is not known"
        return Overhead(facts.own_cpu_s, own, None, None, None, unknown)
    busy = max(facts.busy_s, own)
    method = "run_cpu_s over the machine's busy CPU seconds, of the CPU's energy"
    part = own / busy if busy > 0 else 0.0
    return Overhead(
        cpu_s=facts.own_cpu_s,
        run_cpu_s=own,
        energy_j=part * sum(energy.energy_j for energy in cpu),
        low_j=part * sum(energy.low_j for energy in cpu),
        high_j=part * sum(energy.high_j for energy in cpu),
        method=method,
    )


def settings_table(settings: Settings) -> dict[str, dict[str, str | float | bool | None]]:
    """Every setting with its value and where it came from."""
    return {
        name: {"value": redact.setting(name, getattr(settings, name)), "origin": origin}
        for name, origin in settings.origin.items()
    }
