"""energy-charts.info of Fraunhofer ISE: most countries of Europe, quarters of hours, a forecast; no key."""

from __future__ import annotations

import time
from urllib.parse import urlencode

from energywrap.grid.answers import good, grams, number, rows, slot, table, utc
from energywrap.grid.client import NoLive
from energywrap.model import Live, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.grid.client import Client
    from energywrap.model import Slot

URL = "https://api.energy-charts.info/co2eq"
USUAL_STEP_S, LONGEST_STEP_S = 900.0, 3600.0


class EnergyCharts:
    """The provider; its zones are lower-case codes of countries."""

    name = "energy-charts"
    title = "energy-charts.info, Fraunhofer ISE"
    forecasts = True

    def zone_of(self, place: Place, wanted: str | None) -> str:
        """The country's code. Raises NoLive for a place that is in none."""
        code = (wanted or place.zone).partition("-")[0].lower()
        if len(code) != 2 or not code.isalpha():
            raise NoLive(
                f"it knows countries of Europe, and {wanted or place.zone} is none", "--grid energy-charts:de"
            )
        return code

    def fetch(self, client: Client, zone: str, from_s: float, to_s: float) -> Live:
        """What it knows of that time. Raises NoLive."""
        query = urlencode({"country": zone, "start": utc(from_s - LONGEST_STEP_S), "end": utc(to_s)})
        answer = table(client.get(f"{URL}?{query}"), "its answer")
        times = [number(each) for each in rows(answer.get("unix_seconds"), "unix_seconds")]
        known, ahead = (self._column(answer, name, len(times)) for name in ("co2eq", "co2eq_forecast"))
        return Live(
            provider=self.name,
            zone=zone,
            boundary="not stated",
            gas="CO2e",
            accounting="production",
            source=f"{self.title}, {zone.upper()}",
            licence="CC BY 4.0 (unverified)",
            fetched_at_s=time.time(),
            cached=False,
            slots=good(self._slots(times, known, ahead)),
        )

    @staticmethod
    def _column(answer: dict[str, object], name: str, count: int) -> list[object]:
        """A column beside the times; an absent or a short one is filled with nothing."""
        found = answer.get(name)
        column = found if isinstance(found, list) else []
        return (column + [None] * count)[:count]

    @staticmethod
    def _slots(times: list[float | None], known: list[object], ahead: list[object]) -> list[Slot | None]:
        found: list[Slot | None] = []
        step_s = USUAL_STEP_S
        for index, from_s in enumerate(times):
            after_s = times[index + 1] if index + 1 < len(times) else None
            if from_s is not None and after_s is not None and 0 < after_s - from_s <= LONGEST_STEP_S:
                step_s = after_s - from_s
            if known[index] is None and ahead[index] is None:
                continue  # nothing is said of this time, which is no mistake
            value, kind = grams(known[index]), "actual"
            if known[index] is None:
                value, kind = grams(ahead[index]), "forecast"
            found.append(slot(from_s, from_s + step_s if from_s is not None else None, value, kind))
        return found
