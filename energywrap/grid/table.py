"""The yearly table: some 400 zones with boundary, year, source and licence."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from energywrap.model import CarbonIntensity
    from energywrap.tables import Row

NEWEST_YEAR = 2025
# Bands by kind and age of the value, as a part of it: docs/methodology.md#how-sure-an-intensity-is
HYDRO_G_PER_KWH = 24.0  # IPCC AR5 median over the life cycle: the upper bound of a zone published as 0
FRESH_BAND, OLDER_BAND, BORROWED_BAND = 0.10, 0.25, 0.50
LIFECYCLE = ("ember_2026", "ember_2025", "owid_2026")  # columns of crosscheck.tsv that are no older
LABELS = {
    "boundary": ("lifecycle", "direct"),
    "gas": ("CO2e",),
    "accounting": ("production", "consumption"),
}
SCOPE_3 = ("dcceew-nga-2026",)  # sources whose upstream part holds losses on the way, and no plants


def zone(code: str, origin: str) -> CarbonIntensity:
    """The zone's yearly intensity in g/kWh.

    Raises UserError, naming where the code came from, for an unknown one, and for a table that is damaged.
    """
    return intensity(row(code, origin))


def row(code: str, origin: str) -> Row:
    """The zone's row of the table. Raises UserError, naming where the code came from, for an unknown one."""
    key = code.strip().upper()
    alias = tables.find("zone_aliases", key)
    if alias is not None:
        return named(alias["zone"])
    found = tables.find("grid", key)
    if found is None:
        named("WORLD")  # of a table that was cut off, no zone can be said to be unknown
        where = "--zone" if origin == "flag" else origin
        raise UserError(f"unknown zone {code!r} ({where})", _suggestion(key))
    return found


def named(zone: str) -> Row:
    """The row of a zone that must be there. Raises UserError, for a damaged table, where it is not."""
    found = tables.find("grid", zone)
    if found is None:
        tables.damaged("grid", f"it has no row {zone}")
    return found


def publication(source_id: str) -> Row:
    """Title, publisher, address of a source. Raises UserError, for a damaged table, where it is missing."""
    found = tables.find("sources", source_id)
    if found is None:
        tables.damaged("sources", f"it has no row {source_id}")
    return found


def crosscheck(zone: str) -> Row | None:
    """What publishers say of a zone; None where only one is known. Raises UserError for a damaged table.

    All of the table is taken apart, since a row that cannot be found is no sign of damage.
    """
    return next((row for row in list(tables.rows("crosscheck")) if row["zone"] == zone), None)


def search(text: str) -> Iterator[CarbonIntensity]:
    """A zone and its parts for a code or an alias, else those whose code or name the text is a part of.

    Raises UserError for a table that is damaged.
    """
    named("WORLD")  # of a table that was cut off, no part is shown as the whole
    wanted = text.strip().upper()
    alias = tables.find("zone_aliases", wanted)
    code = named(alias["zone"])["zone"] if alias else wanted
    known = tables.find("grid", code) is not None
    for row in tables.rows("grid"):
        part = row["zone"].startswith(wanted) or wanted in row["name"].upper()
        if row["zone"] == code or row["zone"].startswith(f"{code}-") if known else part:
            yield intensity(row)


def intensity(row: Row) -> CarbonIntensity:
    """A row of the table, in g/kWh, with the band that its kind and year deserve.

    It reaches up to what the value would be with its upstream part, and to what other publishers say.
    Raises UserError for a row that is damaged.
    """
    from energywrap.model import CarbonIntensity  # not needed to check a zone before the command starts

    for column, known in LABELS.items():
        if row[column] not in known:
            tables.damaged("grid", f"{column} = {row[column]!r} of {row['zone']} is none that there is")
    value, part = tables.number(row, "g_per_kwh"), band(row)
    upstream = tables.number(row, "upstream_g_per_kwh", 0.0)
    lowest, highest = _opinions(row["zone"], value) if row["quality"] == "reported" else (value, value)
    return CarbonIntensity(
        zone=row["zone"],
        name=row["name"],
        g_per_kwh=value,
        low_g_per_kwh=min(value * (1 - part), lowest),
        high_g_per_kwh=max(value * (1 + part), value + upstream, highest) or HYDRO_G_PER_KWH,
        year=int(tables.number(row, "year")) if row["year"] else None,
        boundary=row["boundary"],
        gas=row["gas"],
        accounting=row["accounting"],
        quality=row["quality"],
        source=row["source_id"],
        licence=row["licence"],
        caution=_caution(row, value, upstream),
    )


def _opinions(zone: str, value: float) -> tuple[float, float]:
    """The least and the most that publishers of this year's values say of a zone.

    An official value counts where it is above ours: most of them are direct, and less for that reason alone,
    but a direct value above one over the life cycle is a disagreement.
    """
    known = crosscheck(zone)
    told = [tables.number(known, name, value) for name in LIFECYCLE] if known else []
    official = tables.number(known, "official", 0.0) if known else 0.0
    return min(told, default=value), max(*told, official, value)


def _caution(row: Row, value: float, upstream: float) -> str | None:
    """What a reader of the value must know."""
    if row["default"] == "no" or value == 0:
        return row["note"]
    if upstream:
        return f"direct: with {upstream_parts(row)} about {value + upstream:.0f} g/kWh"
    return None


def upstream_parts(row: Row) -> str:
    """What the upstream part of a direct value stands for, in words."""
    return f"fuel supply and {'grid losses' if row['source_id'] in SCOPE_3 else 'plants'}"


def band(row: Row) -> float:
    """Half-width of the P10-P90 band, as a part of the value."""
    if row["quality"] != "reported" or row["zone"] == "WORLD" or not row["year"]:
        return BORROWED_BAND
    fresh = tables.number(row, "year") >= NEWEST_YEAR and row["boundary"] == "lifecycle"
    return FRESH_BAND if fresh else OLDER_BAND


def _suggestion(key: str) -> str:
    from difflib import get_close_matches  # only here: the command will not run

    names = {row["name"].upper(): row["zone"] for row in tables.rows("grid")}
    close = [name for name in names if key in name][:3] or get_close_matches(key, names, 2, 0.75)
    shown = [f"{names[name]} ({name.title()})" for name in close]
    shown = shown or get_close_matches(key, names.values(), 2, 0.75)
    near = f"did you mean {' or '.join(shown)}? " if shown else ""
    return f"{near}`energywrap zones TEXT` finds one"
