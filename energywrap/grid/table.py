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


def zone(code: str, origin: str) -> CarbonIntensity:
    """The zone's yearly intensity. Raises UserError, naming where the code came from, for an unknown one."""
    return intensity(row(code, origin))


def row(code: str, origin: str) -> Row:
    """The zone's row of the table. Raises UserError, naming where the code came from, for an unknown one."""
    key = code.strip().upper()
    alias = tables.find("zone_aliases", key)
    found = tables.find("grid", alias["zone"] if alias else key)
    if found is None:
        where = "--zone" if origin == "flag" else origin
        raise UserError(f"unknown zone {code!r} ({where})", _suggestion(key))
    return found


def search(text: str) -> Iterator[CarbonIntensity]:
    """A zone and its parts for a code or an alias, else those whose code or name the text is a part of."""
    wanted = text.strip().upper()
    alias = tables.find("zone_aliases", wanted)
    code = alias["zone"] if alias else wanted
    known = tables.find("grid", code) is not None
    for row in tables.rows("grid"):
        named = row["zone"].startswith(wanted) or wanted in row["name"].upper()
        if row["zone"] == code or row["zone"].startswith(f"{code}-") if known else named:
            yield intensity(row)


def intensity(row: Row) -> CarbonIntensity:
    """A row of the table with the band that its kind and year deserve."""
    from energywrap.model import CarbonIntensity  # not needed to check a zone before the command starts

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
    known = tables.find("crosscheck", zone)
    told = [tables.number(known, name, value) for name in LIFECYCLE] if known else []
    official = tables.number(known, "official", 0.0) if known else 0.0
    return min(told, default=value), max(*told, official, value)


def _caution(row: Row, value: float, upstream: float) -> str | None:
    """What a reader of the value must know."""
    if row["default"] == "no" or value == 0:
        return row["note"]
    if upstream:
        return f"{value:.4g} g/kWh is direct; with fuel supply and plants it would be {value + upstream:.4g}"
    return None


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
