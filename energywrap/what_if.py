"""A saved report reckoned anew: in another place, at another time, for many runs. Pure but for its tables."""

from __future__ import annotations

from energywrap import extras, facility, footprint, grade, grid, hidden, place, sci, surroundings
from energywrap.attribution import Joules
from energywrap.errors import UserError
from energywrap.grade import Basics
from energywrap.model import CarbonIntensity, Facility, Place, RunReport
from energywrap.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.config import Settings
    from energywrap.model import Carbon, Live, Scope

PLACED = ("zone", "region", "intensity")  # settings that say where
ELSEWHERE = "/nonexistent"  # this machine's firmware says nothing of the one that is supposed
SITED = ("pue", "site", "region")  # and what the site adds


@record
class Supposed:
    """What is taken to be otherwise than it was; None and 1: nothing."""

    settings: Settings
    repeat: float = 1.0
    live: Live | None = None  # the slots of the time at which the run is supposed to start
    started_at_s: float = 0.0  # that time, in seconds since 1970


def recompute(report: RunReport, supposed: Supposed) -> RunReport:
    """The report as it would be. Energies are those of the report: other hardware would need other ones.

    Raises UserError for a report without an energy, or a place that the tables do not have.
    """
    if report.scopes["machine"].energy_j is None:
        raise UserError("the report holds no energy: there is nothing to reckon with")
    settings = supposed.settings
    where = where_of(report, settings)
    yearly = _intensity(report, settings, where)
    site = _facility(report, settings, where)
    grids = {
        "machine": _blended(report, supposed, yearly, surroundings.machine_watts(report.trace)),
        "command": _blended(report, supposed, yearly, report.trace.command_w),
    }
    scopes = {
        name: _scope(scope, supposed.repeat, grids.get(name, grids["command"]), site)
        for name, scope in report.scopes.items()
    }
    asked = extras.resolve(settings)
    around = _around(report, settings, supposed.repeat, where)
    lines = hidden.lines(scopes, grids, site, around, asked)
    served = _served(report, asked, supposed.repeat)
    return replace(
        report,
        scopes=scopes,
        footprint=lines,
        sci=sci.sci(served, scopes, lines) if served is not None else None,
        grade=grade.grade(_basics(report, scopes["machine"], grids["machine"], where, site)),
        carbon=_carbon(report, where, grids["machine"], site),
        making=around.making,
    )


def where_of(report: RunReport, settings: Settings) -> Place:
    """Where it is supposed to be: as given, else where it was."""
    if settings.zone is not None or settings.region is not None:
        return place.resolve(settings, {}, sysfs=ELSEWHERE)
    carbon = report.carbon
    return Place(carbon.zone, carbon.zone_evidence, region=carbon.region)


def _intensity(report: RunReport, settings: Settings, where: Place) -> CarbonIntensity:
    """Of the supposed place; else the one that the report was made with."""
    if any(settings.origin[name] != "default" for name in PLACED):
        return grid.lookup(settings, where)
    carbon = report.carbon
    return CarbonIntensity(
        zone=carbon.zone,
        name=carbon.zone_name,
        g_per_kwh=carbon.intensity_g_per_kwh,
        low_g_per_kwh=carbon.intensity_low_g_per_kwh,
        high_g_per_kwh=carbon.intensity_high_g_per_kwh,
        year=carbon.year,
        boundary=carbon.boundary,
        gas=carbon.gas,
        accounting=carbon.accounting,
        quality=carbon.quality,
        source=carbon.source,
        licence=carbon.licence,
    )


def _facility(report: RunReport, settings: Settings, where: Place) -> Facility:
    if any(settings.origin[name] != "default" for name in SITED):
        return facility.resolve(settings, where)
    carbon = report.carbon
    return Facility(carbon.pue, carbon.pue_low, carbon.pue_high, carbon.pue_evidence)


def _blended(
    report: RunReport, supposed: Supposed, yearly: CarbonIntensity, watts: Sequence[float | None]
) -> CarbonIntensity:
    """With the live slots of the supposed time, each by what the run's trace draws in it."""
    if supposed.live is None:
        return yearly
    drawn = surroundings.pieces(report.trace, supposed.started_at_s, report.duration_s, watts)
    return surroundings.blend(yearly, supposed.live, drawn).intensity


def _scope(scope: Scope, repeat: float, intensity: CarbonIntensity, site: Facility) -> Scope:
    if scope.energy_j is None or scope.low_j is None or scope.high_j is None:
        return scope
    joules = Joules(scope.energy_j * repeat, scope.low_j * repeat, scope.high_j * repeat)
    found = footprint.assess(joules, intensity, site)
    return replace(
        scope,
        energy_j=found.energy_j,
        low_j=found.low_j,
        high_j=found.high_j,
        co2e_g=found.co2e_g,
        co2e_low_g=found.co2e_low_g,
        co2e_high_g=found.co2e_high_g,
    )


def _around(report: RunReport, settings: Settings, repeat: float, where: Place) -> hidden.Around:
    """The factors of the hidden parts there, for as long as all the runs take."""
    moved = None if report.network_bytes is None else int(report.network_bytes * repeat)
    seconds = report.duration_s * repeat
    factors = surroundings.factors(where, seconds, moved)
    return replace(factors, making=surroundings.remade(report.making, settings))


def _served(report: RunReport, asked: extras.Extras, repeat: float) -> sci.Served | None:
    if asked.unit is not None and asked.unit.count is not None:
        return sci.Served(asked.unit.name, asked.unit.count * repeat, "given, for each run")
    if report.sci is not None:
        return sci.Served(report.sci.unit, report.sci.count * repeat, report.sci.count_from)
    return None


def _basics(
    report: RunReport, machine: Scope, intensity: CarbonIntensity, where: Place, site: Facility
) -> Basics:
    return Basics(
        scope=machine,
        components=report.components,
        model=report.model,
        intensity=intensity,
        place=where,
        facility=site,
        virtual=report.host.virtualisation is not None,
        duration_s=report.duration_s,
    )


def _carbon(report: RunReport, where: Place, intensity: CarbonIntensity, site: Facility) -> Carbon:
    return replace(
        report.carbon,
        zone=intensity.zone,
        zone_name=intensity.name,
        zone_evidence=where.evidence,
        zone_steps=where.steps,
        region=where.region,
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
        pue=site.pue,
        pue_low=site.low,
        pue_high=site.high,
        pue_evidence=site.evidence,
    )
