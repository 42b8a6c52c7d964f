"""What a machine's own settings tell of its country: the time zone, and the locale as a hint."""

from __future__ import annotations

import os

from energywrap import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ZONEINFO = "/zoneinfo/"
LOCALES = ("LC_ALL", "LC_TIME", "LANG")
ANYWHERE = ("US", "GB")  # en_US is what programs are delivered with, en_GB not much rarer


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
    """The country's zone by the locale, where that is more than a default, and the locale itself."""
    text = next((environ[name] for name in LOCALES if environ.get(name)), "")
    language, _, country = text.partition(".")[0].partition("@")[0].partition("_")
    code = country.upper()
    if len(code) != 2 or (language == "en" and code in ANYWHERE) or tables.find("grid", code) is None:
        return None, text
    return code, text
