"""`energywrap forecast`: the hours to come of a grid, and the greenest window among them."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from energywrap import config
from energywrap.cli.listing import listing
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.grid import live, slots
from energywrap.grid.client import NoLive
from energywrap.grid.slots import Window
from energywrap.model import Live
from energywrap.whereabouts import Whereabouts

BAR = 40  # letters of the longest bar


def forecast(
    grid: Annotated[
        str | None,
        typer.Option("--grid", metavar="PROVIDER[:ZONE]", help="Whom to ask; nobody is asked by default."),
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", "-z", metavar="ZONE", help="Grid zone.")] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="PROVIDER:REGION", help="Cloud region.")
    ] = None,
    lasting: Annotated[
        str | None, typer.Option("--lasting", metavar="DURATION", help="Length of the window (1h).")
    ] = None,
    within: Annotated[
        str, typer.Option("--within", metavar="DURATION", help="How far ahead to look for its start.")
    ] = "24h",
    json: Annotated[bool, typer.Option("--json", help="Print the slots and the window as JSON.")] = False,
) -> None:
    """Show a grid's carbon intensity in the hours to come, and when the next greenest window begins.

    A provider of live values is asked over the network: name it with --grid, or in a settings file.
    """
    given = {"grid": grid, "zone": zone, "region": region, "lasting": lasting}
    named = {name: value for name, value in given.items() if value is not None}
    settings = config.resolve(named, os.environ, config.folder())
    live.check(settings)
    lasting_s = slots.duration_s(settings.lasting, live.where(settings, "lasting"))
    within_s = slots.duration_s(within, "--within")
    client = live.usual_client()
    now_s = client.now_s()
    provider, wanted = live.named(settings)
    try:
        place = Whereabouts(settings, now_s).place()
        told = live.fetch(provider, wanted, place, now_s, now_s + within_s + lasting_s, client=client)
    except NoLive as absence:
        raise UserError(f"{provider.name} cannot be asked: {absence.reason}", absence.hint) from absence
    if client.remark is not None:
        say(f"{provider.name}: {client.remark}")
    window = slots.greenest(told.slots, now_s, within_s, lasting_s)
    if json:
        _as_json(told, window, now_s)
    else:
        _show(told, window, now_s, settings.lasting)


def _show(told: Live, window: Window | None, now_s: float, lasting: str) -> None:
    """A line for each slot to come, and the window in words."""
    ahead = [slot for slot in told.slots if slot.to_s > now_s]
    most = max((slot.g_per_kwh for slot in ahead), default=0.0) or 1.0
    rows = [
        (
            _clock(slot.from_s),
            f"{slot.g_per_kwh:.0f}",
            slot.kind,
            "#" * round(BAR * slot.g_per_kwh / most),
        )
        for slot in ahead
    ]
    listing(("from", "g/kWh", "kind", ""), rows)
    say(f"{told.source}: boundary {told.boundary}, {told.accounting}, licence {told.licence}")
    if window is None:
        say(f"no window of {lasting} is wholly covered by what is told")
        return
    words = f"greenest window of {lasting}: from {_clock(window.start_s)}, {window.g_per_kwh:.0f} g/kWh"
    if window.now_g_per_kwh is not None:
        less = 100 * (1 - window.g_per_kwh / window.now_g_per_kwh) if window.now_g_per_kwh else 0.0
        words += f", {less:.0f} % less than the {window.now_g_per_kwh:.0f} g/kWh of starting now"
    say(words)


def _as_json(told: Live, window: Window | None, now_s: float) -> None:
    import json

    document = {
        "provider": told.provider,
        "zone": told.zone,
        "boundary": told.boundary,
        "gas": told.gas,
        "accounting": told.accounting,
        "licence": told.licence,
        "slots": [
            {"from_s": s.from_s, "to_s": s.to_s, "g_per_kwh": s.g_per_kwh, "kind": s.kind}
            for s in told.slots
            if s.to_s > now_s
        ],
        "greenest": None
        if window is None
        else {
            "start_s": window.start_s,
            "g_per_kwh": window.g_per_kwh,
            "now_g_per_kwh": window.now_g_per_kwh,
        },
    }
    typer.echo(json.dumps(document, indent=2))


def _clock(seconds: float) -> str:
    return time.strftime("%a %H:%M", time.localtime(seconds))
