"""The carbon intensity service of Great Britain's system operator (NESO): half hours, a forecast; no key."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.grid.answers import good, grams, instant_s, rows, slot, table, utc
from energywrap.grid.client import NoLive
from energywrap.model import Live, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.grid.client import Client
    from energywrap.model import Slot

BASE = "https://api.carbonintensity.org.uk"
COUNTRY, WHOLE = "GB", "GB"
SLOT_S, LONGEST_S = 1800.0, 13 * 86400.0  # it answers for 14 days at most
REGIONS = range(1, 18)


class Neso:
    """The provider; its zones are GB, a region's number from 1 to 17, or the first part of a postcode."""

    name = "neso"
    title = "Carbon Intensity API, National Energy System Operator"
    forecasts = True

    def check(self, wanted: str | None) -> None:
        """Raise UserError for what is neither a region's number nor the first part of a postcode."""
        if wanted is None:
            return
        if wanted.isascii() and wanted.isdecimal():
            if len(wanted) > 2 or int(wanted) not in REGIONS:
                raise UserError(f"{self.name} has no region {wanted}", "1 to 17 are known; 13 is London")
        elif not (wanted.isascii() and wanted.isalnum() and 2 <= len(wanted) <= 4):
            why = f"{wanted!r} is for {self.name} no region and no first part of a postcode"
            raise UserError(why, "such as neso:13 or neso:RG10")

    def zone_of(self, place: Place, wanted: str | None) -> str:
        """The zone as it calls it. Raises NoLive outside Great Britain, UserError for a malformed zone."""
        self.check(wanted)
        if wanted is not None:
            return str(int(wanted)) if wanted.isdecimal() else wanted.upper()
        if place.zone.partition("-")[0] != COUNTRY:
            raise NoLive(f"it knows Great Britain alone, and this is {place.zone}", "another --grid, or none")
        return WHOLE

    def fetch(self, client: Client, zone: str, from_s: float, to_s: float) -> Live:
        """What it knows of that time. Raises NoLive."""
        from_s = max(from_s, to_s - LONGEST_S)
        path = f"{utc(from_s)}/{utc(to_s + SLOT_S)}"
        if zone == WHOLE:
            answer = client.get(f"{BASE}/intensity/{path}")
        else:
            kind = "regionid" if zone.isdecimal() else "postcode"
            answer = client.get(f"{BASE}/regional/intensity/{path}/{kind}/{zone}")
        return Live(
            provider=self.name,
            zone=zone,
            boundary="direct",
            gas="CO2",
            accounting="consumption",
            source=f"{self.title}, {zone}",
            licence="CC-BY-4.0",
            fetched_at_s=client.now_s(),
            cached=False,
            slots=good((_slot(each) for each in _entries(answer)), client),
        )


def _entries(answer: object) -> list[object]:
    """The half hours, which are a list, or inside one region, or inside a list of one."""
    data = table(answer, "its answer").get("data")
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict) and "data" in data[0]:
        data = data[0]
    if isinstance(data, dict):
        data = data.get("data")
    return rows(data, "data")


def _slot(entry: object) -> Slot | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("intensity"), dict):
        return None
    told = entry["intensity"]
    value, kind = grams(told.get("actual")), "actual"
    if told.get("actual") is None:
        value, kind = grams(told.get("forecast")), "forecast"
    return slot(instant_s(entry.get("from")), instant_s(entry.get("to")), value, kind)
