"""The regions of the clouds: their grid zone, and what the provider says of their PUE and water."""

from __future__ import annotations

from energywrap import tables
from energywrap.errors import UserError
from energywrap.record import record

TABLE = "cloud_regions"


@record
class Region:
    """A region as the table has it; None: its provider publishes nothing."""

    name: str  # "aws:eu-west-1"
    zone: str
    location: str
    pue: float | None
    year: str
    wue_l_per_kwh: float | None
    confidence: str  # that this is the zone: high, medium or low

    @property
    def provider(self) -> str:
        """The key of the provider's kind of site."""
        return self.name.partition(":")[0]


def find(name: str) -> Region | None:
    """The region of exactly that name, "provider:region"; None where the table has none."""
    row = tables.find(TABLE, name.strip().lower())
    if row is None:
        return None
    return Region(
        name=row["region"],
        zone=row["zone"],
        location=row["location"],
        pue=tables.number(row, "pue") if row["pue"] else None,
        year=row["pue_year"],
        wue_l_per_kwh=tables.number(row, "wue_l_per_kwh") if row["wue_l_per_kwh"] else None,
        confidence=row["confidence"],
    )


def named(name: str, where: str) -> Region:
    """The region that a user names; without its provider where only one has it. Raises UserError."""
    found = find(name)
    key = name.strip().lower()
    if found is None and ":" not in key:
        same = [row["region"] for row in tables.rows(TABLE) if row["region"].partition(":")[2] == key]
        if len(same) == 1:
            return named(same[0], where)
        if same:
            raise UserError(f"{where}: several clouds have a region {name!r}", f"one of {', '.join(same)}")
    if found is None:
        raise UserError(f"{where}: unknown cloud region {name!r}", _suggestion(key))
    return found


def _suggestion(key: str) -> str:
    """Regions that are spelled alike: for the words of an error, never to choose by."""
    from difflib import get_close_matches

    names = [row["region"] for row in tables.rows(TABLE)]
    alike = get_close_matches(key, names, 3, 0.6) or [name for name in names if key in name][:3]
    if alike:
        return f"did you mean {' or '.join(alike)}?"
    providers = sorted({name.partition(":")[0] for name in names})
    return f"write PROVIDER:REGION; providers are {', '.join(providers)}"
