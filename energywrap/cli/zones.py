"""`energywrap zones [TEXT]`: find a grid zone and its carbon intensity."""

from __future__ import annotations

from typing import Annotated

import typer

from energywrap.cli.listing import listing
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.grid import table


def zones(
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="The beginning of a code, or a part of a name.")
    ] = "",
) -> None:
    """List the grid zones with their yearly carbon intensity, its band, boundary, year and source."""
    found = list(table.search(text))
    if not found:
        raise UserError(f"no zone matches {text!r}", "`energywrap zones` without a word lists them all")
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
        dispensable=3,
    )
    if len({zone.boundary for zone in found}) > 1:
        say("values of different boundaries cannot be compared: direct leaves out fuel supply and plants")
