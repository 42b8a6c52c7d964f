"""The page of factors is what the tables say, and a damaged table is said, never used in silence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from energywrap import embodied, facility, grid, place, surroundings, tables
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.grid import table
from energywrap.model import Place
from energywrap.power_model import Described

ROOT = Path(__file__).parents[1]
MAKE = ROOT / "docs" / "make_factors.py"


def test_the_page_of_factors_is_made_from_the_tables() -> None:
    done = subprocess.run(
        [sys.executable, str(MAKE), "--check"], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_was_not_read_again_is_marked() -> None:
    text = (ROOT / "docs" / "factors.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| server-room |")]

    assert rows
    assert all("**unverified**" in row for row in rows)


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


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["grid", "cloud_regions", "sites", "embodied", "network_storage", "sources"])
def test_a_damaged_table_is_named_and_never_used(
    name: str, damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(tables.FOLDER, folder)
    path = folder / f"{name}.tsv"
    text = DAMAGES[damage](path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(tables, "FOLDER", str(folder))

    refused = None
    try:
        everything()
    except UserError as mistake:
        refused = mistake
    assert refused is None or str(path) in refused.message
    assert refused is None or "install" in (refused.hint or "")
