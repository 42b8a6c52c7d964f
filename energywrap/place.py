"""Where the machine stands, from what it knows without asking the network."""

from __future__ import annotations

import os

from energywrap import tables
from energywrap.model import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.config import Settings

WORLD = "WORLD"
ZONEINFO = "/zoneinfo/"


def resolve(settings: Settings, environ: Mapping[str, str], etc: str = "/etc") -> Place:
    """The grid zone: as given by flag, environment or file; else by the time zone; else the world."""
    if settings.zone is not None:
        return Place(settings.zone, settings.origin["zone"])
    name = time_zone(environ, etc)
    row = tables.find("timezones", name) if name else None
    if row is not None and row["zone"] != WORLD:
        return Place(row["zone"], f"time zone {name}")
    seen = f"the time zone {name} tells no country" if name else "there is no time zone to go by"
    return Place(
        WORLD,
        "none",
        f"the grid zone is unknown ({seen}): the world's average is used; give --zone to be right",
    )


def time_zone(environ: Mapping[str, str], etc: str) -> str | None:
    """The name of the local time zone from TZ, /etc/timezone or the link /etc/localtime."""
    named = environ.get("TZ", "").lstrip(":")
    if named:
        return named.rpartition(ZONEINFO)[2]
    try:
        with open(os.path.join(etc, "timezone"), encoding="utf-8") as file:
            name = file.readline().strip()
        if name:
            return name
    except (OSError, UnicodeDecodeError):
        pass  # not every distribution writes it
    target = os.path.realpath(os.path.join(etc, "localtime"))
    return target.rpartition(ZONEINFO)[2] if ZONEINFO in target else None
