"""In which part of the world a country lies, as clouds divide it that publish nothing finer."""

from __future__ import annotations

from energywrap import tables

AMERICA, EUROPE, AFRICA, WEST_ASIA, ASIA = "America", "Europe", "Africa", "West Asia", "Asia and Pacific"
# The areas of time zones: of a country that lies in several, the first of these counts (Spain has Ceuta).
PARTS = (
    ("Europe", EUROPE),
    ("America", AMERICA),
    ("Asia", ASIA),
    ("Australia", ASIA),
    ("Pacific", ASIA),
    ("Africa", AFRICA),
)
# In Asia by their time zones, but counted with Europe and Africa by those who count by continents.
WEST = {"AE", "AM", "AZ", "BH", "CY", "GE", "IL", "IQ", "IR", "JO", "KW", "LB", "OM", "PS", "QA", "SA", "SY",
        "YE"}  # fmt: skip


def country(zone: str) -> str:
    """The country's code of a zone of the grid, however the zone is spelled: "GB" of "uk"."""
    key = zone.strip().upper()
    alias = tables.find("zone_aliases", key)
    return (alias["zone"] if alias else key).partition("-")[0]


def part(code: str) -> str | None:
    """The part of the world of a country; None where its time zones do not tell."""
    if code in WEST:
        return WEST_ASIA
    if len(code) != 2:
        return None  # the world, of which some time zones are
    rows = tables.rows("timezones", f"\t{code}\t")
    areas = {row["tz"].partition("/")[0] for row in rows if row["zone"] == code}
    return next((found for area, found in PARTS if area in areas), None)
