"""The site's power usage effectiveness and water: as given, its region's own, or its kind's usual ones."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError
from energywrap.model import Facility
from energywrap.place import regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.model import Place
    from energywrap.tables import Row

# rows of the table of water by kind of site; of a region its own figure comes first
WATER = {"local": "local", "gcp": "google", "ovh": "ovh"}


def resolve(settings: Settings, place: Place | None = None) -> Facility:
    """PUE with its range. Raises UserError for a kind of site that the table does not have.

    As given; else by --site; else the region's own; else the usual one of the site that was recognised.
    """
    region = regions.find(place.region) if place is not None and place.region else None
    given = settings.origin["site"] != "default"
    row = _row(settings, None if given or place is None else place.site)
    water = region.wue_l_per_kwh if region is not None and not given else None
    water = _water(row["site"]) if water is None else water
    if settings.pue is not None:
        return Facility(settings.pue, settings.pue, settings.pue, settings.origin["pue"], water)
    low, high = tables.number(row, "low"), tables.number(row, "high")
    if region is not None and region.pue is not None and not given:
        evidence = f"region {region.name}, {region.year}"
        return Facility(region.pue, min(low, region.pue), max(high, region.pue), evidence, water)
    how = settings.origin["site"] if given or row["site"] == settings.site.lower() else "recognised"
    return Facility(tables.number(row, "pue"), low, high, f"site {row['site']}, {how}", water)


def _row(settings: Settings, recognised: str | None) -> Row:
    """The row of the site that is given, else of the one that was recognised, else of the default."""
    row = tables.find("sites", (recognised or settings.site).lower())
    if row is None:
        known = ", ".join(site["site"] for site in tables.rows("sites"))
        where = "--site" if settings.origin["site"] == "flag" else settings.origin["site"]
        raise UserError(f"unknown site {settings.site!r} ({where})", f"one of {known}")
    return row


def _water(site: str) -> float | None:
    row = tables.find("wue", WATER[site]) if site in WATER else None
    return tables.number(row, "l_per_kwh") if row is not None else None
