"""The site's power usage effectiveness and water: as given, its region's own, or its kind's usual ones."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError
from energywrap.model import Facility
from energywrap.place import areas, firmware, regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.config import Settings
    from energywrap.model import Place
    from energywrap.tables import Row

ANYWHERE = "anywhere"
AMAZON: Mapping[str, str | None] = {
    "US": "aws-na",
    "CA": "aws-na",
    "CN": None,
    areas.EUROPE: "aws-eu",
    areas.ASIA: "aws-apac",
}
MICROSOFT: Mapping[str, str | None] = {
    areas.AMERICA: "azure-americas",
    areas.EUROPE: "azure-emea",
    areas.WEST_ASIA: "azure-emea",
    areas.AFRICA: "azure-emea",
    areas.ASIA: "azure-apac",
}
# Rows of the table of water, by kind of site and then by country or part of the world. None: not published.
WATER: Mapping[str, Mapping[str, str | None]] = {
    "local": {ANYWHERE: "local"},
    "gcp": {ANYWHERE: "google"},
    "ovh": {ANYWHERE: "ovh"},
    "aws": AMAZON,
    "azure": MICROSOFT,
    "github-hosted": MICROSOFT,
    "average": {"US": "us-average"},
}


def resolve(settings: Settings, place: Place | None = None) -> Facility:
    """PUE with its range, and litres per kWh. Raises UserError for a kind of site that the table lacks.

    As given; else by --site; else the region's own; else the usual one of the site that was recognised. A
    virtual machine of which nothing tells the site counts as local, and the evidence says that it is assumed.
    """
    region = regions.find(place.region) if place is not None and place.region else None
    given = settings.origin["site"] != "default"
    row = _row(settings, None if given or place is None else place.site)
    zone = region.zone if region is not None else place.zone if place is not None else ""
    water = region.wue_l_per_kwh if region is not None and not given else None
    water = _water_l_per_kwh(row["site"], zone) if water is None else water
    if settings.pue is not None:
        return Facility(settings.pue, settings.pue, settings.pue, settings.origin["pue"], water)
    low, high = tables.number(row, "low"), tables.number(row, "high")
    if region is not None and region.pue is not None and not given:
        evidence = f"region {region.name}, {region.year}"
        return Facility(region.pue, min(low, region.pue), max(high, region.pue), evidence, water)
    evidence = f"site {row['site']}, {_how(settings, place)}"
    return Facility(tables.number(row, "pue"), low, high, evidence, water)


def _how(settings: Settings, place: Place | None) -> str:
    """How the site is known; "default" comes last, where nothing tells it."""
    origin = settings.origin["site"]
    if origin != "default" or place is None:
        return origin
    if place.site is not None:
        return "recognised"
    unnamed = any(step.endswith(firmware.UNNAMED) for step in place.steps)
    return "assumed of a virtual machine by default" if unnamed else origin


def _row(settings: Settings, recognised: str | None) -> Row:
    """The row of the site that is given, else of the one that was recognised, else of the default."""
    row = tables.find("sites", (recognised or settings.site).lower())
    if row is None:
        known = ", ".join(site["site"] for site in tables.rows("sites"))
        where = "--site" if settings.origin["site"] == "flag" else settings.origin["site"]
        raise UserError(f"unknown site {settings.site!r} ({where})", f"one of {known}")
    return row


def _water_l_per_kwh(site: str, zone: str) -> float | None:
    """The site's usual water; None where none is published, or the zone does not tell in which part it is."""
    known = WATER.get(site, {})
    where: str | None = ANYWHERE
    if known and ANYWHERE not in known:
        code = areas.country(zone)
        where = code if code in known else areas.part(code)
    name = known.get(where) if where is not None else None
    row = tables.find("wue", name) if name is not None else None
    return tables.number(row, "l_per_kwh") if row is not None else None
