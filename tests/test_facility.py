"""The facility's share comes from the user's PUE, exactly, or from the usual one of the site's kind."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from energywrap import facility
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.model import Facility, Place

DATA = Path(facility.__file__).parent / "data" / "sites.tsv"
with DATA.open(encoding="utf-8", newline="") as file:
    SITES = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def decide(**given: str) -> Facility:
    return facility.resolve(resolve(given, {}, "/nonexistent"))


def test_a_machine_of_which_nothing_is_said_has_no_facility() -> None:
    found = decide()

    assert (found.low, found.pue, found.high) == (1.0, 1.0, 1.0)
    assert "local" in found.evidence
    assert "default" in found.evidence


@pytest.mark.parametrize("row", SITES, ids=lambda row: row["site"])
def test_a_kind_of_site_has_the_pue_of_its_row_with_its_range(row: dict[str, str]) -> None:
    found = decide(site=row["site"])

    assert (found.low, found.pue, found.high) == (float(row["low"]), float(row["pue"]), float(row["high"]))
    assert 1 <= found.low <= found.pue <= found.high
    assert row["site"] in found.evidence
    assert "flag" in found.evidence


def test_the_users_own_pue_beats_the_site_and_has_no_range() -> None:
    found = decide(site="aws", pue="1.37")

    assert (found.low, found.pue, found.high) == (1.37, 1.37, 1.37)
    assert "flag" in found.evidence


def test_an_unknown_site_is_refused_with_all_that_are_known() -> None:
    with pytest.raises(UserError, match=r"unknown site 'moon' \(--site\)") as refusal:
        decide(site="moon")

    assert [row["site"] for row in SITES if row["site"] not in refusal.value.line()] == []


def litres(site: str, zone: str) -> float | None:
    """The water of a kind of site somewhere."""
    settings = resolve({"site": site}, {}, "/nonexistent")
    return facility.resolve(settings, Place(zone, "a test")).wue_l_per_kwh


@pytest.mark.parametrize(
    ("site", "zone", "l_per_kwh"),
    [
        ("aws", "US-CAMX", 0.13),
        ("aws", "PL", 0.04),
        ("aws", "JP", 0.98),
        ("azure", "BR", 0.34),
        ("azure", "uk", 0.03),
        ("azure", "AE", 0.03),
        ("azure", "ZA", 0.03),
        ("azure", "AU-VIC", 0.25),
        ("github-hosted", "US", 0.34),
        ("average", "US-SRVC", 0.36),
        ("gcp", "FI", 0.99),
        ("ovh", "FR", 0.37),
        ("local", "WORLD", 0.0),
    ],
)
def test_the_water_of_a_site_is_its_providers_in_that_part_of_the_world(
    site: str, zone: str, l_per_kwh: float
) -> None:
    assert litres(site, zone) == l_per_kwh


@pytest.mark.parametrize(
    ("site", "zone"),
    [("aws", "CN"), ("aws", "BR"), ("aws", "ZA"), ("aws", "WORLD"), ("azure", "WORLD"), ("average", "FR"),
     ("server-room", "US"), ("oci", "US-SRVC"), ("scaleway", "FR")],
)  # fmt: skip
def test_where_no_water_is_published_none_is_claimed(site: str, zone: str) -> None:
    assert litres(site, zone) is None


def test_a_site_that_was_recognised_is_said_to_be() -> None:
    found = facility.resolve(resolve({}, {}, "/nonexistent"), Place("FR", "a test", site="aws"))

    assert (found.pue, found.evidence) == (1.15, "site aws, recognised")
    assert found.wue_l_per_kwh == 0.04
