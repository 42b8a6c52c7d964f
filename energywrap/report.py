"""The run's results to the report. Pure."""

from __future__ import annotations

from energywrap import __version__, attribution, footprint, redact
from energywrap.model import (
    DIGITS,
    SCHEMA_VERSION,
    Carbon,
    Component,
    NotMeasured,
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
    from energywrap.model import (
        Baseline,
        CarbonIntensity,
        Facility,
        Git,
        Host,
        ModelBasis,
        Place,
        Skipped,
        Tally,
        Trace,
    )

DISAGREE = 0.02  # two methods of counting CPU time differ by more than this part: say so
SMALL_SHARE = 0.1
NEIGHBOURS, LONG_S = 0.2, 1.0  # a part of the busy CPU time, and of one CPU, worth a word; in runs as long
SHORTEST_S = 0.05  # below, clocks and counters resolve too little to trust the energy


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
    intensity: CarbonIntensity
    facility: Facility
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


def assemble(facts: Facts, settings: Settings) -> RunReport:
    """One report out of the facts of a run, its numbers rounded as they will be written."""
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
        scopes=_scopes(facts),
        tree=facts.tree,
        carbon=_carbon(facts),
        not_measured=_not_measured(facts),
        warnings=_warnings(facts, settings),
        host=facts.host,
        git=facts.git,
        trace=facts.trace,
        overhead=_overhead(facts),
        settings=settings_table(settings),
    )
    return mapped(report, float, lambda number: float(f"{number:.{DIGITS}g}"))


def _any_modelled(facts: Facts) -> bool:
    return any(part.source.startswith("model:") for part in facts.total.components)


def _scopes(facts: Facts) -> dict[str, Scope]:
    energies = facts.total.components
    if not energies:
        return {"machine": footprint.nothing(), "command": footprint.nothing()}
    meter = facts.total.meter
    parts_j = sum(e.energy_j for e in energies)
    summed = (meter,) if meter is not None and meter.energy_j >= parts_j else energies
    value = sum(e.energy_j for e in summed)
    bounds = (facts.total.whole,) if facts.total.whole is not None else summed
    low, high = sum(e.low_j for e in bounds), sum(e.high_j for e in bounds)
    low = max(low, max(e.low_j for e in energies))  # the whole is no less than each of its parts
    whole = attribution.Joules(value, min(value, low), max(value, high))
    machine = footprint.assess(whole, facts.intensity, facts.facility)
    machine = replace(machine, method="all that ran on the machine while the command ran")
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
        footprint.assess(part, facts.intensity, facts.facility),
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
        live=None,
        live_part=0.0,
    )


def _not_measured(facts: Facts) -> tuple[NotMeasured, ...]:
    found = [
        NotMeasured(gap.what, gap.why, gap.fix)
        for gap in (*facts.skipped, *facts.total.skipped)
        if not gap.expected
    ]
    present = {energy.component for energy in facts.total.components}
    for component, name in ((Component.CPU, "CPU energy"), (Component.RAM, "memory energy")):
        if component not in present:
            found.append(NotMeasured(name, "no source could be read for it", "see `energywrap doctor`"))
    if Component.REST not in present:
        found.append(
            NotMeasured(
                "rest of the machine",
                "board, fans, disks and power supply loss have no counter and are not in the total",
                "a wall meter would show them",
            )
        )
    for name in facts.unread_gpus:
        found.append(
            NotMeasured(name, "it is on the PCI bus, but no source reads it", "see `energywrap doctor`")
        )
    return tuple(dict.fromkeys(found))


def _warnings(facts: Facts, settings: Settings) -> tuple[str, ...]:
    found = [*settings.warnings, *facts.warnings]
    if facts.place.warning and settings.intensity is None:
        found.append(facts.place.warning)
    if facts.intensity.caution:
        found.append(f"zone {facts.intensity.zone}: {facts.intensity.caution}")
    found.extend(facts.total.warnings)
    tree = facts.tree
    if tree.cpu_s is not None and tree.rusage_cpu_s is not None:
        apart = tree.cpu_s - tree.rusage_cpu_s
        if abs(apart) > max(DISAGREE * max(tree.cpu_s, tree.rusage_cpu_s), 0.05):
            found.append(
                f"{tree.method} counted {tree.cpu_s:.2f} CPU seconds, waiting for children "
                f"{tree.rusage_cpu_s:.2f}: some processes of the command were not waited for"
            )
    if facts.suspended_s > 0:
        found.append(f"the machine slept for {facts.suspended_s:.0f} s; no power is assumed for that time")
    if facts.share is not None and facts.share.value < SMALL_SHARE and facts.duration_s >= SHORTEST_S:
        found.append(
            "the command used little of the machine's busy CPU time: its share depends on what else ran, "
            "which its interval does not tell"
        )
    found.extend(_neighbours(facts))
    for energy in facts.total.components:
        if energy.shared is not None:
            found.append(f"{energy.component} {energy.device}: {energy.shared}; all of its energy is shown")
    if facts.duration_s < SHORTEST_S:
        found.append("the run was shorter than the meters resolve; repeat the command to compare energies")
    if facts.core_dumped:
        found.append("the command dumped core")
    return tuple(dict.fromkeys(found))


def _neighbours(facts: Facts) -> list[str]:
    """Other work that used a good part of the machine while the command ran."""
    if facts.busy_s is None or facts.tree.cpu_s is None or facts.duration_s < LONG_S:
        return []
    others_s = facts.busy_s - facts.tree.cpu_s - facts.own_run_cpu_s
    if others_s <= NEIGHBOURS * facts.busy_s or others_s < NEIGHBOURS * facts.duration_s:
        return []
    part = 100 * others_s / facts.busy_s
    return [
        f"other work on the machine used {part:.0f} % of its busy CPU time: the machine's energy holds it"
    ]


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
        name: {"value": getattr(settings, name), "origin": origin} for name, origin in settings.origin.items()
    }
