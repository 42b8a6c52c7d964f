"""`energywrap model` shows what the power model makes of this machine or of a described one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commandline import energywrap

POINT = {"utilisation", "total_w", "cpu_w", "ram_w", "rest_w", "low_w", "high_w"}
TIERS = {"T1", "T1k", "T2", "T3", "T3m", "T4", "T5"}
# eco-ci's estimate of GitHub's runner (EPYC 7763, 4 vCPU, 16 GB) at these utilisations, in W
RUNNER_W = {0.0: 1.8, 0.1: 3.6, 0.5: 5.2, 1.0: 8.2}


def evaluated(cwd: Path, *words: str) -> dict[str, Any]:
    """What `energywrap model --json` printed."""
    outcome = energywrap("model", "--json", *words, cwd=cwd)
    assert (outcome.status, outcome.err) == (0, "")
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def totals(document: dict[str, Any]) -> list[float]:
    return [point["total_w"] for point in document["points"]]


def test_this_machine_is_described_and_evaluated_without_a_word(tmp_path: Path) -> None:
    outcome = energywrap("model", cwd=tmp_path)
    head, *rows = outcome.out.splitlines()

    assert outcome.status == 0
    assert head.split("\t") == ["utilisation", "total W", "P10 to P90", "CPU W", "RAM W", "rest W"]
    assert [row.split("\t")[0] for row in rows] == ["0", "0.1", "0.5", "1"]
    assert "energywrap: tier T" in outcome.err


def test_json_is_the_tier_and_the_points_and_no_more(tmp_path: Path) -> None:
    document = evaluated(tmp_path, "--cpu", "AMD EPYC 7763", "--memory-gb", "512", "--utilisation", "0.5")

    assert document.keys() == {"tier", "points"}
    assert document["tier"] in {"T1", "T1k"}
    assert [point.keys() for point in document["points"]] == [POINT]
    assert document["points"][0]["utilisation"] == 0.5


@pytest.mark.parametrize(
    ("words", "tiers"),
    [
        (("--cpu", "EPYC 7763", "--sockets", "2", "--memory-gb", "512"), {"T1", "T1k"}),
        (("--cpu", "EPYC 7763"), {"T2"}),
        (("--cpu", "EPYC 7763", "--vcpus", "4"), {"T3"}),
        (("--cpu", "EPYC 7763", "--vcpus", "4", "--memory-gb", "16"), {"T3m"}),
        (("--arch", "zen3", "--vcpus", "4"), {"T4"}),
        (("--vcpus", "4"), {"T5"}),
    ],
)
def test_the_tier_follows_from_what_is_known(tmp_path: Path, words: tuple[str, ...], tiers: set[str]) -> None:
    assert evaluated(tmp_path, *words)["tier"] in tiers


def test_power_grows_with_utilisation_and_its_parts_add_up(tmp_path: Path) -> None:
    words = ("--cpu", "Xeon Platinum 8375C", "--memory-gb", "256", "--utilisation", "0,0.2,0.4,0.6,0.8,1")
    points = evaluated(tmp_path, *words)["points"]

    watts = [point["total_w"] for point in points]
    assert watts == sorted(watts)
    for point in points:
        assert point["total_w"] == pytest.approx(point["cpu_w"] + point["ram_w"] + point["rest_w"])
        assert 0 < point["low_w"] < point["total_w"] < point["high_w"]


def test_a_hosted_runner_is_within_a_factor_of_1_5_of_an_independent_estimate(tmp_path: Path) -> None:
    words = ("--cpu", "AMD EPYC 7763 64-Core Processor", "--vcpus", "4", "--memory-gb", "16")
    points = evaluated(tmp_path, *words)["points"]

    assert {point["utilisation"] for point in points} == RUNNER_W.keys()
    for point in points:
        assert 1 / 1.5 < point["total_w"] / RUNNER_W[point["utilisation"]] < 1.5


def test_twice_the_vcpus_and_the_memory_are_twice_the_power(tmp_path: Path) -> None:
    four = evaluated(tmp_path, "--cpu", "EPYC 7763", "--vcpus", "4", "--memory-gb", "16")
    eight = evaluated(tmp_path, "--cpu", "EPYC 7763", "--vcpus", "8", "--memory-gb", "32")

    assert totals(eight) == pytest.approx([2 * watts for watts in totals(four)])


def test_packed_load_draws_more_than_spread_load_in_the_middle(tmp_path: Path) -> None:
    words = ("--cpu", "EPYC 7763", "--memory-gb", "512", "--utilisation", "0.5")

    assert totals(evaluated(tmp_path, *words, "--packed", "1")) > totals(evaluated(tmp_path, *words))


def test_a_named_machine_says_what_it_was_taken_for_and_what_would_narrow_it(tmp_path: Path) -> None:
    outcome = energywrap("model", "--cpu", "EPYC 7763", "--vcpus", "4", cwd=tmp_path)
    lines = outcome.err.splitlines()

    assert "energywrap: epyc 7763, as given; 280 W by the table of processors" in lines
    assert "energywrap: to narrow it: --memory-gb GB: the installed memory of the guest" in lines
    assert "energywrap: to narrow it: --sockets N: of the host; 2 are assumed" in lines


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--cpu", "EPYC 7764"), "CPU 'EPYC 7764' is not in the table of processors; spelled alike: epyc 77"),
        (("--cpu", ""), "CPU '' is not in the table of processors"),
        (("--arch", "zen9"), "arch 'zen9' is unknown; one of: "),
        (("--utilisation", "0,1.5"), "--utilisation '1.5' is no number from 0 to 1"),
        (("--utilisation", "half"), "--utilisation 'half' is no number from 0 to 1"),
        (("--utilisation", ""), "--utilisation '' is no number from 0 to 1"),
        (("--utilisation", "nan"), "--utilisation 'nan' is no number from 0 to 1"),
        (("--packed", "-0.1"), "--packed '-0.1' is no number from 0 to 1"),
        (("--packed", "nan"), "--packed 'nan' is no number from 0 to 1"),
        (("--tdp", "0"), "--tdp 0 is no number above 0"),
        (("--tdp", "inf"), "--tdp inf is no number above 0"),
        (("--memory-gb", "-1"), "--memory-gb -1 is no number above 0"),
        (("--memory-gb", "nan"), "--memory-gb nan is no number above 0"),
        (("--sockets", "0"), "Invalid value for '--sockets'"),
        (("--vcpus", "0"), "Invalid value for '--vcpus'"),
        (("--vcpus", "four"), "Invalid value for '--vcpus'"),
        (("extra",), ""),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    outcome = energywrap("model", *words, cwd=tmp_path)

    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.complaint.startswith(complaint)
