"""The grid zone comes from the user, else from the time zone, else it is the world's and the user is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from energywrap import grid, place, tables
from energywrap.config import Settings, resolve
from energywrap.model import Place


def settings(**given: str) -> Settings:
    return resolve(given, {}, "/nonexistent")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return tmp_path


def test_a_given_zone_counts_before_any_time_zone(etc: Path) -> None:
    found = place.resolve(settings(zone="SE-SE3"), {"TZ": "Europe/Paris"}, str(etc))

    assert (found.zone, found.evidence, found.warning) == ("SE-SE3", "flag", None)


@pytest.mark.parametrize("name", ["Europe/Paris", ":Europe/Paris", "/usr/share/zoneinfo/Europe/Paris"])
def test_the_variable_tz_tells_the_country(name: str, etc: Path) -> None:
    (etc / "timezone").write_text("Asia/Tokyo\n")

    found = place.resolve(settings(), {"TZ": name}, str(etc))

    assert (found.zone, found.evidence, found.warning) == ("FR", "time zone Europe/Paris", None)


def test_else_the_file_timezone_tells_it(etc: Path) -> None:
    (etc / "timezone").write_text("Asia/Tokyo\n")
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Europe/Paris")

    assert place.resolve(settings(), {}, str(etc)).zone == "JP"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe\n"])
def test_else_the_link_localtime_tells_it(content: bytes | None, etc: Path) -> None:
    if content is not None:
        (etc / "timezone").write_bytes(content)
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/America/Sao_Paulo")

    assert place.resolve(settings(), {"TZ": ""}, str(etc)).zone == "BR"


def test_a_link_may_lead_through_other_links(etc: Path) -> None:
    zoneinfo = etc / "share" / "zoneinfo" / "Europe"
    zoneinfo.mkdir(parents=True)
    (zoneinfo / "Berlin").write_bytes(b"TZif")
    (etc / "middle").symlink_to(zoneinfo / "Berlin")
    (etc / "localtime").symlink_to("middle")

    assert place.time_zone({}, str(etc)) == "Europe/Berlin"


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "CET-1CEST", "Moon/Tranquility", "../../etc/passwd"])
def test_a_time_zone_that_tells_no_country_is_named_in_a_warning(name: str, etc: Path) -> None:
    found = place.resolve(settings(), {"TZ": name}, str(etc))

    assert (found.zone, found.evidence) == ("WORLD", "none")
    assert found.warning is not None
    assert name in found.warning
    assert "--zone" in found.warning


def test_a_machine_without_a_time_zone_is_somewhere_in_the_world(etc: Path) -> None:
    (etc / "localtime").write_bytes(b"TZif")  # a copy, as some images have it, tells no name

    found = place.resolve(settings(), {}, str(etc))

    assert (found.zone, found.evidence) == ("WORLD", "none")
    assert found.warning is not None
    assert "no time zone" in found.warning


def test_every_time_zone_of_the_table_leads_to_an_intensity(etc: Path) -> None:
    zones = {row["zone"] for row in tables.rows("timezones")}

    for zone in sorted(zones):
        assert grid.lookup(settings(zone=zone), Place(zone, "a test")).zone == zone
