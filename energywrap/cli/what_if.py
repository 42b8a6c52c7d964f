"""`energywrap what-if`: a saved report in another place, at another time, or many times over."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer

from energywrap import config, what_if
from energywrap.cli.history import Ledger, settings_of
from energywrap.cli.listing import listing
from energywrap.console import say
from energywrap.emitted import emitted
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.formats.quantities import grams, joules, seconds
from energywrap.ledger import named as runs
from energywrap.model import Live, RunReport


def what_if_command(
    report: Annotated[str, typer.Argument(metavar="REPORT", help="A report's file, or a run of the ledger.")],
    zone: Annotated[
        str | None, typer.Option("--zone", "-z", metavar="ZONE", help="In this grid zone.")
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="PROVIDER:REGION", help="In this cloud region.")
    ] = None,
    intensity: Annotated[
        str | None, typer.Option("--intensity", metavar="G_PER_KWH", help="With this carbon intensity.")
    ] = None,
    pue: Annotated[str | None, typer.Option("--pue", metavar="RATIO", help="With this PUE.")] = None,
    site: Annotated[str | None, typer.Option("--site", metavar="SITE", help="At this kind of site.")] = None,
    repeat: Annotated[
        float, typer.Option("--repeat", metavar="N", help="So many runs: trials, retraining, inference.")
    ] = 1.0,
    include: Annotated[
        str | None,
        typer.Option("--include", metavar="LINE", help="Count embodied, network, storage as well."),
    ] = None,
    per: Annotated[
        str | None, typer.Option("--per", metavar="NAME=COUNT", help="Per unit; COUNT of them each run.")
    ] = None,
    price: Annotated[str | None, typer.Option("--price", metavar="AMOUNT", help="Such as 0.30EUR.")] = None,
    water: Annotated[bool, typer.Option("--water", help="Add the water used.")] = False,
    embodied_kg: Annotated[
        str | None, typer.Option("--embodied-kg", metavar="KG", help="CO2e of making the machine.")
    ] = None,
    gpu_embodied_kg: Annotated[
        str | None, typer.Option("--gpu-embodied-kg", metavar="KG", help="CO2e of making one GPU.")
    ] = None,
    lifetime_years: Annotated[
        str | None, typer.Option("--lifetime-years", metavar="YEARS", help="Spread over so many years.")
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option("--grid", metavar="PROVIDER[:ZONE]", help="With a live provider's values of --at."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Started then, such as 2026-11-28T02:00; with --grid."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole supposed report as JSON.")] = False,
    ledger: Ledger = None,
) -> None:
    """Reckon a saved report anew: elsewhere, at another time, with another site or machine, for many runs.

    The energy stays what was measured or modelled. Without options the report's own factors are used.
    """
    given = {
        "zone": zone, "region": region, "intensity": intensity, "pue": pue, "site": site,
        "include": include, "per": per, "price": price, "embodied_kg": embodied_kg,
        "gpu_embodied_kg": gpu_embodied_kg, "lifetime_years": lifetime_years, "grid": grid,
        "water": "true" if water else None,
    }  # fmt: skip
    settings = config.resolve({k: v for k, v in given.items() if v is not None}, {}, os.devnull)
    if not 0 < repeat < float("inf"):
        raise UserError(f"--repeat {repeat:g} is no number above 0")
    before = runs.report(report, settings_of(ledger), os.environ)
    started_at_s = _instant_s(at) if at is not None else _instant_s(before.started_at)
    live = _asked(before, settings, started_at_s) if grid is not None else None
    if at is not None and grid is None:
        raise UserError("--at means nothing without a live provider", "add --grid PROVIDER")
    after = what_if.recompute(before, what_if.Supposed(settings, repeat, live, started_at_s))
    if json:
        typer.echo(document.text(after), nl=False)
        return
    _show(before, after, repeat)


def _asked(report: RunReport, settings: config.Settings, started_at_s: float) -> Live:
    """What the provider tells of the supposed time of the run."""
    from energywrap.grid import live
    from energywrap.grid.client import NoLive

    live.check(settings)
    provider, wanted = live.named(settings)
    where, client = what_if.where_of(report, settings), live.usual_client()
    ends_at_s = started_at_s + report.duration_s
    try:
        told = live.fetch(provider, wanted, where, started_at_s, ends_at_s, client=client)
    except NoLive as absence:
        raise UserError(f"{provider.name} cannot be asked: {absence.reason}", absence.hint) from absence
    if client.remark is not None:
        say(f"{provider.name}: {client.remark}")
    return told


def _instant_s(text: str) -> float:
    """Seconds since 1970 of an ISO time; without a zone it is local."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UserError(f"--at {text!r} is no time", "write it like 2026-11-28T02:00") from None


def _show(before: RunReport, after: RunReport, repeat: float) -> None:
    """Both side by side, and what must be known of the difference."""
    runs = "one run" if repeat == 1 else f"{repeat:g} runs"
    rows = [("", "as reported, one run", f"supposed, {runs}", "times")]
    for scope, name in (("machine", "machine"), ("command", "command's share")):
        one, other = before.scopes[scope], after.scopes[scope]
        rows.append(_row(f"energy, {name}", one.energy_j, other.energy_j, joules))
        rows.append(_row(f"CO2e, {name}", emitted(before, scope)[0], emitted(after, scope)[0], grams))
    for line in after.footprint:
        if line.scope == "machine" and line.name.startswith("embodied"):
            old = sum(x.value for x in before.footprint if (x.scope, x.name) == (line.scope, line.name))
            rows.append(_row(f"making: {line.source.partition(',')[0]}", old, line.value, grams))
    head, *body = rows
    listing(head, body)
    say(f"time: {seconds(before.duration_s * repeat)}; {_factors(before)} -> {_factors(after)}")
    if before.carbon.boundary != after.carbon.boundary:
        say(
            f"the intensities have different boundaries ({before.carbon.boundary}, {after.carbon.boundary}): "
            "direct leaves out fuel supply and plants, so the two cannot be ranked"
        )
    sci = after.sci
    if sci is not None:
        say(f"SCI {grams(sci.g_per_unit)} per {sci.unit}")
    say(f"trust: grade {after.grade.letter} ({after.grade.reason})")


def _row(
    name: str, one: float | None, other: float | None, show: Callable[[float | None], str]
) -> tuple[str, str, str, str]:
    times = f"{other / one:.3g}" if one and other is not None else "-"
    return name, show(one), show(other), times


def _factors(report: RunReport) -> str:
    carbon = report.carbon
    return f"{carbon.zone} {carbon.intensity_g_per_kwh:.4g} g/kWh x PUE {carbon.pue:g}"
