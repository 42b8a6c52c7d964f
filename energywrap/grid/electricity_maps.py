"""Electricity Maps: the whole world, hourly, by zone or by cloud region, with a key of the user's."""

from __future__ import annotations

import os
from urllib.parse import urlencode

from energywrap.errors import UserError
from energywrap.grid import keys
from energywrap.grid.answers import good, grams, instant_s, slot, table
from energywrap.grid.client import NoLive
from energywrap.model import Live, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.grid.client import Client
    from energywrap.model import Slot

BASE = "https://api.electricitymaps.com/v3/carbon-intensity"
VARIABLE = "ELECTRICITY_MAPS_KEY"
HOUR_S = 3600.0
CLOUDS = ("aws", "gcp", "azure")
FORECAST_S = 60.0  # a time that ends so much after now is asked for ahead


class ElectricityMaps:
    """The provider; its zones are its own keys, or "aws/eu-west-1" for a cloud's region."""

    name = "electricity-maps"
    title = "Electricity Maps"
    forecasts = True  # for those who pay for it

    def check(self, wanted: str | None) -> None:
        """Raise UserError for a malformed zone, and without a key of the user's."""
        if wanted is not None:
            self._named(wanted)
        keys.key(self.name, VARIABLE, os.environ)

    def zone_of(self, place: Place, wanted: str | None) -> str:
        """By the cloud's region where it is known, else by the zone.

        Raises NoLive where neither is known, UserError for a malformed zone.
        """
        if wanted is not None:
            return self._named(wanted)
        provider, _, region = (place.region or "").partition(":")
        if provider in CLOUDS and region:
            return f"{provider}/{region}"
        if place.zone == "WORLD":
            raise NoLive("the grid zone is not known", "--zone, or --grid electricity-maps:ZONE")
        return place.zone

    def _named(self, wanted: str) -> str:
        if not (wanted.isascii() and wanted.replace("-", "").isalnum()):
            raise UserError(f"{wanted!r} is no zone of {self.name}", f"such as {self.name}:DE")
        return wanted.upper()

    def fetch(self, client: Client, zone: str, from_s: float, to_s: float) -> Live:
        """What it knows of it: the last 24 hours, and with a paid key what is to come. Raises NoLive."""
        headers = {"auth-token": keys.key(self.name, VARIABLE, os.environ)}
        query = _query(zone)
        now_s = client.now_s()
        found: list[Slot | None] = []
        if from_s < now_s // HOUR_S * HOUR_S:  # before the running hour
            answer = table(client.get(f"{BASE}/history?{query}", headers), "its answer")
            found += _hours(answer.get("history"))
        if to_s > now_s + FORECAST_S:
            answer = table(client.get(f"{BASE}/forecast?{query}", headers), "its answer")
            found += [_hour(each, "forecast") for each in _list(answer.get("forecast"))]
        found += _hours([client.get(f"{BASE}/latest?{query}", headers)])
        return Live(
            provider=self.name,
            zone=zone,
            boundary="lifecycle",
            gas="CO2e",
            accounting="consumption",
            source=f"{self.title}, {zone}",
            licence="terms of Electricity Maps",
            fetched_at_s=now_s,
            cached=False,
            slots=good(found, client),
        )


def _query(zone: str) -> str:
    provider, slash, region = zone.partition("/")
    place = {"dataCenterProvider": provider, "dataCenterRegion": region} if slash else {"zone": zone}
    return urlencode({**place, "emissionFactorType": "lifecycle"})


def _hours(value: object) -> list[Slot | None]:
    return [
        _hour(each, "estimated" if isinstance(each, dict) and each.get("isEstimated") else "actual")
        for each in _list(value)
    ]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [None]


def _hour(entry: object, kind: str) -> Slot | None:
    if not isinstance(entry, dict):
        return None
    from_s = instant_s(entry.get("datetime"))
    return slot(
        from_s, from_s + HOUR_S if from_s is not None else None, grams(entry.get("carbonIntensity")), kind
    )
