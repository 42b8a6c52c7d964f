"""`energywrap model`: what the power model makes of this machine, or of one that the user describes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

import typer

from energywrap import baseline, power_model
from energywrap.cli.listing import listing
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.machine import identify
from energywrap.machine.identify import Given, Identified
from energywrap.power_model import Power
from energywrap.sources.modelled import Modelled

Curve = Callable[[float, float, float], Power]
LEVELS = "0,0.1,0.5,1"
HEADS = ("utilisation", "total W", "P10 to P90", "CPU W", "RAM W", "rest W")


def model(
    cpu: Annotated[
        str | None, typer.Option("--cpu", metavar="NAME", help="The processor, as its maker calls it.")
    ] = None,
    sockets: Annotated[
        int | None, typer.Option("--sockets", min=1, max=64, metavar="N", help="Sockets of the machine.")
    ] = None,
    memory_gb: Annotated[
        float | None,
        typer.Option("--memory-gb", metavar="GB", help="Installed memory; of a virtual machine, its own."),
    ] = None,
    utilisation: Annotated[
        str, typer.Option("--utilisation", metavar="U,...", help="Mean utilisation of all threads, 0 to 1.")
    ] = LEVELS,
    packed: Annotated[
        float,
        typer.Option(
            "--packed",
            metavar="P",
            help="0: the load is spread over all threads; 1: some are busy, others idle.",
        ),
    ] = 0.0,
    vcpus: Annotated[
        int | None,
        typer.Option("--vcpus", min=1, max=65536, metavar="N", help="A virtual machine with N vCPUs."),
    ] = None,
    tdp: Annotated[
        float | None, typer.Option("--tdp", metavar="WATTS", help="Thermal design power of one socket.")
    ] = None,
    arch: Annotated[
        str | None, typer.Option("--arch", metavar="NAME", help="The processor's generation, like zen3.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the tier and the points as JSON.")] = False,
) -> None:
    """Show the modelled power of this machine by utilisation: what was recognised, and what would narrow it.

    With --cpu or --vcpus it is another machine, of which nothing is known but the options; the other options
    alone correct what was recognised of this one.
    """
    given = identify.Given(
        cpu=cpu,
        tdp_w=_positive("--tdp", tdp),
        sockets=sockets,
        memory_gb=_positive("--memory-gb", memory_gb),
        arch=arch,
        vcpus=vcpus,
    )
    levels = _levels(utilisation)
    packed = _fraction("--packed", str(packed))
    found, curve, tier = _model(given)
    points = _evaluated(curve, levels, packed)
    if json:
        _as_json(tier, points)
        return
    for sentence in found.evidence:
        say(sentence)
    say(f"tier {tier}")
    listing(HEADS, [_row(point) for point in points])
    for hint in found.hints:
        say(f"to narrow it: {hint}")


def _model(given: Given) -> tuple[Identified, Curve, str]:
    """The machine and its model: of this one as it is, what was measured of it takes the fitted place."""
    if given.cpu is not None or given.vcpus is not None:
        found = identify.suppose(given)
    else:
        found = identify.describe(given)
        kept = baseline.load(os.environ) if given == identify.NOTHING else None
        if kept is not None:
            model = Modelled(found)
            model.calibrate(kept)
            return model.identified, model.power, model.tier
    return found, power_model.curve(found.machine), power_model.tier(found.machine)


def _evaluated(curve: Curve, levels: list[float], packed: float) -> list[dict[str, float]]:
    """The power at each level, in W."""
    points = []
    for level in levels:
        power = curve(level, packed, 0.0)
        points.append(
            {
                "utilisation": level,
                "total_w": power.total.value,
                "cpu_w": power.cpu.value,
                "ram_w": power.ram.value,
                "rest_w": power.rest.value,
                "low_w": power.total.low,
                "high_w": power.total.high,
            }
        )
    return points


def _as_json(tier: str, points: list[dict[str, float]]) -> None:
    import json

    typer.echo(json.dumps({"tier": tier, "points": points}, indent=2))


def _row(point: dict[str, float]) -> tuple[str, ...]:
    return (
        f"{point['utilisation']:g}",
        f"{point['total_w']:.3g}",
        f"{point['low_w']:.3g} to {point['high_w']:.3g}",
        f"{point['cpu_w']:.3g}",
        f"{point['ram_w']:.3g}",
        f"{point['rest_w']:.3g}",
    )


def _levels(text: str) -> list[float]:
    return [_fraction("--utilisation", part) for part in text.split(",")]


def _fraction(option: str, text: str) -> float:
    """A number from 0 to 1; `nan` is none."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UserError(f"{option} {text.strip()!r} is no number from 0 to 1")
    return value


def _positive(option: str, value: float | None) -> float | None:
    if value is not None and not 0 < value < float("inf"):
        raise UserError(f"{option} {value:g} is no number above 0")
    return value
