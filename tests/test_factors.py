"""The page of factors is what the tables say, and a damaged table is said, never used in silence."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import embodied, facility, grid, place, surroundings, tables
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.grid import explain, table
from energywrap.model import Place
from energywrap.power_model import Described

ROOT = Path(__file__).parents[1]
MAKE = ROOT / "docs" / "make_factors.py"
PAGE = ROOT / "docs" / "factors.md"
DATA = Path(tables.FOLDER)
VALUES = {  # the column that a table is there for
    "grid": "g_per_kwh",
    "crosscheck": "ember_2026",
    "sites": "pue",
    "cloud_regions": "zone",
    "embodied": "kg_co2e",
    "network_storage": "value",
    "grid_water": "l_per_kwh",
    "wue": "l_per_kwh",
    "fuels": "lifecycle_median_g_per_kwh",
    "equivalents": "kwh",
    "sources": "title",
}


def read(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def listed(key: str, value: str) -> list[str]:
    """The lines of the page that give this value for that key."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(f"| {key} | ") and f" | {value} | " in line]


def test_the_page_of_factors_is_made_from_the_tables() -> None:
    done = subprocess.run(
        [sys.executable, str(MAKE), "--check"], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", VALUES)
def test_every_row_of_a_table_is_on_the_page(name: str) -> None:
    for row in read(name):
        key = next(iter(row.values()))
        assert listed(key, row[VALUES[name]]), row


@pytest.mark.parametrize("name", ["sites", "embodied", "network_storage", "wue", "fuels", "equivalents"])
def test_what_was_not_read_again_is_marked(name: str) -> None:
    for row in read(name):
        lines = listed(next(iter(row.values())), row[VALUES[name]])
        assert lines
        if "recall" in row["verified"]:
            assert any("**unverified**" in line for line in lines), row


def test_the_figures_of_a_region_from_a_source_that_was_not_opened_are_marked() -> None:
    rows = [row for row in read("cloud_regions") if row["source_id"] == "ovh-universal-registration-doc"]

    assert rows
    assert all("**unverified**" in listed(row["region"], row["zone"])[0] for row in rows)


def test_a_zone_of_the_page_has_the_band_of_reports() -> None:
    found = table.zone("US-CAMX", "a test")

    assert f" {found.low_g_per_kwh:.4g} to {found.high_g_per_kwh:.4g} " in listed("US-CAMX", "195.037")[0]


DAMAGES: dict[str, Callable[[str], str]] = {
    "cut off": lambda text: text[: len(text) // 2],
    "a column too few": lambda text: text.replace("\t", "", 1),
    "a cell too many": lambda text: text.rstrip("\n") + "\tx\n",
    "no numbers": lambda text: text.replace(".", ","),
    "empty": lambda text: "",
    "another table": lambda text: "a\tb\nc\td\n",
    "bad bytes": lambda text: "\udcff" + text,
    "not a number": lambda text: text.replace("41.45", "nan").replace("217.41", "-5"),
}


def everything() -> None:
    """What a run needs of the tables."""
    settings = resolve({"zone": "FR", "region": "aws:eu-west-1"}, {}, "/nonexistent")
    where = place.resolve(settings, {"TZ": "Europe/Paris"}, "/nonexistent", "/nonexistent")
    found = grid.lookup(settings, where)
    assert found.g_per_kwh == 41.45  # never something else in silence
    assert facility.resolve(settings, where).pue == 1.11
    assert list(table.search(""))
    machine = Described(threads=8, virtual=False)
    assert embodied.resolve(settings, machine, (), 1.0, "/nonexistent").machine.kg > 0
    assert surroundings.factors(Place("FR", "flag"), 1.0, 0).network.factor.value == 0.059


@contextmanager
def damaged(name: str, text: bytes) -> Iterator[Path]:
    """The tables somewhere else, one of them with this text."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for path in DATA.glob("*.tsv"):
            shutil.copy(path, folder)
        path = Path(folder, f"{name}.tsv")
        path.write_bytes(text)
        patch.setattr(tables, "FOLDER", folder)
        yield path


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["grid", "cloud_regions", "sites", "embodied", "network_storage", "sources"])
def test_a_damaged_table_is_named_and_never_used(name: str, damage: str) -> None:
    text = DAMAGES[damage]((DATA / f"{name}.tsv").read_text(encoding="utf-8"))

    refused = None
    with damaged(name, text.encode("utf-8", "surrogateescape")) as path:
        try:
            everything()
        except UserError as mistake:
            refused = mistake
        assert refused is None or str(path) in refused.message
    assert refused is None or "install" in (refused.hint or "")


def explained(zone: str) -> list[object] | UserError:
    """All that is said of a zone, by the table and by its explanation; or why nothing is."""
    try:
        code = explain.exact(zone)
        return [table.zone(zone, "a test"), explain.explain(code or zone)]
    except UserError as mistake:
        return mistake


ASKED = ("FR", "UK", "AU-NSW", "US-CAMX", "CA-QC", "SE-SE3", "WORLD")
GOOD = {zone: explained(zone) for zone in ASKED}
WRONG = ("nan", "-1", "inf", "1e400", "x", "1,5", "\u00e9")
NUMBERS = {  # columns in which a wrong number, or key, is to be seen
    "grid": ("g_per_kwh", "year", "upstream_g_per_kwh"),
    "crosscheck": ("ember_2026", "ember_2025", "official"),
    "sources": ("source_id",),
    "zone_aliases": ("zone",),
}


@st.composite
def structures(draw: st.DrawFn, name: str) -> bytes:
    """A table that has lost a cell, a column, a number, its head or all, or has bytes that are no text."""
    rows = [line.split("\t") for line in (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()]
    at, column = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(rows[0]) - 1))
    kind = draw(st.sampled_from(["cell", "column", "number", "head", "empty", "bytes"]))
    if kind == "cell":
        rows[at].pop(column)
    elif kind == "column":
        rows = [[*row[:column], *row[column + 1 :]] for row in rows]
    elif kind == "number" and at:
        rows[at][rows[0].index(draw(st.sampled_from(NUMBERS[name])))] = draw(st.sampled_from(WRONG))
    elif kind == "head":
        rows = rows[1:]
    text = "".join("\t".join(row) + "\n" for row in rows).encode()
    if kind == "bytes":
        at = draw(st.integers(0, len(text)))
        text = text[:at] + b"\xff\xfe" + text[at:]
    return b"" if kind == "empty" else text


@pytest.mark.parametrize("name", NUMBERS)
@given(drawn=st.data())
def test_a_zone_is_what_it_was_or_the_damage_is_named(name: str, drawn: st.DataObject) -> None:
    with damaged(name, drawn.draw(structures(name))) as path:
        for zone in ASKED:
            found = explained(zone)
            if not isinstance(found, UserError):
                assert found == GOOD[zone]
            elif name == "zone_aliases" and zone == "UK" and "unknown zone" in found.message:
                pass  # the row of this name is gone, and nothing tells that there was one
            else:
                assert " is damaged: " in found.message
                assert str(path) in found.message or name == "zone_aliases"  # which leads to no zone
                assert found.hint == "install energywrap again"


@given(part=st.floats(0, 0.97))
def test_of_a_grid_that_was_cut_off_no_zone_is_called_unknown_and_no_list_is_shown(part: float) -> None:
    text = (DATA / "grid.tsv").read_bytes()
    with damaged("grid", text[: int(part * text.index(b"\nWORLD\t"))]) as path:
        for ask in (lambda: table.zone("ZW", "a test"), lambda: list(table.search("land"))):
            with pytest.raises(UserError) as refused:
                ask()
            assert f"{path} is damaged" in refused.value.message


@pytest.mark.parametrize("zone", ["FR", "US-CAMX"])
def test_a_source_that_was_lost_is_not_left_out_in_silence(zone: str) -> None:
    head = (DATA / "sources.tsv").read_bytes().splitlines(keepends=True)[0]
    settings = resolve({"zone": zone}, {}, "/nonexistent")
    with damaged("sources", head), pytest.raises(UserError, match=r"sources\.tsv is damaged: it has no row"):
        grid.lookup(settings, Place(zone, "flag"))


@pytest.mark.parametrize("name", ["grid", "crosscheck", "sources", "zone_aliases", "sites", "cloud_regions"])
@given(part=st.floats(0, 1))
def test_a_table_that_was_cut_off_within_a_row_is_never_used(name: str, part: float) -> None:
    whole = (DATA / f"{name}.tsv").read_bytes()
    with damaged(name, whole[: int(part * (len(whole) - 1))].rstrip(b"\n")) as path:
        for ask in (lambda: tables.find(name, "no such key"), lambda: list(tables.rows(name))):
            with pytest.raises(UserError) as refused:
                ask()
            assert f"{path} is damaged" in refused.value.message
