"""A zone is explained by the tables alone: its value, its labels, what else there is, who disagrees."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from commandline import energywrap
from energywrap import facility, place
from energywrap.config import resolve
from energywrap.grid import explain, lookup, table
from energywrap.model import CarbonIntensity

DATA = Path(table.__file__).parents[1] / "data"
CODES = (
    "WORLD EU FR DE GB US CN IN BR ZA AU JP CA PL SE NO IS DK NZ SG US-CA US-SRVC US-CAMX CA-QC CA-ON "
    "SE-SE3 IT-NO AU-NSW IN-DL MC"
)
ZONES = CODES.split()


def read(name: str) -> dict[str, dict[str, str]]:
    """A table by its first column, read without our own reader."""
    with (DATA / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {next(iter(row.values())): row for row in rows}


GRID, CROSSCHECK, REGIONS, SOURCES, SITES = map(
    read, ("grid", "crosscheck", "cloud_regions", "sources", "sites")
)
SITE_OF = {"hetzner": "average"}  # no figure is published
NAMES = (
    "aws:us-east-1 aws:us-east-2 aws:us-west-1 aws:us-west-2 aws:eu-west-1 aws:eu-central-1 aws:ap-south-1 "
    "aws:ca-central-1 gcp:us-central1 gcp:us-west4 gcp:europe-west1 gcp:europe-north1 azure:westus2 "
    "azure:westcentralus azure:northeurope azure:eastus azure:swedencentral oci:us-ashburn-1 ovh:gra "
    "hetzner:fsn1"
)
CLOUDS = NAMES.split()


def of_place(**given: str) -> tuple[CarbonIntensity, str | None]:
    """The intensity of a place, and the region."""
    settings = resolve(given, {}, "/nonexistent")
    where = place.resolve(settings, {}, "/nonexistent", "/nonexistent")
    return lookup(settings, where), where.region


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_has_the_tables_value_and_labels(zone: str) -> None:
    row = GRID[zone]
    found, _ = of_place(zone=zone)

    assert found.g_per_kwh == float(row["g_per_kwh"])
    assert (found.boundary, found.gas, found.accounting) == (row["boundary"], row["gas"], row["accounting"])
    assert found.year == (int(row["year"]) if row["year"] else None)
    assert found.low_g_per_kwh <= found.g_per_kwh <= found.high_g_per_kwh


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_region_has_the_tables_zone_and_that_zones_value(name: str) -> None:
    row = REGIONS[name]
    found, region = of_place(region=name)

    assert region == name
    assert found.zone == row["zone"]
    assert found.g_per_kwh == float(GRID[row["zone"]]["g_per_kwh"])
    assert found.boundary == GRID[row["zone"]]["boundary"]
    settings = resolve({"region": name}, {}, "/nonexistent")
    site = facility.resolve(settings, place.resolve(settings, {}, "/nonexistent", "/nonexistent"))
    usual = SITES[SITE_OF.get(name.partition(":")[0], name.partition(":")[0])]["pue"]
    assert site.pue == float(row["pue"] or usual)
    assert site.wue_l_per_kwh == (float(row["wue_l_per_kwh"]) if row["wue_l_per_kwh"] else site.wue_l_per_kwh)


def test_regions_in_the_us_are_in_subregions_of_the_grid() -> None:
    american = [row for name, row in REGIONS.items() if row["zone"].startswith("US-")]

    assert len(REGIONS) == 226
    assert len(american) > 25
    assert {GRID[row["zone"]]["level"] for row in american} == {"egrid_subregion"}


@pytest.mark.parametrize("zone", GRID)
def test_every_zone_can_be_explained(zone: str) -> None:
    found = explain.explain(zone)

    assert found.intensity.zone == zone
    assert found.source_title == SOURCES[GRID[zone]["source_id"]]["title"]
    assert found.alternatives or zone == "WORLD"
    mixed = {other.boundary for other in found.alternatives} - {found.intensity.boundary}
    assert (explain.RANKING in found.notes) == bool(mixed)


def test_what_is_direct_says_what_it_would_be_over_the_life_cycle() -> None:
    found = explain.explain("US-CAMX")

    assert found.upstream_g_per_kwh is not None
    whole = found.intensity.g_per_kwh + found.upstream_g_per_kwh
    assert found.alternatives[0].g_per_kwh == pytest.approx(whole)
    assert found.intensity.high_g_per_kwh >= whole
    assert any("direct" in note for note in found.notes)


@pytest.mark.parametrize("zone", CROSSCHECK)
def test_publishers_that_disagree_are_named_with_the_ratio(zone: str) -> None:
    found = explain.explain(zone)
    official = [opinion for opinion in found.disagreement if opinion.publisher == "official"]

    assert len(found.disagreement) >= 4
    assert bool(official) == bool(CROSSCHECK[zone]["official"])
    for opinion in found.disagreement:
        assert opinion.ratio == pytest.approx(opinion.g_per_kwh / found.intensity.g_per_kwh)


def test_a_zone_of_which_one_publisher_speaks_has_the_usual_disagreement_said() -> None:
    assert explain.USUAL in explain.explain("NG").notes


@pytest.mark.parametrize(("name", "code"), [("uk", "GB"), ("FRA", "FR"), ("fr", "FR"), ("EL", "GR")])
def test_a_zone_answers_to_its_other_names(name: str, code: str, tmp_path: Path) -> None:
    by_name, by_code = (energywrap("zones", word, "--json", cwd=tmp_path).out for word in (name, code))

    assert by_name == by_code


def test_the_json_of_a_zone_has_every_key(tmp_path: Path) -> None:
    shown = json.loads(energywrap("zones", "GB", "--json", cwd=tmp_path).out)

    assert shown["zone"] == "GB"
    assert shown["intensity_g_per_kwh"] == float(GRID["GB"]["g_per_kwh"])
    assert (shown["boundary"], shown["gas_basis"], shown["accounting"]) == ("lifecycle", "CO2e", "production")
    assert shown["licence"] == "CC-BY-4.0"
    assert {one["publisher"] for one in shown["disagreement"]} >= {"official", "Ember, 2026 releases"}


def test_many_zones_are_a_list_in_json(tmp_path: Path) -> None:
    shown = json.loads(energywrap("zones", "Swed", "--json", cwd=tmp_path).out)

    assert [one["zone"] for one in shown] == ["SE", "SE-SE1", "SE-SE2", "SE-SE3", "SE-SE4"]


def test_an_explanation_is_plain_lines(tmp_path: Path) -> None:
    shown = energywrap("zones", "CA-QC", cwd=tmp_path)

    assert (shown.status, shown.err) == (0, "")
    assert "boundary:    direct" in shown.out
    assert "never rank" in shown.out
