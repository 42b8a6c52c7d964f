"""`energywrap zones [TEXT]`: find a grid zone, or have one explained."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from energywrap import tables
from energywrap.cli.listing import listing
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.grid import explain, table
from energywrap.grid.explain import Explanation
from energywrap.model import CarbonIntensity


def zones(
    text: Annotated[
        str,
        typer.Argument(metavar="[TEXT]", help="A zone's code, a cloud region, or a part of a name."),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Explain the grid zone of a code: its intensity, what that counts, its source, and what else there is.

    Anything but a code lists the zones that it is a part of; nothing lists them all.
    """
    code = explain.exact(text) or _of_region(text)
    if code is not None:
        found = explain.explain(code)
        _as_json(_explained(found)) if json else _show(list(_facts(found)))
        return
    matching = list(table.search(text))
    if not matching:
        raise UserError(f"no zone matches {text!r}", "`energywrap zones` without a word lists them all")
    if json:
        _as_json([_plain(zone) for zone in matching])
    else:
        _list(matching)


def _of_region(text: str) -> str | None:
    """The zone that a cloud region such as aws:eu-west-1 lies in; None for a word that is none."""
    row = tables.find("cloud_regions", text.strip().lower()) if ":" in text else None
    if row is None:
        return None
    say(f"{row['region']} ({row['location']}) lies in the zone {row['zone']}")
    return explain.exact(row["zone"])


def _list(found: list[CarbonIntensity]) -> None:
    rows = [
        (
            zone.zone,
            zone.name,
            f"{zone.g_per_kwh:.4g}",
            f"{zone.low_g_per_kwh:.3g} to {zone.high_g_per_kwh:.3g}",
            zone.boundary,
            str(zone.year or "-"),
            zone.quality,
            zone.source,
        )
        for zone in found
    ]
    listing(
        ("zone", "name", "g CO2e/kWh", "P10 to P90", "boundary", "year", "quality", "source"),
        rows,
        drop=("source", "quality", "year", "boundary"),
        words="name",
    )
    if len({zone.boundary for zone in found}) > 1:
        say("values of different boundaries cannot be compared: direct leaves out fuel supply and plants")


def _show(lines: Sequence[tuple[str, str]]) -> None:
    """Print facts: "key: value" for a pipe; beneath each other for a person, a key that repeats left out."""
    if not sys.stdout.isatty():
        for name, value in lines:
            typer.echo(f"{name}: {value}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    aligned = Table.grid(padding=(0, 2))
    aligned.add_column(no_wrap=True)
    aligned.add_column(overflow="fold")
    before = [""] + [name for name, _ in lines]
    for last, (name, value) in zip(before, lines):
        aligned.add_row(Text("" if name == last else name), Text(value))
    Console(no_color=bool(os.environ.get("NO_COLOR"))).print(aligned)


def _facts(found: Explanation) -> Iterator[tuple[str, str]]:
    """An explanation as a person reads it, name by name."""
    zone = found.intensity
    yield "zone", f"{zone.zone}, {zone.name}"
    if found.parent is not None:
        yield "part of", found.parent
    yield "intensity", f"{zone.g_per_kwh:g} g CO2e/kWh"
    yield "P10 to P90", f"{zone.low_g_per_kwh:.4g} to {zone.high_g_per_kwh:.4g} g CO2e/kWh"
    yield "boundary", zone.boundary
    if found.upstream_g_per_kwh is not None:
        whole = zone.g_per_kwh + found.upstream_g_per_kwh
        added = f"{found.upstream_g_per_kwh:g} g CO2e/kWh more with {found.upstream_parts}"
        yield "upstream", f"{added}: {whole:.4g}"
    yield "gases", zone.gas
    yield "accounting", zone.accounting
    yield "year", str(zone.year or "not stated")
    yield "quality", zone.quality
    yield "source", f"{found.source_title}, {found.source_publisher} ({zone.source})"
    yield "address", found.source_url or "-"
    yield "licence", zone.licence
    for opinion in found.disagreement:
        times = f", {opinion.ratio:.2f} times ours" if opinion.ratio is not None else ""
        yield "published", f"{opinion.g_per_kwh:.4g} g/kWh{times}: {opinion.publisher} ({opinion.basis})"
    for other in found.alternatives:
        value = f"{other.g_per_kwh:.4g} g/kWh, {other.boundary}"
        yield "instead", f"{other.zone} {value}: {other.name}, {other.why}"
    for note in found.notes:
        yield "note", note


def _plain(zone: CarbonIntensity) -> dict[str, Any]:
    return {
        "zone": zone.zone,
        "name": zone.name,
        "intensity_g_per_kwh": zone.g_per_kwh,
        "low_g_per_kwh": zone.low_g_per_kwh,
        "high_g_per_kwh": zone.high_g_per_kwh,
        "boundary": zone.boundary,
        "gas_basis": zone.gas,
        "accounting": zone.accounting,
        "year": zone.year,
        "quality": zone.quality,
        "source": zone.source,
        "licence": zone.licence,
    }


def _explained(found: Explanation) -> dict[str, Any]:
    return {
        **_plain(found.intensity),
        "source_title": found.source_title,
        "source_url": found.source_url,
        "upstream_g_per_kwh": found.upstream_g_per_kwh,
        "alternatives": [
            {
                "zone": other.zone,
                "name": other.name,
                "intensity_g_per_kwh": other.g_per_kwh,
                "boundary": other.boundary,
                "why": other.why,
            }
            for other in found.alternatives
        ],
        "disagreement": [
            {
                "publisher": opinion.publisher,
                "intensity_g_per_kwh": opinion.g_per_kwh,
                "basis": opinion.basis,
                "ratio": opinion.ratio,
            }
            for opinion in found.disagreement
        ],
        "notes": list(found.notes),
    }


def _as_json(document: object) -> None:
    import json

    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
