"""The carbon intensity is the table's, exactly, or the user's, exactly; an unknown zone is refused kindly."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from energywrap import grid, place, tables
from energywrap.config import Settings, resolve
from energywrap.errors import UserError
from energywrap.grid import table
from energywrap.model import CarbonIntensity

DATA = Path(table.__file__).parents[1] / "data"
COUNTRIES = "WORLD FR DE GB US CN IN BR ZA AU JP CA PL SE NO IS DK NZ SG AE KE"
PARTS = "US-CA US-TX US-VA US-WA CA-QC CA-ON SE-SE3 NO-NO1 AU-NSW"
ZONES = [*COUNTRIES.split(), *PARTS.split()]


def read(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


GRID = {row["zone"]: row for row in read("grid")}
CHOSEN = [zone for zone in ZONES if zone in GRID]
ALIASES = read("zone_aliases")


def lookup(**given: str) -> CarbonIntensity:
    settings: Settings = resolve(given, {}, "/nonexistent")
    return grid.lookup(settings, place.resolve(settings, {"TZ": "Europe/Paris"}))


def refusal(zone: str) -> str:
    with pytest.raises(UserError) as refused:
        lookup(zone=zone)
    assert "\n" not in refused.value.line()
    return refused.value.line()


def test_the_chosen_zones_are_thirty() -> None:
    assert CHOSEN == ZONES
    assert len(ZONES) == 30


@pytest.mark.parametrize("zone", CHOSEN)
def test_a_zone_has_the_value_and_the_labels_of_its_row(zone: str) -> None:
    row, found = GRID[zone], lookup(zone=zone)

    assert found.g_per_kwh == float(row["g_per_kwh"])
    assert (found.zone, found.name, found.boundary) == (zone, row["name"], row["boundary"])
    assert (found.gas, found.accounting, found.quality) == (row["gas"], row["accounting"], row["quality"])
    assert found.source.endswith(f"({row['source_id']})")
    assert found.licence == row["licence"]
    assert found.year == (int(row["year"]) if row["year"] else None)


def test_every_row_becomes_an_intensity_inside_its_band() -> None:
    for found in table.search(""):
        row = GRID[found.zone]
        assert found.g_per_kwh == float(row["g_per_kwh"])
        assert found.low_g_per_kwh <= found.g_per_kwh <= found.high_g_per_kwh


def test_the_band_of_a_direct_value_reaches_what_it_would_be_with_its_upstream_part() -> None:
    known = {zone: row for zone, row in GRID.items() if row["upstream_g_per_kwh"]}

    assert {row["level"] for row in known.values()} == {"egrid_subregion", "subdivision"}
    assert len(known) == 27 + 8
    for zone, row in known.items():
        found, whole = lookup(zone=zone), float(row["g_per_kwh"]) + float(row["upstream_g_per_kwh"])
        assert found.g_per_kwh == float(row["g_per_kwh"])
        assert found.high_g_per_kwh >= whole
        assert found.caution is not None
        assert found.caution.startswith("direct: with fuel supply and ")
        assert found.caution.endswith(f" about {whole:.0f} g/kWh")


def test_nothing_is_said_of_an_upstream_part_that_is_not_known() -> None:
    cautions = {zone: lookup(zone=zone).caution for zone in GRID if not GRID[zone]["upstream_g_per_kwh"]}
    known = {zone for zone, row in GRID.items() if row["default"] == "no" or float(row["g_per_kwh"]) == 0}

    assert {zone for zone, caution in cautions.items() if caution} == known


@pytest.mark.parametrize("column", ["boundary", "gas", "accounting"])
@pytest.mark.parametrize("label", ["", "Direct", "?"])
def test_a_label_that_nobody_knows_is_a_damage(column: str, label: str) -> None:
    row = tables.Row({**GRID["FR"], column: label})
    row.table = "grid"

    with pytest.raises(UserError, match=rf"grid\.tsv is damaged: {column}"):
        table.intensity(row)


def test_no_zones_electricity_is_said_to_be_free_of_carbon_beyond_doubt() -> None:
    assert [found.zone for found in table.search("") if found.high_g_per_kwh <= 0] == []


@pytest.mark.parametrize("zone", ["fr", "Fr", " FR ", "us-ca", "Us-Ca"])
def test_case_and_blanks_do_not_matter(zone: str) -> None:
    assert lookup(zone=zone).zone == zone.strip().upper()


def test_every_alias_leads_to_its_zone() -> None:
    for row in ALIASES:
        assert table.zone(row["alias"], "a test").zone == row["zone"]
        assert table.zone(row["alias"].lower(), "a test").zone == row["zone"]


@pytest.mark.parametrize(("alias", "zone"), [("FRA", "FR"), ("deu", "DE"), ("USA", "US"), ("UK", "GB")])
def test_common_other_codes_are_known(alias: str, zone: str) -> None:
    assert lookup(zone=alias).zone == zone


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("Germany", "DE (Germany)"),
        ("germny", "DE (Germany)"),
        ("france", "FR (France)"),
        ("california", "US-CA (California)"),
    ],
)
def test_a_name_in_place_of_a_code_is_answered_with_the_code(wrong: str, hint: str) -> None:
    line = refusal(wrong)

    assert line.startswith(f"unknown zone {wrong!r} (--zone); did you mean ")
    assert hint in line


@pytest.mark.parametrize("wrong", ["zzzz", "XX", "\x1b[31m", "FR\nDE", "-", "*"])
def test_any_other_zone_is_refused_with_the_way_to_find_one(wrong: str) -> None:
    line = refusal(wrong)

    assert repr(wrong) in line
    assert "energywrap zones" in line
    assert "\x1b" not in line


def test_an_unknown_zone_names_the_file_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "energywrap.toml").write_text('zone = "Atlantis"\n')
    settings = resolve({}, {}, str(tmp_path))

    with pytest.raises(UserError, match=r"energywrap\.toml"):
        grid.lookup(settings, place.resolve(settings, {}))


def test_the_users_own_figure_takes_the_place_of_the_tables_and_of_its_labels() -> None:
    found = lookup(zone="FR", intensity="28.5")

    assert (found.zone, found.name) == ("FR", "France")
    assert (found.low_g_per_kwh, found.g_per_kwh, found.high_g_per_kwh) == (28.5, 28.5, 28.5)
    assert (found.year, found.boundary, found.quality) == (None, "not stated", "given")
    assert found.source == "given by the user (flag)"


def test_electricity_without_any_carbon_is_possible() -> None:
    assert lookup(zone="FR", intensity="0").g_per_kwh == 0.0


def test_a_figure_of_ones_own_does_not_excuse_an_unknown_zone() -> None:
    with pytest.raises(UserError, match="unknown zone"):
        lookup(zone="Atlantis", intensity="30")


@pytest.mark.parametrize(
    ("zone", "part"),
    [
        ("FR", table.FRESH_BAND),  # reported, life cycle, of the newest year
        ("AE", table.OLDER_BAND),  # a year older
        ("WORLD", table.BORROWED_BAND),  # where the machine stands is not known
        ("AD", table.BORROWED_BAND),  # a neighbour's value
    ],
)
def test_the_band_widens_with_the_age_and_the_kind_of_a_value(zone: str, part: float) -> None:
    found = lookup(zone=zone)

    assert found.low_g_per_kwh == pytest.approx(found.g_per_kwh * (1 - part))
    assert found.high_g_per_kwh == pytest.approx(found.g_per_kwh * (1 + part))


def test_a_value_without_the_fuels_supply_is_never_called_fresh() -> None:
    direct = [row for row in GRID.values() if row["boundary"] == "direct"]

    assert direct != []
    assert min(table.band(tables.Row(row)) for row in direct) >= table.OLDER_BAND


def test_a_search_finds_codes_by_their_beginning_and_names_by_any_part() -> None:
    assert "US-CA" in {found.zone for found in table.search("us-c")}
    assert {found.zone for found in table.search("Kingdom")} == {"GB"}
    assert "GB" in {found.zone for found in table.search("uk")}
    assert len(list(table.search(""))) == len(GRID)
    assert list(table.search("no such place")) == []
