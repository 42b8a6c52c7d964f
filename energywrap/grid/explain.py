"""All that is known of a zone's intensity: its labels, what else there is, how far publishers disagree."""

from __future__ import annotations

from energywrap import tables
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
UNKNOWN = "it is direct, and what fuel supply and plants would add is not known"
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
    """What a publisher says, and its ratio to the value that is used; None where that is 0."""

    publisher: str
    g_per_kwh: float
    basis: str
    ratio: float | None


@record
class Explanation:
    """A zone's value with everything that a reader could ask of it."""

    intensity: CarbonIntensity
    upstream_g_per_kwh: float | None
    upstream_parts: str  # what that would add
    parent: str | None  # the zone above; None for the world
    source_title: str
    source_publisher: str
    source_url: str
    alternatives: tuple[Other, ...]
    disagreement: tuple[Opinion, ...]
    notes: tuple[str, ...]


def exact(text: str) -> str | None:
    """The zone of which this is the code or another name; None for a part of a name.

    Raises UserError for a table that is damaged.
    """
    key = text.strip().upper()
    alias = tables.find("zone_aliases", key) if key else None
    if alias is not None:
        return table.named(alias["zone"])["zone"]
    return key if key and tables.find("grid", key) is not None else None


def explain(code: str) -> Explanation:
    """Everything about a zone, in g/kWh. Raises UserError for an unknown one, and for a damaged table."""
    row = table.row(code, "zones")
    found = table.intensity(row)
    published = table.publication(row["source_id"])
    others, opinions = tuple(_others(row)), tuple(_opinions(row))
    return Explanation(
        intensity=found,
        upstream_g_per_kwh=tables.number(row, "upstream_g_per_kwh") if row["upstream_g_per_kwh"] else None,
        upstream_parts=table.upstream_parts(row),
        parent=row["parent"] or None,
        source_title=published["title"],
        source_publisher=published["publisher"],
        source_url=published["url"],
        alternatives=others,
        disagreement=opinions,
        notes=(*_notes(row, found), *_comparisons(found, others, opinions)),
    )


def _others(row: Row) -> Iterator[Other]:
    """The same with its upstream part, the zone above, and the zones below."""
    upstream = tables.number(row, "upstream_g_per_kwh", 0.0)
    if upstream:
        whole = tables.number(row, "g_per_kwh") + upstream
        boundary = "scope 2 and 3" if row["source_id"] in table.SCOPE_3 else "lifecycle"
        yield Other(row["zone"], row["name"], whole, boundary, f"with {table.upstream_parts(row)} added")
    if row["parent"]:
        above = table.named(row["parent"])
        whole_life = row["boundary"] != above["boundary"] == "lifecycle"
        yield _other(above, f"the zone above{', over the life cycle' if whole_life else ''}")
    for other in tables.rows("grid"):
        if other["parent"] == row["zone"] and row["zone"] != "WORLD":
            origin = other["quality"].partition(":")[2]
            yield _other(other, other["level"].replace("_", " ") + (f", as {origin}" if origin else ""))


def _other(row: Row, why: str) -> Other:
    return Other(row["zone"], row["name"], tables.number(row, "g_per_kwh"), row["boundary"], why)


def _opinions(row: Row) -> Iterator[Opinion]:
    """What each publisher says of the zone; none where only one is known."""
    known = table.crosscheck(row["zone"])
    if known is None:
        return
    value = tables.number(row, "g_per_kwh")
    for column, publisher, year in PUBLISHED:
        if known[column]:
            told = tables.number(known, column)
            when = known[year] if year.endswith("_year") else year
            yield Opinion(publisher, told, f"lifecycle{', ' if when else ''}{when}", _ratio(told, value))
    if known["official"]:
        told = tables.number(known, "official")
        yield Opinion("official", told, known["official_basis"], _ratio(told, value))


def _ratio(told: float, value: float) -> float | None:
    return told / value if value > 0 else None


def _notes(row: Row, found: CarbonIntensity) -> Iterator[str]:
    """What a reader must know of the value."""
    if row["note"]:
        yield row["note"]
    if found.caution and found.caution != row["note"]:
        yield found.caution
    if row["boundary"] == "direct" and not row["upstream_g_per_kwh"]:
        yield UNKNOWN
    how, _, origin = row["quality"].partition(":")
    if origin:
        whose = "a neighbour's" if how == "proxy" else "the zone above's"
        yield f"it has no series of its own: the value is {whose}, {origin}"
    if row["default"] == "no":
        yield "it is used only when it is asked for by its code"


def _comparisons(
    found: CarbonIntensity, others: tuple[Other, ...], opinions: tuple[Opinion, ...]
) -> Iterator[str]:
    """With what the value must not be compared, and how sure it is where nobody else publishes one."""
    boundaries = {other.boundary for other in others}
    boundaries |= {"direct" for each in opinions if "direct" in each.basis or "scope 2" in each.basis}
    if boundaries - {found.boundary}:
        yield RANKING
    if not opinions:
        yield USUAL
