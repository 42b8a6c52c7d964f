"""The site's power usage effectiveness: as given, or the usual one of its kind."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError
from energywrap.model import Facility

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings


def resolve(settings: Settings) -> Facility:
    """PUE and its range. Raises UserError for a kind of site that the table does not have."""
    if settings.pue is not None:
        return Facility(settings.pue, settings.pue, settings.pue, settings.origin["pue"])
    row = tables.find("sites", settings.site.lower())
    if row is None:
        known = ", ".join(site["site"] for site in tables.rows("sites"))
        where = "--site" if settings.origin["site"] == "flag" else settings.origin["site"]
        raise UserError(f"unknown site {settings.site!r} ({where})", f"one of {known}")
    evidence = f"site {row['site']}, {settings.origin['site']}"
    return Facility(float(row["pue"]), float(row["low"]), float(row["high"]), evidence)
