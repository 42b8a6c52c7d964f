"""Providers of other packages: found when they are named, and whatever goes wrong inside stays there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.grid import live, providers
from energywrap.grid.client import NoLive
from energywrap.model import Place
from fakes.gridserver import HOUR, NOW, client

GERMANY = Place("DE", "flag")
Install = Callable[..., None]
MINE = """
from energywrap.errors import UserError
from energywrap.model import Live, Slot

def live(*slots, **given):
    usual = dict(provider="x", zone="z", boundary="direct", gas="CO2", accounting="production", source="s",
                 licence="l", fetched_at_s=0.0, cached=True, slots=slots)
    return Live(**{{**usual, **given}})

class Ugly(Exception):
    def __str__(self):
        raise RuntimeError

class Mine:
    name, title, forecasts = "mine", "my own", False
    def zone_of(self, place, wanted):
        {zone}
    def fetch(self, client, zone, from_s, to_s):
        {fetch}
    {more}
"""
GOOD = "return live(Slot(from_s, to_s, 77.0, 'actual'))"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package that brings a provider called `mine`."""

    def install(
        fetch: str = GOOD,
        zone: str = "return wanted or place.zone",
        more: str = "",
        points: str | None = None,
    ) -> None:
        (tmp_path / "mine_grid.py").write_text(MINE.format(fetch=fetch, zone=zone, more=more))
        meta = tmp_path / "mine_grid-1.0.dist-info"
        meta.mkdir()
        (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-grid\nVersion: 1.0\n")
        (meta / "entry_points.txt").write_text(points or "[energywrap.grid]\nmine = mine_grid:Mine\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    sys.modules.pop("mine_grid", None)


def test_another_package_can_bring_a_provider(package: Install) -> None:
    package()
    found = providers.provider("mine", "--grid")
    answer = found.fetch(client("http://x"), found.zone_of(GERMANY, None), NOW, NOW + HOUR)

    assert (answer.provider, answer.zone, answer.fetched_at_s, answer.cached) == ("mine", "DE", NOW, False)
    assert [(slot.g_per_kwh, slot.kind) for slot in answer.slots] == [(77.0, "actual")]


def test_a_name_that_nobody_brings_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match="there is no live provider 'moon'") as refused:
        live.check(resolve({"grid": "moon"}, {}, "/nonexistent"))

    assert refused.value.hint == "one of energy-charts, neso, electricity-maps"


@pytest.mark.parametrize(
    "fetch",
    [
        "raise RuntimeError('x')", "raise SystemExit", "raise Ugly", "return 5", "return None",
        "return live(5)", "return live(slots=5)", "return live()", "return Live(*'abcdefghi', (1,))",
        "return live(Slot(from_s, to_s, 77.0, 'actual'), boundary=None)",
        "return live(Slot(from_s, to_s, 77.0, 'imagined'))", "return live(Slot(from_s, to_s, 77.0, []))",
        "return live(Slot(from_s, to_s, '77', 'actual'))", "return live(Slot(to_s, from_s, 77.0, 'actual'))",
        "return live(Slot(None, to_s, 77.0, 'actual'))", "return live(Slot(0, 1e99, 77.0, 'actual'))",
    ],
)  # fmt: skip
def test_whatever_goes_wrong_in_it_is_one_reason(fetch: str, package: Install) -> None:
    package(fetch)
    with pytest.raises(NoLive) as refused:
        providers.provider("mine", "--grid").fetch(client("http://x"), "DE", NOW, NOW + HOUR)

    assert "\n" not in refused.value.reason


def test_a_value_that_makes_no_sense_costs_itself_alone(package: Install) -> None:
    package(
        "return live(Slot(from_s, from_s + 900, -1.0, 'actual'), Slot(from_s + 900, to_s, 77.0, 'forecast'))"
    )
    asking = client("http://x")
    answer = providers.provider("mine", "--grid").fetch(asking, "DE", NOW, NOW + HOUR)

    assert len(answer.slots) == 1
    assert asking.remark == "1 of 2 values made no sense and are left out"


def test_a_place_that_it_fails_on_is_one_reason(package: Install) -> None:
    package(zone="raise KeyError(place.zone)")
    with pytest.raises(NoLive, match="it fails on the place: KeyError: 'DE'"):
        providers.provider("mine", "--grid").zone_of(GERMANY, None)


def test_it_may_refuse_before_the_command_starts(package: Install) -> None:
    package(more="def check(self, wanted): raise UserError(f'no {wanted}')")
    with pytest.raises(UserError, match="no moon"):
        live.check(resolve({"grid": "mine:moon"}, {}, "/nonexistent"))


def test_its_own_mistakes_before_the_command_starts_are_said(package: Install) -> None:
    package(more="def check(self, wanted): raise SystemExit(3)")
    with pytest.raises(UserError, match="the provider 'mine' fails: SystemExit: 3"):
        live.check(resolve({"grid": "mine"}, {}, "/nonexistent"))


@pytest.mark.parametrize(
    "points",
    [
        "[energywrap.grid]\nmine = mine_grid:Missing\n",
        "[energywrap.grid]\nmine = no_such_module:Mine\n",
        "[energywrap.grid]\nmine = mine_grid:GOOD\n",
        "[energywrap.grid]\nmine = !!!\n",
        "[energywrap.grid]\nmine = mine_grid:live\n",
    ],
)
def test_what_cannot_be_loaded_is_said(points: str, package: Install) -> None:
    package(points=points)
    with pytest.raises(UserError, match="mine") as refused:
        live.check(resolve({"grid": "mine"}, {}, "/nonexistent"))

    assert "\n" not in refused.value.line()


def test_metadata_that_cannot_be_read_is_said(package: Install) -> None:
    package(points="this is no list of entry points\n")
    with pytest.raises(UserError, match="mine"):
        providers.provider("mine", "--grid")


def test_no_package_is_looked_for_where_the_provider_is_built_in(package: Install) -> None:
    package(points="this is no list of entry points\n")

    live.check(resolve({"grid": "neso"}, {}, "/nonexistent"))
