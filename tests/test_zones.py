"""A zone is explained by the tables alone: its value, its labels, what else there is, who disagrees."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from commandline import energywrap
from energywrap import facility, place
from energywrap.cli.zones import zones
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.grid import explain, lookup, table
from energywrap.model import CarbonIntensity

DATA = Path(table.__file__).parents[1] / "data"
CODES = (
    "WORLD EU FR DE GB US CN IN BR ZA AU JP CA PL SE NO IS DK NZ SG US-CA US-SRVC US-CAMX CA-QC CA-ON "
    "SE-SE3 IT-NO AU-NSW IN-DL MC"
)
ZONES = CODES.split()
KEYS = (
    "zone name intensity_g_per_kwh low_g_per_kwh high_g_per_kwh boundary gas_basis accounting year quality "
    "source source_title source_url licence upstream_g_per_kwh alternatives disagreement notes"
)


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
    published = SOURCES[GRID[zone]["source_id"]]
    told = (found.source_title, found.source_publisher, found.source_url)
    assert told == (published["title"], published["publisher"], published["url"])
    assert found.alternatives or zone == "WORLD"
    assert found.parent == (GRID[zone]["parent"] or None)
    assert bool(found.disagreement) == (explain.USUAL not in found.notes) == (zone in CROSSCHECK)
    assert not GRID[zone]["note"] or GRID[zone]["note"] in found.notes


@pytest.mark.parametrize("zone", GRID)
def test_what_counts_differently_is_never_to_be_ranked(zone: str) -> None:
    found, official = explain.explain(zone), CROSSCHECK.get(zone, {}).get("official_basis", "")
    near = {row["boundary"] for row in GRID.values() if zone != "WORLD" and row["parent"] == zone}
    near |= {GRID[found.parent]["boundary"]} if found.parent else set()

    mixed = near - {GRID[zone]["boundary"]} or "direct" in official or "scope 2" in official
    assert (explain.RANKING in found.notes) == bool(mixed)


@pytest.mark.parametrize("zone", ["US", "SE", "CA", "US-CAMX"])
def test_every_part_of_a_zone_and_the_zone_above_are_alternatives(zone: str) -> None:
    parts = {row["zone"] for row in GRID.values() if zone in (row["parent"], row["zone"])} - {zone}
    shown = {other.zone for other in explain.explain(zone).alternatives} - {zone}

    assert shown == parts | {GRID[zone]["parent"]}


def test_what_is_direct_says_what_it_would_be_over_the_life_cycle() -> None:
    found = explain.explain("US-CAMX")

    assert found.upstream_g_per_kwh is not None
    whole = found.intensity.g_per_kwh + found.upstream_g_per_kwh
    assert found.alternatives[0].g_per_kwh == pytest.approx(whole)
    assert found.intensity.high_g_per_kwh >= whole
    assert "direct: with fuel supply and plants about 269 g/kWh" in found.notes


def test_the_upstream_part_of_australia_holds_no_plants_and_is_no_life_cycle() -> None:
    other = explain.explain("AU-NSW").alternatives[0]

    assert (other.g_per_kwh, other.boundary) == (630, "scope 2 and 3")
    assert "grid losses" in other.why


@pytest.mark.parametrize("zone", ["US-CA", "CA-QC"])
def test_where_the_upstream_part_is_not_known_that_is_said(zone: str) -> None:
    found = explain.explain(zone)

    assert found.upstream_g_per_kwh is None
    assert explain.UNKNOWN in found.notes


def test_a_borrowed_value_says_whose_it_is() -> None:
    assert any("neighbour's, ES" in note for note in explain.explain("AD").notes)
    assert any("zone above's, SE" in note for note in explain.explain("SE-SE3").notes)


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


@pytest.mark.parametrize("row", read("zone_aliases").values(), ids=lambda row: row["alias"])
def test_another_name_and_the_code_are_explained_alike(row: dict[str, str]) -> None:
    code = explain.exact(row["alias"])

    assert code == row["zone"]
    assert explain.explain(row["alias"]) == explain.explain(code)


@pytest.mark.parametrize("text", ["", " ", "Franc", "US-", "aws", "\t", "FR\tFrance"])
def test_a_part_of_a_name_is_no_code(text: str) -> None:
    assert explain.exact(text) is None


def test_an_unknown_zone_is_not_explained() -> None:
    with pytest.raises(UserError, match="unknown zone 'Atlantis'"):
        explain.explain("Atlantis")


def test_the_json_of_a_zone_has_every_key(tmp_path: Path) -> None:
    shown = json.loads(energywrap("zones", "GB", "--json", cwd=tmp_path).out)

    assert shown.keys() == set(KEYS.split())
    assert shown["zone"] == "GB"
    assert shown["intensity_g_per_kwh"] == float(GRID["GB"]["g_per_kwh"])
    assert (shown["boundary"], shown["gas_basis"], shown["accounting"]) == ("lifecycle", "CO2e", "production")
    assert shown["licence"] == "CC-BY-4.0"
    assert {one["publisher"] for one in shown["disagreement"]} >= {"official", "Ember, 2026 releases"}


def test_many_zones_are_a_list_in_json(tmp_path: Path) -> None:
    shown = json.loads(energywrap("zones", "Swed", "--json", cwd=tmp_path).out)

    assert [one["zone"] for one in shown] == ["SE", "SE-SE1", "SE-SE2", "SE-SE3", "SE-SE4"]


def test_for_a_pipe_an_explanation_is_keys_and_values(tmp_path: Path) -> None:
    shown = energywrap("zones", "CA-QC", cwd=tmp_path)
    pairs = [line.split(": ", 1) for line in shown.out.splitlines()]

    assert (shown.status, shown.err) == (0, "")
    assert ["boundary", "direct"] in pairs
    assert ["part of", "CA"] in pairs
    assert {len(pair) for pair in pairs} == {2}
    assert "never rank" in shown.out


def test_for_a_person_an_explanation_is_aligned(tmp_path: Path) -> None:
    other, ours = os.openpty()
    with os.fdopen(ours, "wb") as terminal, os.fdopen(other, "rb") as screen:
        done = energywrap("zones", "CA-QC", cwd=tmp_path, stdout=terminal)
        lines = screen.read1(100_000).decode().splitlines()

    assert (done.status, done.err) == (0, "")
    assert "boundary    direct" in [line.rstrip() for line in lines]
    assert {line[10:12] for line in lines} == {"  "}


@pytest.mark.parametrize("zone", ZONES)
def test_an_explanation_holds_the_tables_value(zone: str, capsys: pytest.CaptureFixture[str]) -> None:
    zones(zone)
    told = dict(line.split(": ", 1) for line in reversed(capsys.readouterr().out.splitlines()))

    assert float(told["intensity"].split()[0]) == float(GRID[zone]["g_per_kwh"])
    assert told["accounting"] == GRID[zone]["accounting"]
    assert SOURCES[GRID[zone]["source_id"]]["publisher"] in told["source"]
    zones(zone, json=True)
    assert json.loads(capsys.readouterr().out)["intensity_g_per_kwh"] == float(GRID[zone]["g_per_kwh"])


def test_a_cloud_region_leads_to_its_zone(tmp_path: Path) -> None:
    done = energywrap("zones", "aws:eu-west-1", cwd=tmp_path)
    plain = energywrap("zones", "AWS:EU-WEST-1", "--json", cwd=tmp_path)
    unknown = energywrap("zones", "aws:eu-nowhere-1", cwd=tmp_path)

    assert done.complaint == f"aws:eu-west-1 ({REGIONS['aws:eu-west-1']['location']}) lies in the zone IE"
    assert done.out.startswith("zone: IE, Ireland\n")
    assert json.loads(plain.out)["zone"] == "IE"
    assert unknown.status == 2
    assert "no zone matches 'aws:eu-nowhere-1'" in unknown.complaint
