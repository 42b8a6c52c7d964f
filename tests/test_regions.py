"""The regions of the clouds: each in a zone of the grid, found by its exact name or not at all."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import facility, tables
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.model import Place
from energywrap.place import areas, regions


def rows(name: str) -> list[dict[str, str]]:
    """A table as it stands in its file."""
    path = Path(tables.FOLDER) / f"{name}.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


REGIONS = {row["region"]: row for row in rows("cloud_regions")}
GRID = {row["zone"]: row for row in rows("grid")}
SITES = {row["site"]: row for row in rows("sites")}
COUNTED = {"aws": 39, "azure": 73, "gcp": 45, "oci": 41, "ovh": 15, "hetzner": 6, "scaleway": 4,
           "github-hosted": 2, "gitlab-saas": 1}  # fmt: skip
UNFIXED = {"github-hosted:*", "github-hosted:macos"}
PUBLISHED_BY_AREA = [  # the provider's figure for the part of the world, not for the region
    name
    for name, row in REGIONS.items()
    if row["wue_l_per_kwh"] and (name.startswith("azure:") or row["note"] == "PUE at area level")
]


def test_the_regions_are_all_there_and_in_order() -> None:
    providers = [name.partition(":")[0] for name in REGIONS]

    assert {name: providers.count(name) for name in providers} == COUNTED
    assert list(REGIONS) == sorted(REGIONS)


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_is_as_the_table_has_it(name: str) -> None:
    row = REGIONS[name]
    found = regions.find(f" {name.upper()} ")

    assert found == regions.named(name, "--region")
    assert found is not None
    assert (found.name, found.zone, found.location) == (name, row["zone"], row["location"])
    assert found.pue == (float(row["pue"]) if row["pue"] else None)
    assert found.wue_l_per_kwh == (float(row["wue_l_per_kwh"]) if row["wue_l_per_kwh"] else None)
    assert (found.pue is None) == (found.year == "")
    assert found.zone in GRID


def test_a_region_in_the_us_is_in_a_subregion_of_its_grid_unless_it_is_not_fixed() -> None:
    american = {name for name, row in REGIONS.items() if row["zone"].partition("-")[0] == "US"}
    levels = {GRID[REGIONS[name]["zone"]]["level"] for name in american - UNFIXED}

    assert levels == {"egrid_subregion"}
    assert {REGIONS[name]["zone"] for name in UNFIXED} == {"US"}


@pytest.mark.parametrize(
    ("name", "zone"),
    [("aws:us-east-1", "US-SRVC"), ("aws:us-east-2", "US-RFCW"), ("aws:us-west-1", "US-CAMX"),
     ("aws:us-west-2", "US-NWPP"), ("gcp:us-central1", "US-MROW"), ("gcp:us-west4", "US-AZNM"),
     ("azure:westus2", "US-NWPP"), ("azure:westcentralus", "US-RMPA"), ("azure:northeurope", "IE")],
)  # fmt: skip
def test_a_region_is_where_others_have_it_wrong(name: str, zone: str) -> None:
    assert REGIONS[name]["zone"] == zone


@pytest.mark.parametrize("name", REGIONS)
def test_the_pue_of_a_region_lies_in_a_range_that_holds_its_providers(name: str) -> None:
    row, region = REGIONS[name], regions.named(name, "--region")
    site = {"gitlab-saas": "gcp"}.get(region.provider, region.provider)
    usual = SITES.get(site, SITES["average"])
    settings = resolve({"region": name}, {}, "/nonexistent")
    found = facility.resolve(settings, Place(region.zone, "a test", region=name, site=usual["site"]))

    assert found.pue == float(row["pue"] or usual["pue"])
    assert found.low <= min(found.pue, float(usual["low"]))
    assert found.high >= max(found.pue, float(usual["high"]))
    assert found.evidence == (
        f"region {name}, {row['pue_year']}" if row["pue"] else f"site {usual['site']}, recognised"
    )


@pytest.mark.parametrize("name", PUBLISHED_BY_AREA)
def test_the_water_of_a_part_of_the_world_is_that_of_the_regions_in_it(name: str) -> None:
    region = regions.named(name, "--region")
    settings = resolve({"site": region.provider}, {}, "/nonexistent")

    assert facility.resolve(settings, Place(region.zone, "a test")).wue_l_per_kwh == region.wue_l_per_kwh


def test_a_name_needs_its_provider_where_several_have_it() -> None:
    assert regions.named("US-East-1", "--region").name == "aws:us-east-1"
    with pytest.raises(UserError, match=r"--region: several clouds have a region 'hil'") as refused:
        regions.named("hil", "--region")
    assert refused.value.hint == "one of hetzner:hil, ovh:hil"


@given(st.one_of(st.text(max_size=40), st.sampled_from(sorted(REGIONS)).map(lambda name: name[:-1])))
def test_a_name_is_found_exactly_or_refused_in_one_line(name: str) -> None:
    key = name.strip().lower()
    ends = [known for known in REGIONS if known.partition(":")[2] == key]
    if key in REGIONS or len(ends) == 1:
        assert regions.named(name, "--region").name in {key, *ends}
        return
    with pytest.raises(UserError) as refused:
        regions.named(name, "region (file x)")
    assert refused.value.message.startswith("region (file x): ")
    assert refused.value.hint


@pytest.mark.parametrize(
    ("zone", "code", "part"),
    [
        ("uk", "GB", areas.EUROPE),
        ("ES", "ES", areas.EUROPE),  # whose first time zone is Ceuta's
        ("US-CAMX", "US", areas.AMERICA),
        ("SE-SE3", "SE", areas.EUROPE),
        ("AU-NSW", "AU", areas.ASIA),
        ("IL", "IL", areas.WEST_ASIA),
        ("ZA", "ZA", areas.AFRICA),
        ("WORLD", "WORLD", None),
        ("", "", None),
    ],
)
def test_a_zone_tells_its_part_of_the_world(zone: str, code: str, part: str | None) -> None:
    assert areas.country(zone) == code
    assert areas.part(code) == part
