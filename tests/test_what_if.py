"""A report reckoned anew: by its own energy and trace, with other factors."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commandline import energywrap
from conftest import Energywrap
from energywrap import what_if
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.model import Live, RunReport, Slot
from energywrap.record import replace
from energywrap.what_if import Supposed
from fakes.web import say, service

SWEDEN = 35.35
IN_FRANCE = ("-z", "FR", "--pue", "1.5", "--include", "embodied", "--per", "image=100")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a run in France, at a PUE of 1.5."""
    folder = tmp_path_factory.mktemp("what-if")
    ran = Energywrap(folder)(*IN_FRANCE, "python3", "-c", "sum(range(3_000_000))")
    path = folder / "saved.json"
    path.write_text(json.dumps(ran.report))
    return path


def loaded(path: Path) -> RunReport:
    return document.parse(path.read_text(), str(path))


def supposed(repeat: float = 1.0, **given_all: str) -> Supposed:
    return Supposed(resolve(given_all, {}, "/nonexistent"), repeat)


def totals(report: RunReport) -> dict[str, float]:
    """The totals by scope."""
    return {line.scope: line.value for line in report.footprint if line.name == "total"}


def test_nothing_supposed_changes_nothing(saved: Path) -> None:
    before = loaded(saved)
    after = what_if.recompute(before, supposed(include="embodied"))

    for name, scope in before.scopes.items():
        assert after.scopes[name].co2e_g == pytest.approx(scope.co2e_g)
        assert after.scopes[name].co2e_high_g == pytest.approx(scope.co2e_high_g)
    assert totals(after) == pytest.approx(totals(before))
    assert before.sci is not None
    assert after.sci is not None
    assert after.sci.g_per_unit == pytest.approx(before.sci.g_per_unit)
    assert after.carbon.zone == "FR"
    assert after.grade.letter == before.grade.letter


def test_elsewhere_the_energy_stays_and_the_grid_changes(saved: Path) -> None:
    before = loaded(saved)
    after = what_if.recompute(before, supposed(zone="SE"))

    machine, old = after.scopes["machine"], before.scopes["machine"]
    assert machine.energy_j == old.energy_j
    assert machine.co2e_g == pytest.approx((machine.energy_j or 0) / 3.6e6 * 1.5 * SWEDEN)
    assert after.carbon.zone == "SE"
    assert after.carbon.pue == 1.5


def test_a_region_brings_its_own_pue_and_a_given_one_wins(saved: Path) -> None:
    before = loaded(saved)

    assert what_if.recompute(before, supposed(region="aws:ap-south-1")).carbon.pue == 1.42
    assert what_if.recompute(before, supposed(region="aws:ap-south-1", pue="1.1")).carbon.pue == 1.1
    assert what_if.recompute(before, supposed(site="average")).carbon.pue == 1.54


@given(repeat=st.floats(0.5, 1e7))
def test_many_runs_are_as_many_times_one(saved: Path, repeat: float) -> None:
    before = loaded(saved)
    one, many = (what_if.recompute(before, supposed(n, include="embodied")) for n in (1.0, repeat))

    for name, total in totals(one).items():
        assert totals(many)[name] == pytest.approx(total * repeat)
    assert one.sci is not None
    assert many.sci is not None
    assert many.sci.g_per_unit == pytest.approx(one.sci.g_per_unit)


def test_at_another_time_each_slot_weighs_by_the_trace(saved: Path) -> None:
    before = loaded(saved)
    slot = Slot(0.0, 86400.0, 77.0, "forecast")
    live = Live("neso", "GB", "direct", "CO2", "consumption", "s", "l", 0.0, False, (slot,))
    settings = resolve({}, {}, "/nonexistent")
    after = what_if.recompute(before, Supposed(settings, 1.0, live, 3600.0))

    assert after.carbon.intensity_g_per_kwh == pytest.approx(77.0)
    assert after.carbon.boundary == "direct"


def test_ones_own_making_and_lifetime_count(saved: Path) -> None:
    before = loaded(saved)
    one = what_if.recompute(before, supposed(embodied_kg="1000", lifetime_years="4"))
    longer = what_if.recompute(before, supposed(embodied_kg="1000", lifetime_years="8"))
    made = [
        next(line.value for line in report.footprint if (line.scope, line.name) == ("machine", "embodied"))
        for report in (one, longer)
    ]

    assert made[0] == pytest.approx(2 * made[1])


def test_a_report_without_an_energy_has_nothing_to_reckon_with(saved: Path) -> None:
    before = loaded(saved)
    empty = replace(before.scopes["machine"], energy_j=None)
    with pytest.raises(UserError, match="holds no energy"):
        what_if.recompute(replace(before, scopes={**before.scopes, "machine": empty}), supposed())


def test_the_command_shows_both_side_by_side_and_json_is_a_whole_report(saved: Path, tmp_path: Path) -> None:
    words = ("what-if", str(saved), "--zone", "SE", "--pue", "1.1", "--repeat", "10000")
    shown = energywrap(*words, cwd=tmp_path)
    plain: dict[str, Any] = json.loads(energywrap(*words, "--json", cwd=tmp_path).out)

    assert shown.status == 0
    assert "CO2e, machine" in shown.out
    assert "FR 41.45 g/kWh x PUE 1.5 -> SE 35.35 g/kWh x PUE 1.1" in shown.err
    assert plain["carbon"]["zone"] == "SE"
    document.parse(json.dumps(plain), "what-if")


def test_values_of_different_boundaries_are_never_ranked_in_silence(saved: Path, tmp_path: Path) -> None:
    shown = energywrap("what-if", str(saved), "--zone", "CA-QC", cwd=tmp_path)

    assert "different boundaries" in shown.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--zone", "XX"), "unknown zone 'XX'"),
        (("--repeat", "0"), "is no number above 0"),
        (("--repeat", "nan"), "is no number above 0"),
        (("--pue", "0.5"), "--pue = 0.5 is out of range"),
        (("--region", "mars:1"), "unknown cloud region"),
        (("--include", "cooling"), "no line that can be included"),
    ],
)
def test_what_cannot_be_supposed_is_one_line_and_status_2(
    words: tuple[str, ...], complaint: str, saved: Path, tmp_path: Path
) -> None:
    shown = energywrap("what-if", str(saved), *words, cwd=tmp_path)

    assert shown.status == 2
    assert complaint in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"schema_version": 1}', "\0"])
def test_what_is_no_report_is_one_line_and_status_2(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    if text is not None:
        path.write_text(text)
    shown = energywrap("what-if", str(path), cwd=tmp_path)

    assert shown.status == 2
    assert "r.json" in shown.err
    assert shown.err.count("\n") == 1


def test_at_another_time_the_provider_of_that_grid_is_asked(saved: Path, tmp_path: Path) -> None:
    start = datetime(2026, 11, 20, 2, 0, tzinfo=timezone.utc)
    entry = {
        "from": start.isoformat(),
        "to": (start + timedelta(hours=1)).isoformat(),
        "intensity": {"actual": 60, "forecast": 70},
    }
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        say(request, json.dumps({"data": [entry]}).encode())

    with service(answer) as base:
        words = ("what-if", str(saved), "-z", "GB", "--grid", "neso", "--at", start.isoformat(), "--json")
        changes = {"ENERGYWRAP_GRID_BASE_URL": base, "XDG_CACHE_HOME": str(tmp_path)}
        plain = json.loads(energywrap(*words, cwd=tmp_path, changes=changes).out)

    assert asked[0].startswith("/intensity/2026-11-20T02:00Z/")
    assert plain["carbon"]["intensity_g_per_kwh"] == 60


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--at", "2026-11-20T02:00"), "--at means nothing without a live provider"),
        (("--grid", "neso", "--at", "tomorrow"), "--at 'tomorrow' is no time"),
        (("--grid", "neso"), "neso cannot be asked: it knows Great Britain alone"),
    ],
)
def test_a_time_that_nobody_can_be_asked_for_is_refused(
    words: tuple[str, ...], complaint: str, saved: Path, tmp_path: Path
) -> None:
    shown = energywrap("what-if", str(saved), *words, cwd=tmp_path)

    assert (shown.status, complaint in shown.err) == (2, True)
