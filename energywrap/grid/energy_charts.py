"""energy-charts.info of Fraunhofer ISE: most countries of Europe, quarters of hours, a forecast; no key."""

from __future__ import annotations

from urllib.parse import urlencode

from energywrap.errors import UserError
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

    def check(self, wanted: str | None) -> None:
        """Raise UserError for a zone that cannot be a country's."""
        if wanted is not None and _code(wanted) is None:
            raise UserError(f"{wanted!r} is no country's code for {self.name}", f"such as {self.name}:de")

    def zone_of(self, place: Place, wanted: str | None) -> str:
        """The country's code. Raises NoLive for a place that is in none, UserError for a malformed code."""
        self.check(wanted)
        code = _code(wanted or place.zone)
        if code is None:
            raise NoLive(f"it knows countries of Europe, and {place.zone} is none", "--grid energy-charts:de")
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
            fetched_at_s=client.now_s(),
            cached=False,
            slots=good(self._slots(times, known, ahead), client),
        )

    @staticmethod
    def _column(answer: dict[str, object], name: str, count: int) -> list[object]:
        """A column beside the times; an absent one holds nothing. Raises NoLive if it does not fit them."""
        column = rows(answer.get(name) or [], name) or [None] * count
        if len(column) != count:
            raise NoLive(f"{name} has {len(column)} values for {count} times")
        return column

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


def _code(zone: str) -> str | None:
    """The lower-case code of the country that a zone lies in."""
    code = zone.partition("-")[0].lower()
    return code if len(code) == 2 and code.isascii() and code.isalpha() else None
