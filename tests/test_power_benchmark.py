"""The benchmark of the power model: what it counts, and what it says where its tables are missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import power_model as benchmark

ROOT = Path(__file__).parent.parent


def results(*watts: float) -> list[benchmark.Result]:
    """Held-out results of the hosted runner's kind, each with one power at all levels."""
    return [
        benchmark.Result(str(w), "test", benchmark.RUNNER, dict.fromkeys(benchmark.LEVELS, w)) for w in watts
    ]


def test_without_its_tables_it_says_which_are_missing(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "benchmarks.power_model", str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "lacks spec_servers.csv, peers_predictions.csv, rapl_points.csv" in done.stderr


def test_the_help_says_where_the_tables_can_be_had() -> None:
    argv = [sys.executable, "-m", "benchmarks.power_model", "--help"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)

    assert "www.spec.org" in done.stdout
    assert "trademarks" in done.stdout


def test_an_estimate_of_twice_and_half_the_power_is_off_by_three_quarters_of_it() -> None:
    found = results(100.0, 200.0)
    answers = {
        "100.0": dict.fromkeys(benchmark.LEVELS, 200.0),
        "200.0": dict.fromkeys(benchmark.LEVELS, 100.0),
    }

    got = benchmark.score(found, answers)

    assert (got.mape, got.energy, got.idle, got.peak) == pytest.approx((75, 75, 75, 75))


def test_errors_of_two_signs_cancel_in_energy_and_not_in_power() -> None:
    answers = {
        "100.0": {
            level: 150.0 if level < 50 else 50.0 if level > 50 else 100.0 for level in range(0, 101, 10)
        }
    }

    got = benchmark.score(results(100.0), answers)

    assert got.mape == pytest.approx(50 * 10 / 11)
    assert got.energy == pytest.approx(0)


def test_a_machine_that_an_estimator_does_not_know_is_not_held_against_it() -> None:
    answers = {"100.0": dict.fromkeys(benchmark.LEVELS, 110.0)}

    assert benchmark.score(results(100.0, 200.0), answers).mape == pytest.approx(10)


def test_one_gate_that_is_not_met_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {
        "test levels": 12.0, "future levels": 16.0, "test energy": 11.0, "future energy": 15.0,
        "test covered": 80.0, "rapl": 25.0, "rapl ratio": 0.5, "eco-ci": 1.4,
    }  # fmt: skip

    assert benchmark.gates(figures)
    assert not benchmark.gates({**figures, "test covered": 95.0})
    assert "NO" in capsys.readouterr().out


def test_the_hosted_runner_is_close_to_what_others_say_of_it() -> None:
    assert benchmark.runner()["eco-ci"] <= benchmark.ECO_CI_RATIO


def test_the_plot_is_small_and_draws_every_machine_thrice_per_estimator(tmp_path: Path) -> None:
    path = tmp_path / "plot.svg"
    found = results(100.0, 200.0)
    answers = {r.id: r.watts for r in found}

    benchmark.plot(path, found, {benchmark.OURS: answers, benchmark.CODECARBON: answers})

    assert path.read_text().count("h0") == 2 * 2 * 3


def test_the_plot_in_the_docs_is_small_enough_to_be_kept() -> None:
    assert (ROOT / "docs" / "power-model.svg").stat().st_size < 150_000
