"""`energywrap doctor`: every source, opened or why not, and the exact line that would change that."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from energywrap import bundle, checkup, config
from energywrap.checkup import ChannelState, Checkup
from energywrap.console import say
from energywrap.formats import document
from energywrap.model import Basis


def doctor(
    sysfs_root: Annotated[
        str | None, typer.Option("--sysfs-root", metavar="DIR", help="Where sysfs is mounted.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    bundle_file: Annotated[
        str | None,
        typer.Option(
            "--bundle",
            metavar="FILE",
            help="Write the sysfs files that were looked at to FILE (.tar.gz), without serial numbers: for a "
            "bug report, or as a test fixture.",
        ),
    ] = None,
) -> None:
    """Say what can be measured on this machine, what cannot, why, and what would change that."""
    given = {"sysfs_root": sysfs_root} if sysfs_root else {}
    settings = config.resolve(given, os.environ, config.folder())
    found = checkup.examine(settings, os.environ)
    text = document.record_text(found)
    if bundle_file is not None:
        count = bundle.write(bundle_file, settings.sysfs_root, text)
        say(f"{count} sysfs files and this page as JSON in {bundle_file}: look before you send it anywhere")
    if json:
        typer.echo(text, nl=False)
    else:
        _show(found)


def _show(found: Checkup) -> None:
    typer.echo("Power and energy")
    for channel in found.channels:
        mark = "ok" if channel.basis == Basis.MEASURED else "~~"
        typer.echo(f"  [{mark}] {channel.component} {channel.device}: {_reading(channel)}, {_role(channel)}")
    for gap in found.missing:
        typer.echo(f"  [{'--' if gap.expected else '!!'}] {gap.what}: {gap.why}")
        if gap.fix and not gap.expected:
            typer.echo(f"       fix: {gap.fix}")
        if gap.gain:
            typer.echo(f"       gain: {gap.gain}")
    for name in found.unread:
        typer.echo(f"  [!!] {name}: it is on the PCI bus, but nothing here reads it")
    typer.echo("CPU time of the command's process tree")
    fix = f"; fix: {found.accounting_fix}" if found.accounting_fix else ""
    typer.echo(f"  by {found.accounting}{fix}")
    typer.echo("Carbon")
    _carbon(found)
    typer.echo("[ok] measured or known, [~~] modelled, [!!] missing, [--] not on this machine or not needed")


def _carbon(found: Checkup) -> None:
    """The factors that a run started here would use, and what would make them right."""
    where, intensity = found.place, found.intensity
    seen = "zone unknown" if where.evidence == "none" else f"zone from {where.evidence}"
    mark = "!!" if where.warning else "ok"
    typer.echo(f"  [{mark}] {intensity.g_per_kwh:.4g} g/kWh, {intensity.name} ({intensity.zone}), {seen}")
    if where.warning:
        typer.echo(
            '       fix: --zone CODE, or zone = "CODE" in the configuration; `energywrap zones` finds it'
        )
    assumed = found.facility.evidence.endswith(("default", "assumed"))
    typer.echo(f"  [{'~~' if assumed else 'ok'}] PUE {found.facility.pue:g}, {found.facility.evidence}")
    if assumed:
        typer.echo('       fix: --site KIND or --pue RATIO, or site = "KIND" in the configuration')


def _role(channel: ChannelState) -> str:
    return "used" if channel.used else f"in reserve ({channel.why})" if channel.why else "in reserve"


def _reading(channel: ChannelState) -> str:
    if channel.basis != Basis.MEASURED:
        watts = f", {channel.power_w:.3g} W now" if channel.power_w is not None else ""
        return f"modelled ({channel.source.removeprefix('model: ')}){watts}"
    if channel.value is None:
        return f"measured ({channel.source}), but it did not answer just now"
    words = f"measured ({channel.source}), {channel.value:.6g} {channel.unit}"
    if channel.unit == "J":
        words += " on its counter" + (f", {channel.power_w:.3g} W now" if channel.power_w is not None else "")
    else:
        words += " now"
    often = channel.updates_per_s or 0.0
    return words + (f", {often:.0f} updates a second" if often >= 1 else ", less than one update a second")
