"""Where the machine stands, from what it knows without asking the network; nothing asks by IP address, ever.

The steps and their order: docs/methodology.md#where-the-machine-is.
"""

from __future__ import annotations

from energywrap import tables
from energywrap.model import Place
from energywrap.place import ci, environment, firmware, home, regions
from energywrap.place.home import time_zone
from energywrap.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.config import Settings
    from energywrap.place.firmware import Cloud
    from energywrap.place.regions import Region

__all__ = ["ask", "check", "resolve", "time_zone"]

WORLD = "WORLD"
SURE = "high"
UNPUBLISHED = "average"  # the kind of site of a provider that publishes no PUE
CALLED = {"gitlab-saas": "gcp"}  # whose machines are another provider's


def check(settings: Settings) -> None:
    """Raise UserError for a cloud region that the table does not have."""
    if settings.region is not None:
        regions.named(settings.region, _where(settings))


def resolve(
    settings: Settings, environ: Mapping[str, str], etc: str = "/etc", sysfs: str | None = None
) -> Place:
    """The grid zone and, in a cloud, the region and the kind of site.

    By flag or file, the provider's variables, firmware, CI service, time zone, locale, else the world: the
    first that can tell decides, and a region found after a zone that was given still tells the site.
    """
    region, steps = _region(settings, environ)
    cloud = firmware.cloud(sysfs or settings.sysfs_root)
    if cloud is not None:
        steps.append(f"firmware: {cloud.name}")
    hosted, seen = (None, []) if region is not None else ci.look(environ)
    steps += seen
    region = region or hosted
    site = _site(region, cloud)
    if settings.zone is not None:
        origin = settings.origin["zone"]
        return _placed(Place(settings.zone, origin, None, _name(region), site), [f"zone: {origin}", *steps])
    if region is not None:
        return _placed(_in_region(region, site, seen or steps), steps)
    return _placed(replace(_at_home(environ, etc, steps), site=site), steps)


def ask(
    settings: Settings,
    environ: Mapping[str, str],
    found: Place,
    *,
    endpoints: Mapping[str, str] | None = None,
    sysfs: str | None = None,
) -> Place:
    """The place with what the cloud's link-local metadata service says of the region, if there is one.

    Asked only on machines whose firmware names a cloud, within 250 ms and by no proxy. Never raises: what
    goes wrong is a step of the search.
    """
    if found.region is not None and not found.region.startswith("github-hosted"):
        return found  # it is known
    cloud = firmware.cloud(sysfs or settings.sysfs_root)
    if cloud is None:
        step = "metadata: not asked, the firmware names no cloud that has such a service"
        return replace(found, steps=(*found.steps, step))
    from energywrap.place import metadata  # only here: it loads a client

    told = metadata.region(cloud.provider, endpoints)
    steps = (*found.steps, f"metadata: {told.words}")
    region = regions.find(f"{cloud.provider}:{told.region}") if told.region else None
    if region is None:
        if told.region:
            steps = (*steps, f"metadata: the table has no region {cloud.provider}:{told.region}")
        return replace(found, steps=steps)
    site = _site(region, cloud)
    if settings.zone is not None:
        return replace(found, region=region.name, site=site, steps=steps)
    evidence = f"cloud region {region.name} (metadata)"
    return Place(region.zone, evidence, _doubt(region), region.name, site, steps)


def _region(settings: Settings, environ: Mapping[str, str]) -> tuple[Region | None, list[str]]:
    """As given, else by the provider's variables."""
    if settings.region is not None:
        found = regions.named(settings.region, _where(settings))
        return found, [f"region: {settings.origin['region']}"]
    return environment.look(environ)


def _in_region(region: Region, site: str | None, steps: list[str]) -> Place:
    how = steps[-1].partition(":")[0] if steps else "region"
    how = {"region": "given", "CI": "CI service"}.get(how, how)
    return Place(region.zone, f"cloud region {region.name} ({how})", _doubt(region), region.name, site)


def _at_home(environ: Mapping[str, str], etc: str, steps: list[str]) -> Place:
    """By the time zone, else by the locale, else somewhere in the world."""
    name = time_zone(environ, etc)
    row = tables.find("timezones", name) if name else None
    if row is not None and row["zone"] != WORLD:
        steps.append(f"time zone: {name}")
        return Place(row["zone"], f"time zone {name}")
    seen = f"the time zone {name} tells no country" if name else "there is no time zone to go by"
    steps.append(f"time zone: {seen}")
    zone, locale = home.locale(environ)
    if zone is not None:
        steps.append(f"locale: {locale}")
        return Place(
            zone,
            f"locale {locale}",
            f"the grid zone is a guess by the locale {locale} ({seen}); give --zone to be right",
        )
    return Place(
        WORLD,
        "none",
        f"the grid zone is unknown ({seen}): the world's average is used; give --zone to be right",
    )


def _site(region: Region | None, cloud: Cloud | None) -> str | None:
    """The kind of site that follows, if the table of sites has it."""
    name = region.provider if region is not None else cloud.provider if cloud is not None else None
    name = CALLED.get(name or "", name)
    if name is None or tables.find("sites", name) is not None:
        return name
    return UNPUBLISHED


def _doubt(region: Region) -> str | None:
    if region.confidence == SURE:
        return None
    return f"which grid {region.name} is in is not sure: {region.location or 'not published'}; give --zone"


def _name(region: Region | None) -> str | None:
    return region.name if region is not None else None


def _placed(place: Place, steps: list[str]) -> Place:
    return replace(place, steps=tuple(steps))


def _where(settings: Settings) -> str:
    origin = settings.origin["region"]
    return "--region" if origin == "flag" else f"region ({origin})"
