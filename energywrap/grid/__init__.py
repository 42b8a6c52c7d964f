"""Carbon intensity of electricity."""

from __future__ import annotations

from energywrap.grid import table
from energywrap.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.model import CarbonIntensity, Place


def lookup(settings: Settings, place: Place) -> CarbonIntensity:
    """The intensity to use, in g/kWh: the user's own figure, else the yearly value of the place's zone.

    Raises UserError for a zone that the table does not have, and for a table that is damaged.
    """
    origin = settings.origin["zone"] if settings.zone is not None else place.evidence
    row = table.zone(place.zone, origin)
    if settings.intensity is None:
        return replace(row, source=f"{table.publication(row.source)['title']} ({row.source})")
    from energywrap.model import CarbonIntensity

    value = settings.intensity
    return CarbonIntensity(
        zone=row.zone,
        name=row.name,
        g_per_kwh=value,
        low_g_per_kwh=value,
        high_g_per_kwh=value,
        year=None,
        boundary="not stated",
        gas="CO2e",
        accounting="not stated",
        quality="given",
        source=f"given by the user ({settings.origin['intensity']})",
        licence="",
    )
