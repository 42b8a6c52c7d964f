"""What a machine's own settings tell of its country: the time zone, and the locale as a hint."""

from __future__ import annotations

import os

from energywrap import tables
from energywrap.errors import printable
from energywrap.model import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

WORLD = "WORLD"
ZONEINFO = "/zoneinfo/"
LOCALES = ("LC_ALL", "LC_TIME", "LANG")
ANYWHERE = ("US", "GB")  # en_US is what programs are delivered with, en_GB not much rarer
LONGEST = 64  # letters of a name that are shown


def look(environ: Mapping[str, str], etc: str, cure: str) -> tuple[Place, list[str]]:
    """The place by the time zone, else by the locale, else somewhere in the world; and what was seen.

    The cure is what to give to be right, for the warning of the latter two.
    """
    name = time_zone(environ, etc)
    shown = printable(name)[:LONGEST] if name else ""
    row = tables.find("timezones", name) if name else None
    if row is not None and row["zone"] != WORLD:
        return Place(row["zone"], f"time zone {shown}"), [f"time zone: {shown}"]
    seen = f"the time zone {shown} tells no country" if name else "there is no time zone to go by"
    steps = [f"time zone: {seen}"]
    zone, spoken = locale(environ)
    if zone is not None:
        warning = f"the grid zone is a guess by the locale {spoken} ({seen}); give {cure} to be right"
        return Place(zone, f"locale {spoken}", warning), [*steps, f"locale: {spoken}"]
    if spoken:
        steps.append(f"locale: {spoken} tells no country")
    warning = f"the grid zone is unknown ({seen}): the world's average is used; give {cure} to be right"
    return Place(WORLD, "none", warning), [*steps, "the world's average"]


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


def locale(environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The country's zone by the locale, where that is more than a default, and the locale as it is shown."""
    text = next((environ[name] for name in LOCALES if environ.get(name)), "")
    language, _, country = text.partition(".")[0].partition("@")[0].partition("_")
    code, shown = country.upper(), printable(text)[:LONGEST]
    if len(code) != 2 or (language == "en" and code in ANYWHERE) or tables.find("grid", code) is None:
        return None, shown
    return code, shown
