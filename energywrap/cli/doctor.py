"""`energywrap doctor`: every source, opened or why not, and the exact line that would change that."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from energywrap import accounting, config, facility, grid, place, plan, sources
from energywrap.config import Settings
from energywrap.host import unread_gpus
from energywrap.model import Basis, Channel, Kind

PERF_FIX = "sysctl kernel.perf_event_paranoid=2   (as root; then perf counts every process exactly)"


def doctor(
    sysfs_root: Annotated[
        str | None, typer.Option("--sysfs-root", metavar="DIR", help="Where sysfs is mounted.")
    ] = None,
) -> None:
    """Say what can be measured on this machine, what cannot, why, and what would change that."""
    given = {"sysfs_root": sysfs_root} if sysfs_root else {}
    settings = config.resolve(given, os.environ, config.folder())
    found = sources.open_all(settings)
    skipped = found.skipped + sources.explain(settings, found.absent, expected=True)
    speaking = _speaking(found.channels)
    typer.echo("Power and energy")
    for source in found.opened:
        values = source.read()
        for channel in source.channels:
            mark = "ok" if channel.basis == Basis.MEASURED else "~~"
            role = "used" if channel.id in speaking else "in reserve"
            typer.echo(
                f"  [{mark}] {channel.component} {channel.device}: {_reading(channel, values)}, {role}"
            )
        source.close()
    for gap in skipped:
        typer.echo(f"  [{'--' if gap.expected else '!!'}] {gap.what}: {gap.why}")
        if gap.fix and not gap.expected:
            typer.echo(f"       fix: {gap.fix}")
    for name in unread_gpus(settings.sysfs_root, found.gpus):
        typer.echo(f"  [!!] {name}: it is on the PCI bus, but nothing here reads it")
    typer.echo("CPU time of the command's process tree")
    typer.echo(f"  {_accounting()}")
    typer.echo("Carbon")
    _carbon(settings)


def _carbon(settings: Settings) -> None:
    """The factors that a run started here would use, and what would make them right."""
    where, site = place.resolve(settings, os.environ), facility.resolve(settings)
    found = grid.lookup(settings, where)
    seen = "zone unknown" if where.evidence == "none" else f"zone from {where.evidence}"
    mark = "!!" if where.warning else "ok"
    typer.echo(f"  [{mark}] {found.g_per_kwh:.4g} g/kWh, {found.name} ({found.zone}), {seen}")
    if where.warning:
        typer.echo(
            '       fix: --zone CODE, or zone = "CODE" in the configuration; `energywrap zones` finds it'
        )
    typer.echo(f"  [ok] PUE {site.pue:g}, {site.evidence}")


def _speaking(channels: list[Channel]) -> set[str]:
    chosen = plan.choose(channels)
    first = {leaf.channels[0].id for alternatives in chosen.choices for leaf in alternatives[0]}
    cpu_modelled = any(channel.id in first and channel.id == "model:cpu" for channel in channels)
    return first | ({leaf.channels[0].id for leaf in chosen.rest} if cpu_modelled else set())


def _reading(channel: Channel, values: dict[str, float]) -> str:
    value = values.get(channel.id)
    if channel.basis != Basis.MEASURED:
        return f"modelled ({channel.source.removeprefix('model: ')})"
    if value is None:
        return f"measured ({channel.source}), but it did not answer just now"
    unit = "J on its counter" if channel.kind == Kind.COUNTER else "W now"
    return f"measured ({channel.source}), {value:.6g} {unit}"


def _accounting() -> str:
    """The method that a run would use, tried on a short-lived child as a run does."""
    pid = os.fork()
    if pid == 0:
        os.read(os.pipe()[0], 1)  # waits for ever: nobody writes; the parent ends it
    try:
        meter = accounting.watch(pid)
        meter.close()
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return f"by {meter.method}" + ("" if meter.live else f"; fix: {PERF_FIX}")
