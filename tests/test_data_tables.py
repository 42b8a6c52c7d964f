"""The bundled tables are whole, consistent with each other and openly licensed."""

import math
import re
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "energywrap" / "data"

Row = dict[str, str]

COLUMNS = {
    "grid.tsv": "zone name level parent g_per_kwh boundary gas accounting year upstream_g_per_kwh"
    " quality default source_id licence note",
    "zone_aliases.tsv": "alias zone why",
    "timezones.tsv": "tz zone hint",
    "sites.tsv": "site label provider pue low high year source_id verified note",
    "equivalents.tsv": "id label kwh source_id verified note",
    "embodied.tsv": "id item unit kg_co2e low high lifetime_years source_id verified note",
    "network_storage.tsv": "id what unit value low high scope source_id verified note",
    "grid_water.tsv": "zone l_per_kwh level source_id licence",
    "wue.tsv": "id scope l_per_kwh year source_id verified note",
    "crosscheck.tsv": "zone ember_2026 ember_year ember_2025 ember_2025_year owid_2026 codecarbon_2023"
    " official official_basis",
    "fuels.tsv": "fuel direct_g_per_kwh lifecycle_median_g_per_kwh lifecycle_min lifecycle_max source_id"
    " verified",
    "cloud_regions.tsv": "region zone location pue pue_year wue_l_per_kwh source_id confidence note",
    "sources.tsv": "source_id title publisher url licence obtained_from note",
}
OPEN_LICENCES = {"CC-BY-4.0", "OGL-Canada-2.0", "public-domain"}
LABELS = {
    "level": {"world", "country", "subdivision", "egrid_subregion", "price_zone"},
    "boundary": {"lifecycle", "direct"},
    "gas": {"CO2e"},
    "accounting": {"production", "consumption"},
    "default": {"yes", "optional", "no"},
}
VERIFIED = {"file", "page", "calc", "recall"}
FUEL_RANGE = ("lifecycle_min", "lifecycle_max")
UNSORTED = {"sites.tsv", "equivalents.tsv"}  # from the least to the most
GRAMS_PER_POUND = 453.59237


def table(name: str) -> list[Row]:
    header, *lines = (DATA / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    columns = header.split("\t")
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]


GRID = {row["zone"]: row for row in table("grid.tsv")}
BORROWED = [row for row in GRID.values() if row["quality"] != "reported"]


def test_every_table_is_here_and_named_in_the_sources() -> None:
    assert {path.name for path in DATA.glob("*.tsv")} >= set(COLUMNS)

    sources = (DATA / "SOURCES.md").read_text(encoding="utf-8")
    assert [name for name in COLUMNS if name not in sources] == []


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_is_plain_tab_separated_text(name: str) -> None:
    raw = (DATA / name).read_bytes()
    header, *lines = raw.decode("utf-8").removesuffix("\n").split("\n")

    assert raw.endswith(b"\n")
    assert b"\r" not in raw
    assert b'"' not in raw
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert header.split("\t") == COLUMNS[name].split()
    assert [line for line in lines if line.count("\t") != header.count("\t")] == []
    assert [cell for line in lines for cell in line.split("\t") if cell != cell.strip()] == []


@pytest.mark.parametrize("name", COLUMNS)
def test_the_key_of_a_table_is_unique_and_never_empty(name: str) -> None:
    keys = [next(iter(row.values())) for row in table(name)]

    assert keys
    assert all(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", sorted(COLUMNS.keys() - UNSORTED))
def test_a_table_is_in_order_of_its_key(name: str) -> None:
    keys = [next(iter(row.values())) for row in table(name)]

    assert keys == sorted(keys)


def test_there_are_at_least_400_zones() -> None:
    assert len(GRID) >= 400


def test_every_intensity_is_a_finite_number_not_below_zero() -> None:
    values = [row["g_per_kwh"] for row in GRID.values()]
    values += [row["upstream_g_per_kwh"] for row in GRID.values() if row["upstream_g_per_kwh"]]

    assert [value for value in values if not (math.isfinite(float(value)) and float(value) >= 0)] == []


@pytest.mark.parametrize("column", LABELS)
def test_a_label_of_a_zone_is_one_of_a_known_set(column: str) -> None:
    assert {row[column] for row in GRID.values()} == LABELS[column]


def test_every_zone_has_a_name_an_open_licence_and_a_plausible_year() -> None:
    assert [zone for zone, row in GRID.items() if not row["name"]] == []
    assert {row["licence"] for row in GRID.values()} == OPEN_LICENCES
    assert {row["year"] for row in GRID.values()} <= {"", "2022", "2023", "2024", "2025", "2026"}


def test_the_licence_of_a_zone_is_the_licence_of_its_source() -> None:
    licences = {row["source_id"]: row["licence"] for row in table("sources.tsv")}

    assert [zone for zone, row in GRID.items() if row["licence"] != licences[row["source_id"]]] == []


def test_upstream_is_given_only_beside_a_direct_value() -> None:
    boundaries = {row["boundary"] for row in GRID.values() if row["upstream_g_per_kwh"]}

    assert boundaries == {"direct"}


def test_every_zone_but_the_world_has_a_parent_in_the_table() -> None:
    assert [zone for zone, row in GRID.items() if not row["parent"]] == ["WORLD"]
    assert {row["parent"] for row in GRID.values() if row["parent"]} <= GRID.keys()


@pytest.mark.parametrize("row", BORROWED, ids=lambda row: row["zone"])
def test_a_borrowed_value_equals_its_origin(row: Row) -> None:
    how, _, origin = row["quality"].partition(":")
    columns = GRID[origin].keys() - {"zone", "name", "level", "parent", "quality", "default", "note"}

    assert how in {"proxy", "inherited"}
    assert GRID[origin]["quality"] == "reported"
    assert how == "proxy" or origin == row["parent"]
    assert {key: row[key] for key in columns} == {key: GRID[origin][key] for key in columns}


def test_chinese_provinces_carry_the_national_value_and_are_no_default() -> None:
    provinces = [row for row in GRID.values() if row["parent"] == "CN"]

    assert len(provinces) == 30
    assert {(row["quality"], row["default"]) for row in provinces} == {("inherited:CN", "no")}


def test_egrid_subregions_agree_with_the_pounds_per_mwh_in_their_note() -> None:
    pounds = {
        zone: re.match(r"([\d.]+) lb/MWh", row["note"])
        for zone, row in GRID.items()
        if row["level"] == "egrid_subregion"
    }
    g_per_kwh = {zone: float(m[1]) * GRAMS_PER_POUND / 1000 for zone, m in pounds.items() if m}

    assert len(g_per_kwh) == 27
    assert g_per_kwh == pytest.approx({zone: float(GRID[zone]["g_per_kwh"]) for zone in g_per_kwh}, abs=0.001)


@pytest.mark.parametrize(
    ("zone", "g_per_kwh", "boundary", "year"),
    [
        ("FR", "41.45", "lifecycle", "2025"),
        ("WORLD", "458.49", "lifecycle", "2025"),
        ("CA-QC", "2.565", "direct", "2024"),
        ("US-CAMX", "195.037", "direct", "2023"),
    ],
)
def test_a_known_zone_has_its_published_value(zone: str, g_per_kwh: str, boundary: str, year: str) -> None:
    row = GRID[zone]

    assert (row["g_per_kwh"], row["boundary"], row["year"]) == (g_per_kwh, boundary, year)


def test_every_alias_leads_to_a_zone_and_hides_none() -> None:
    aliases = table("zone_aliases.tsv")

    assert [row["alias"] for row in aliases if row["zone"] not in GRID] == []
    assert [row["alias"] for row in aliases if row["alias"] in GRID] == []
    assert {row["alias"]: row["zone"] for row in aliases}["UK"] == "GB"


def test_every_time_zone_leads_to_a_zone_and_its_hint_lies_inside_it() -> None:
    for row in table("timezones.tsv"):
        assert row["zone"] in GRID, row
        assert not row["hint"] or GRID[row["hint"]]["parent"] == row["zone"], row


def test_every_source_resolves_and_every_listed_source_is_used() -> None:
    sourced = [name for name, columns in COLUMNS.items() if "source_id" in columns and name != "sources.tsv"]
    used = {row["source_id"] for name in sourced for row in table(name)}

    assert used == {row["source_id"] for row in table("sources.tsv")}
    assert [row["source_id"] for row in table("sources.tsv") if not row["title"]] == []


@pytest.mark.parametrize("row", table("sites.tsv"), ids=lambda row: row["site"])
def test_a_site_has_a_pue_inside_its_range(row: Row) -> None:
    assert 1 <= float(row["low"]) <= float(row["pue"]) <= float(row["high"]) < math.inf
    assert row["label"]
    assert row["verified"] in VERIFIED


@pytest.mark.parametrize("row", table("equivalents.tsv"), ids=lambda row: row["id"])
def test_an_equivalent_takes_some_energy(row: Row) -> None:
    assert 0 < float(row["kwh"]) < math.inf
    assert row["label"]
    assert row["verified"] in VERIFIED


def test_a_brain_runs_on_20_watts() -> None:
    kwh = {row["id"]: float(row["kwh"]) for row in table("equivalents.tsv")}

    assert kwh["brain"] == pytest.approx(20 * 3600 / 3.6e6)
    assert kwh["brain-day"] == pytest.approx(24 * kwh["brain"])


def test_the_crosscheck_agrees_with_the_table_that_is_used() -> None:
    for row in table("crosscheck.tsv"):
        assert float(row["ember_2026"]) == float(GRID[row["zone"]]["g_per_kwh"])
        assert row["ember_year"] == GRID[row["zone"]]["year"]


@pytest.mark.parametrize("name", ["embodied.tsv", "network_storage.tsv"])
def test_the_range_of_a_factor_holds_its_value(name: str) -> None:
    value = {"embodied.tsv": "kg_co2e", "network_storage.tsv": "value"}[name]
    for row in table(name):
        low, middle, high = (float(row[column] or row[value]) for column in ("low", value, "high"))
        assert 0 <= low <= middle <= high, row["id"]
        assert row["verified"] in VERIFIED


def test_every_region_is_in_a_zone_of_the_grid_and_plausible() -> None:
    aliases = {row["alias"]: row["zone"] for row in table("zone_aliases.tsv")}
    for row in table("cloud_regions.tsv"):
        assert aliases.get(row["zone"], row["zone"]) in GRID, row["region"]
        assert row["region"] == row["region"].lower()
        assert row["confidence"] in {"high", "medium", "low"}
        assert not row["pue"] or 1 <= float(row["pue"]) <= 2
        assert not row["wue_l_per_kwh"] or 0 <= float(row["wue_l_per_kwh"]) <= 5


def test_the_water_of_a_grid_is_a_number_of_litres() -> None:
    values = [float(row["l_per_kwh"]) for row in table("grid_water.tsv")]

    assert all(0 <= value < 50 for value in values)
    assert {row["zone"] for row in table("grid_water.tsv")} <= GRID.keys()


def test_a_bound_never_stands_alone() -> None:
    own = ("low", "high")
    ranges = {"embodied.tsv": own, "network_storage.tsv": own, "sites.tsv": own, "fuels.tsv": FUEL_RANGE}
    for name, (low, high) in ranges.items():
        assert [row for row in table(name) if bool(row[low]) != bool(row[high])] == []


def test_the_range_of_a_fuel_holds_its_median() -> None:
    for row in table("fuels.tsv"):
        low, high = (row[column] or row["lifecycle_median_g_per_kwh"] for column in FUEL_RANGE)
        assert 0 <= float(low) <= float(row["lifecycle_median_g_per_kwh"]) <= float(high)
        assert set(re.findall("file|page|calc|recall", row["verified"])) <= VERIFIED
        assert row["verified"]


def test_what_is_made_lasts_for_years() -> None:
    assert {row["lifetime_years"] for row in table("embodied.tsv")} <= {"", "2.5", "3", "4", "5", "6", "6.6"}


def test_the_water_of_a_site_is_a_number_of_litres() -> None:
    for row in table("wue.tsv"):
        assert 0 <= float(row["l_per_kwh"]) < 5
        assert row["verified"] in VERIFIED


def test_every_figure_of_the_crosscheck_is_plausible_and_official_ones_have_a_basis() -> None:
    figures = ("ember_2026", "ember_2025", "owid_2026", "codecarbon_2023", "official")
    for row in table("crosscheck.tsv"):
        assert [name for name in figures if row[name] and not 0 < float(row[name]) < 1000] == []
        assert bool(row["official"]) == bool(row["official_basis"])
        assert row["ember_2025_year"] == "2024"


def test_what_is_under_a_share_alike_licence_for_databases_is_in_no_table() -> None:
    everything = "".join((DATA / name).read_text(encoding="utf-8") for name in COLUMNS)

    assert "odbl" not in everything.lower()
    assert not any("electricity_maps" in columns for columns in COLUMNS.values())


def test_a_fuel_emits_no_more_at_its_stack_than_over_its_life() -> None:
    for row in table("fuels.tsv"):
        direct, life = float(row["direct_g_per_kwh"]), float(row["lifecycle_median_g_per_kwh"])
        assert 0 <= direct <= life
