"""The idle machine: measured, kept, and taken off what a command used."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Energywrap
from energywrap import baseline
from energywrap.config import Settings, resolve
from energywrap.errors import UserError
from energywrap.model import Baseline, Idle
from energywrap.record import replace
from fakes import powercap
from fakes.scenario import Scenario, Zone, dump
from fakes.tree import Tree, write_tree

WATTS = 40.0
SCENARIO = Scenario({"intel-rapl": {"0": Zone("package-0", [[0, WATTS]])}})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A machine with one package counter that stands still until it is set."""
    return write_tree(tmp_path / "sys", SCENARIO)


def settings(tmp_path: Path) -> Settings:
    """Settings that look for hardware in the tree only."""
    return resolve({"sysfs_root": str(tmp_path / "sys")}, {}, "/")


class Power:
    """A pause in which the counter goes on at a steady power."""

    def __init__(self, tree: Tree, watts: float) -> None:
        self._tree, self._watts, self._began_s = tree, watts, time.monotonic()

    def __call__(self, seconds: float) -> None:
        time.sleep(0.02)
        self._tree.set("intel-rapl:0", int(1e6 * self._watts * (time.monotonic() - self._began_s)))


def test_the_baseline_is_the_mean_power_of_each_measured_channel(tmp_path: Path, tree: Tree) -> None:
    found = baseline.measure(settings(tmp_path), 0.5, Power(tree, WATTS))

    assert list(found.idle) == ["rapl:intel-rapl:0"]
    assert found.idle["rapl:intel-rapl:0"].watts == pytest.approx(WATTS, rel=0.1)
    assert found.seconds >= 0.5
    assert found.how.startswith("measured over")


def test_a_machine_whose_counters_stand_still_has_no_baseline(tmp_path: Path, tree: Tree) -> None:
    with pytest.raises(UserError, match="no counter moved"):
        baseline.measure(settings(tmp_path), 0.1, lambda seconds: time.sleep(0.02))


def test_a_machine_without_counters_has_no_baseline(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    with pytest.raises(UserError, match="no counter or meter can be read"):
        baseline.measure(settings(tmp_path), 0.1)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=100))
def test_the_spread_encloses_the_mean(watts: list[float]) -> None:
    found = baseline.spread(watts)

    assert found.low_w <= found.watts * (1 + 1e-9)
    assert found.watts <= found.high_w * (1 + 1e-9) + 1e-12


def test_a_few_slices_are_trusted_to_a_tenth() -> None:
    assert baseline.spread([10.0, 10.0]) == Idle(10.0, 9.0, 11.0)


def test_what_was_kept_is_found_again_with_its_age(tmp_path: Path, tree: Tree) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    made = baseline.measure(settings(tmp_path), 0.1, Power(tree, WATTS))
    made = replace(made, taken_at_s=time.time() - 3 * 86400)
    baseline.save(made, environ)
    found = baseline.load(environ)

    assert found is not None
    assert found.idle == made.idle
    assert found.how.endswith(", 3 days ago")


def test_nothing_kept_or_rubbish_is_no_baseline(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert baseline.load(environ) is None
    path = Path(baseline.save(Baseline(0.0, 1.0, "once", {}, {}, 0.0, {}, {}, "some CPU", 2), environ))
    path.write_text('{"idle"')
    assert baseline.load(environ) is None


@pytest.mark.skipif(powercap.why_not() is not None, reason=str(powercap.why_not()))
def test_a_run_after_a_calibration_shows_what_was_above_idle(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    steady = Scenario({"intel-rapl": {"0": Zone("package-0", [[0, WATTS]])}})
    scenario.write_text(dump(steady))
    wrap = Energywrap(tmp_path)
    without = wrap("sleep", "1", scenario=scenario).report
    calibrate = (wrap.program, "calibrate", "--seconds", "2", "--idle-only", "--anyway")
    kept = subprocess.run(
        powercap.command(scenario, *calibrate), env=wrap.env, capture_output=True, text=True, check=True
    ).stdout
    after = wrap("sleep", "1", scenario=scenario).report

    assert "W (" in kept
    assert "marginal" not in without["scopes"]
    marginal, whole = after["scopes"]["marginal"], after["scopes"]["machine"]
    assert 0 <= marginal["energy_j"] <= 0.2 * whole["energy_j"]
    assert "idle baseline (measured over" in marginal["method"]


@pytest.mark.skipif(powercap.why_not() is not None, reason=str(powercap.why_not()))
def test_a_baseline_can_be_measured_just_before_the_run(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(dump(SCENARIO))
    report = Energywrap(tmp_path)("--baseline", "1", "sleep", "1", scenario=scenario).report

    assert "marginal" in report["scopes"]
    assert report["duration_s"] < 2
    assert json.dumps(report["settings"]["baseline"]) == '{"value": 1.0, "origin": "flag"}'
