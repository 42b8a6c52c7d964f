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
    from collections.abc import Iterable, Mapping

    from energywrap.config import Settings
    from energywrap.place.firmware import Cloud
    from energywrap.place.regions import Region

__all__ = ["ask", "check", "resolve", "time_zone"]

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
    """The grid zone and, in a cloud, the region and the kind of site. Raises UserError for a bad region.

    By flag or file, the provider's variables, firmware, CI service, time zone, locale, else the world: the
    first that can tell decides, and a region found after a zone that was given still tells the site.
    """
    region, how, steps = _region(settings, environ)
    cloud, seen = firmware.look(sysfs or settings.sysfs_root)
    steps += seen
    if region is None:
        region, seen = ci.look(environ)
        how = "CI service"
        steps += seen
    askable = cloud is not None and cloud.tells_region and not settings.detect_cloud
    if region is None and askable:
        steps.append("metadata: not asked for the region; --detect-cloud allows it")
    site = _site(region, cloud)
    if settings.zone is not None:
        origin = settings.origin["zone"]
        name = region.name if region is not None else None
        return Place(settings.zone, origin, None, name, site, (f"zone: {origin}", *steps))
    if region is not None:
        return _inside(region, how, site, steps)
    found, seen = home.look(environ, etc, "--zone, or --detect-cloud," if askable else "--zone")
    return replace(found, site=site, steps=(*steps, *seen))


def ask(
    settings: Settings,
    environ: Mapping[str, str],
    found: Place,
    *,
    endpoints: Mapping[str, str] | None = None,
    sysfs: str | None = None,
) -> Place:
    """The place with what the cloud's link-local metadata service says of the region, if there is one.

    Asked only on machines whose firmware names a cloud, within 250 ms and by no proxy. Raises nothing because
    of the network: what goes wrong is a step of the search.
    """
    if found.region is not None and found.region.partition(":")[0] not in ci.UNFIXED:
        return found  # it is known
    cloud, _ = firmware.look(sysfs or settings.sysfs_root)
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
    return _inside(region, "metadata", site, steps)


def _region(settings: Settings, environ: Mapping[str, str]) -> tuple[Region | None, str, list[str]]:
    """As given, else by the provider's variables; how it is known, and what was seen."""
    if settings.region is not None:
        found = regions.named(settings.region, _where(settings))
        return found, "given", [f"region: {settings.origin['region']}"]
    region, steps = environment.look(environ)
    return region, "environment", steps


def _inside(region: Region, how: str, site: str | None, steps: Iterable[str]) -> Place:
    evidence = f"cloud region {region.name} ({how})"
    return Place(region.zone, evidence, _doubt(region), region.name, site, tuple(steps))


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


def _where(settings: Settings) -> str:
    origin = settings.origin["region"]
    return "--region" if origin == "flag" else f"region ({origin})"
