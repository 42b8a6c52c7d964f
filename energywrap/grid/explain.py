"""All that is known of a zone's intensity: its labels, what else there is, how far publishers disagree."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError
from energywrap.grid import table
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from energywrap.model import CarbonIntensity
    from energywrap.tables import Row

USUAL = (
    "over 199 countries two publishers of yearly values differ by 12.7 % in the median, in one of ten by 49 %"
)
RANKING = "direct leaves out fuel supply and plants: never rank a direct value against a lifecycle one"
PUBLISHED = (  # column, publisher, column of its year or the year
    ("ember_2026", "Ember, 2026 releases", "ember_year"),
    ("ember_2025", "Ember, April 2025 release", "ember_2025_year"),
    ("owid_2026", "Our World in Data, early 2026", ""),
    ("codecarbon_2023", "CodeCarbon's copy of Our World in Data", "2023"),
)


@record
class Other:
    """Another value that could stand in its place, and why."""

    zone: str
    name: str
    g_per_kwh: float
    boundary: str
    why: str


@record
class Opinion:
    """What a publisher says, and its ratio to the value that is used."""

    publisher: str
    g_per_kwh: float
    basis: str
    ratio: float | None


@record
class Explanation:
    """A zone's value with everything that a reader could ask of it."""

    intensity: CarbonIntensity
    upstream_g_per_kwh: float | None
    source_title: str
    source_url: str
    alternatives: tuple[Other, ...]
    disagreement: tuple[Opinion, ...]
    notes: tuple[str, ...]


def exact(text: str) -> str | None:
    """The zone of which this is the code or another name; None for a part of a name."""
    key = text.strip().upper()
    alias = tables.find("zone_aliases", key) if key else None
    code = alias["zone"] if alias else key
    return code if code and tables.find("grid", code) is not None else None


def explain(code: str) -> Explanation:
    """Everything about a zone. Raises UserError for one that the table does not have."""
    row = tables.find("grid", code)
    if row is None:
        raise UserError(f"unknown zone {code!r}", "`energywrap zones TEXT` finds one")
    found = table.intensity(row)
    published = tables.find("sources", row["source_id"])
    others = tuple(_others(row))
    return Explanation(
        intensity=found,
        upstream_g_per_kwh=tables.number(row, "upstream_g_per_kwh") if row["upstream_g_per_kwh"] else None,
        source_title=published["title"] if published else "",
        source_url=published["url"] if published else "",
        alternatives=others,
        disagreement=tuple(_opinions(row)),
        notes=tuple(_notes(row, found, others)),
    )


def _others(row: Row) -> Iterator[Other]:
    """The zone above, the same with its upstream part, and the zones below."""
    upstream = tables.number(row, "upstream_g_per_kwh", 0.0)
    if upstream:
        whole = tables.number(row, "g_per_kwh") + upstream
        yield Other(row["zone"], row["name"], whole, "lifecycle", "with fuel supply and plants added")
    above = tables.find("grid", row["parent"]) if row["parent"] else None
    if above is not None:
        yield _other(above, "the zone above")
    for other in tables.rows("grid"):
        if other["parent"] == row["zone"] and row["zone"] != "WORLD":
            yield _other(other, other["level"].replace("_", " "))


def _other(row: Row, why: str) -> Other:
    return Other(row["zone"], row["name"], tables.number(row, "g_per_kwh"), row["boundary"], why)


def _opinions(row: Row) -> Iterator[Opinion]:
    known = tables.find("crosscheck", row["zone"])
    if known is None:
        return
    value = tables.number(row, "g_per_kwh")
    for column, publisher, year in PUBLISHED:
        if known[column]:
            told = tables.number(known, column)
            when = known.get(year, year)
            yield Opinion(publisher, told, f"lifecycle{', ' if when else ''}{when}", _ratio(told, value))
    if known["official"]:
        told = tables.number(known, "official")
        yield Opinion("official", told, known["official_basis"], _ratio(told, value))


def _ratio(told: float, value: float) -> float | None:
    return told / value if value > 0 else None


def _notes(row: Row, found: CarbonIntensity, others: tuple[Other, ...]) -> Iterator[str]:
    if row["note"]:
        yield row["note"]
    if found.caution and found.caution != row["note"]:
        yield found.caution
    how, _, origin = row["quality"].partition(":")
    if origin:
        whose = "a neighbour's" if how == "proxy" else "the zone above's"
        yield f"it has no series of its own: the value is {whose}, {origin}"
    if row["default"] == "no":
        yield "it is used only when it is asked for by its code"
    if any(other.boundary != found.boundary for other in others):
        yield RANKING
    if tables.find("crosscheck", row["zone"]) is None:
        yield USUAL
