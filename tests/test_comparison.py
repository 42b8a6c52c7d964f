"""Two sides of runs: a difference is shown where there is one, not where there is none, and never by luck."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commandline import energywrap
from conftest import Energywrap
from energywrap import comparison, stats
from energywrap.comparison import Comparison
from energywrap.formats import document
from energywrap.model import Git, RunReport
from energywrap.record import replace

MANN_WHITNEY = [  # by the published tables of the exact distribution
    ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
    ([1, 2, 3], [4, 5, 6], 2 / 20),
    ([1, 3, 5], [2, 4, 6], 14 / 20),
    ([1, 2, 4, 6], [3, 5, 7, 8], 2 * 7 / 70),
]
RNG = random.Random(20261127)
NOISE = 0.03
whole = st.lists(st.integers(0, 30), min_size=1, max_size=20)
amounts = st.lists(st.floats(0.1, 1e6), min_size=1, max_size=9)
TIMES = 400
DRAWS = 400  # of the bootstrap in the simulation: enough for a P5


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    ran = Energywrap(tmp_path_factory.mktemp("compare"))("-z", "FR", "true")
    return document.parse(json.dumps(ran.report), "a run")


def with_energy(real: RunReport, joules: float, number: int = 0, **changes: object) -> RunReport:
    scopes = {name: replace(scope, energy_j=joules) for name, scope in real.scopes.items()}
    return replace(real, scopes=scopes, run_id=f"{number:016x}", **changes)


def side(real: RunReport, *joules: float) -> list[RunReport]:
    return [with_energy(real, value, n) for n, value in enumerate(joules)]


@pytest.mark.parametrize(("one", "other", "p"), MANN_WHITNEY)
def test_the_rank_test_is_the_published_one(one: list[float], other: list[float], p: float) -> None:
    assert stats.mann_whitney(one, other) == pytest.approx(p)
    assert stats.mann_whitney(other, one) == pytest.approx(p)


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=20),
    st.lists(st.integers(0, 30), min_size=1, max_size=20),
)
def test_a_p_value_is_a_probability_and_the_same_both_ways(one: list[int], other: list[int]) -> None:
    there, back = stats.mann_whitney(one, other), stats.mann_whitney(other, one)

    assert there is not None
    assert back == pytest.approx(there)
    assert 0 <= there <= 1


def test_equal_values_differ_in_nothing() -> None:
    assert stats.mann_whitney([5, 5, 5], [5, 5, 5]) == 1
    assert stats.mann_whitney([], [1]) is None


@given(
    st.lists(st.floats(0.1, 1e6), min_size=1, max_size=9),
    st.lists(st.floats(0.1, 1e6), min_size=1, max_size=9),
)
def test_a_ratio_lies_in_its_interval_and_is_the_same_every_time(
    one: list[float], other: list[float]
) -> None:
    found = stats.ratio(one, other, 200)

    assert found == stats.ratio(one, other, 200)
    assert found.low <= found.high
    assert min(other) / max(one) <= found.value * (1 + 1e-9)
    assert found.value <= max(other) / min(one) * (1 + 1e-9)


def test_two_single_runs_have_a_ratio_and_no_verdict(real: RunReport) -> None:
    found = comparison.compare(side(real, 100), side(real, 110))

    assert found.quantities[0].ratio.value == pytest.approx(1.1)
    assert found.quantities[0].p is None
    assert comparison.differs(found.quantities[0]) is None
    assert comparison.verdict(found, 0.05).word == "inconclusive"


def test_a_clear_difference_is_shown_and_fails(real: RunReport) -> None:
    found = comparison.compare(side(real, 100, 101, 99, 100, 102), side(real, 120, 121, 119, 122, 118))

    assert comparison.differs(found.quantities[0])
    assert comparison.verdict(found, 0.05).word == "fail"
    assert comparison.verdict(found, 0.25).word == "pass"


def test_noise_is_no_difference(real: RunReport) -> None:
    found = comparison.compare(side(real, 100, 108, 93, 101, 99), side(real, 97, 103, 109, 94, 101))

    assert not comparison.differs(found.quantities[0])
    assert comparison.verdict(found, 0.05).word == "pass"


def test_a_rise_that_may_be_chance_is_inconclusive(real: RunReport) -> None:
    found = comparison.compare(side(real, 100, 130, 80, 95, 120), side(real, 110, 85, 140, 90, 125))

    assert comparison.verdict(found, 0.05).word == "inconclusive"


def test_few_runs_never_fail(real: RunReport) -> None:
    found = comparison.compare(side(real, 100, 101, 99, 100), side(real, 200, 201, 199, 202))

    assert comparison.verdict(found, 0.05).word == "inconclusive"


@pytest.mark.parametrize("what", ["machine", "basis"])
def test_what_must_not_be_compared_is_refused(what: str, real: RunReport) -> None:
    if what == "machine":
        changes: dict[str, object] = {"host": replace(real.host, name_hash="another")}
    else:
        parts = tuple(replace(part, basis="measured") for part in real.components)
        changes = {"components": parts}
    others = [with_energy(real, 100 + n, n, **changes) for n in range(5)]
    found = comparison.compare(side(real, 100, 101, 99, 100, 102), others)

    assert found.forbidden
    assert comparison.verdict(found, 0.05).word == "inconclusive"


def simulated(change: float, runs: int) -> Comparison:
    """Energies of two sides with a known change and noise, compared."""
    left, right = (
        [100 * factor * (1 + RNG.gauss(0, NOISE)) for _ in range(runs)] for factor in (1.0, 1 + change)
    )
    quantity = comparison.Quantity(
        "energy, machine", "J", stats.median(left), stats.median(right), stats.ratio(left, right, DRAWS),
        stats.mann_whitney(left, right),
    )  # fmt: skip
    return Comparison((quantity,), (), (), (runs, runs))


def test_the_gate_raises_few_false_alarms_and_finds_a_tenth() -> None:
    """Five runs a side, noise of 3 %, 5 % allowed: by simulation with a known truth."""
    alarms, found = (
        sum(comparison.verdict(simulated(change, 5), 0.05).word == "fail" for _ in range(TIMES)) / TIMES
        for change in (0.0, 0.10)
    )

    assert alarms <= 0.05
    assert found >= 0.90


def saved(tmp_path: Path, real: RunReport, name: str, joules: float, number: int) -> str:
    (tmp_path / name).write_text(document.text(with_energy(real, joules, number)))
    return name


def into_ledger(tmp_path: Path, real: RunReport, numbers: range, joules: float, **changes: object) -> str:
    """Runs in the ledger; their ids as `check` takes them."""
    files = []
    for number in numbers:
        report = with_energy(real, joules + number % 5, number, **changes)
        (tmp_path / f"{number}.json").write_text(document.text(report))
        files.append(f"{number}.json")
    assert energywrap("import", *files, cwd=tmp_path).status == 0
    return ",".join(f"{number:016x}" for number in numbers)


def test_the_last_green_check_is_the_baseline(tmp_path: Path, real: RunReport) -> None:
    runs = [
        into_ledger(tmp_path, real, range(at, at + 5), j)
        for at, j in ((10, 100), (20, 101), (30, 150), (40, 102))
    ]
    done = [energywrap("check", each, "--baseline", "last-green", cwd=tmp_path) for each in runs]

    assert [each.status for each in done] == [3, 0, 1, 0]
    assert "from now on these runs are the baseline" in done[0].complaint
    assert "energy changed by +0.9" in done[3].err  # the failed ones are none


def test_a_label_names_new_runs_where_the_last_green_ones_have_it_as_well(
    tmp_path: Path, real: RunReport
) -> None:
    done = []
    for at, joules in ((10, 100), (20, 101), (30, 150)):
        into_ledger(tmp_path, real, range(at, at + 5), joules, label="mine")
        done.append(energywrap("check", "label=mine", "--baseline", "last-green", cwd=tmp_path))

    assert [each.status for each in done] == [3, 0, 1]
    assert "energy changed by +47.6" in done[2].err


def test_a_command_that_failed_is_no_run_to_check_nor_a_baseline(tmp_path: Path, real: RunReport) -> None:
    good = into_ledger(tmp_path, real, range(10, 15), 100)
    bad = into_ledger(tmp_path, real, range(20, 25), 3, exit_code=1)
    cut = into_ledger(tmp_path, real, range(30, 35), 3, complete=False)
    later = into_ledger(tmp_path, real, range(40, 45), 101)

    for runs in (bad, cut):
        done = energywrap("check", runs, "--baseline", good, "--max-energy", "1kJ", cwd=tmp_path)
        assert (done.status, "5 of 5 runs failed or were cut off" in done.complaint) == (2, True)
        against = energywrap("check", later, "--baseline", runs, cwd=tmp_path)
        assert against.status == 3
        assert "5 of 5 runs of" in against.err
    assert energywrap("check", bad, "--baseline", "last-green", cwd=tmp_path).status == 2
    assert energywrap("check", later, "--baseline", "last-green", cwd=tmp_path).status == 3


def test_what_makes_a_comparison_doubtful_is_said_by_check_as_well(tmp_path: Path, real: RunReport) -> None:
    old = [saved(tmp_path, real, f"a{n}.json", 100 + n, n) for n in range(5)]
    other = replace(real, command=("another",))
    new = [saved(tmp_path, other, f"b{n}.json", 100 + n, 10 + n) for n in range(5)]

    assert "the commands differ" in energywrap("check", *new, "--baseline", ",".join(old), cwd=tmp_path).err


def test_co2e_is_that_of_all_lines_that_count(tmp_path: Path) -> None:
    """Where making the machine is counted, it is in the table, the ledger, a check and in CI alike."""
    done = energywrap(
        "run", "-z", "SE", "--include", "embodied", "-o", "r.json", "sleep", "0.2", cwd=tmp_path
    )
    report = json.loads((tmp_path / "r.json").read_text())
    (whole,) = (
        line["value"] for line in report["footprint"] if (line["scope"], line["name"]) == ("machine", "total")
    )
    operational = report["scopes"]["machine"]["co2e_g"]
    between = f"{(whole + operational) / 2:.12f}g"
    (run,) = json.loads(energywrap("history", "--json", cwd=tmp_path).out)

    assert done.status == 0
    assert whole > 2 * operational
    assert run["co2e_g"] == pytest.approx(whole)
    assert run["co2e_low_g"] <= run["co2e_g"] <= run["co2e_high_g"]
    assert energywrap("check", "r.json", "--max-co2e", between, cwd=tmp_path).status == 1
    energywrap("publish", "r.json", "--to", "gitlab", cwd=tmp_path)
    assert f"EWRAP_CO2E_G={whole:.10g}\n" in (tmp_path / "energywrap.env").read_text()


def test_without_an_energy_no_other_number_is_called_one(tmp_path: Path, real: RunReport) -> None:
    none = dict.fromkeys(("energy_j", "low_j", "high_j", "co2e_g", "co2e_low_g", "co2e_high_g"))
    unknown = replace(real, scopes={name: replace(each, **none) for name, each in real.scopes.items()})
    for name, seconds in (("a.json", 1.0), ("b.json", 2.0)):
        (tmp_path / name).write_text(document.text(replace(unknown, components=(), duration_s=seconds)))
    done = energywrap("compare", "a.json", "b.json", cwd=tmp_path)

    assert done.status == 0
    assert "% energy" not in done.err


def test_over_nothing_there_is_no_ratio_in_json(tmp_path: Path, real: RunReport) -> None:
    saved(tmp_path, real, "a.json", 0, 1)
    saved(tmp_path, real, "b.json", 5, 2)
    told = energywrap("compare", "a.json", "b.json", "--json", cwd=tmp_path).out

    assert "Infinity" not in told
    assert json.loads(told)["quantities"][0]["ratio"] is None


def test_few_runs_are_no_first_baseline(tmp_path: Path, real: RunReport) -> None:
    for at in (10, 20):
        runs = into_ledger(tmp_path, real, range(at, at + 3), 100)
        assert (
            "5 runs make a baseline"
            in energywrap("check", runs, "--baseline", "last-green", cwd=tmp_path).complaint
        )


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_a_revision_is_a_baseline_of_its_clean_runs(tmp_path: Path, real: RunReport) -> None:
    for words in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "one"), ("tag", "v1")):
        subprocess.run(
            ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *words], cwd=tmp_path, check=True
        )
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    at = Git(head.stdout.strip(), "main", False)
    into_ledger(tmp_path, real, range(10, 15), 100, git=at)
    into_ledger(tmp_path, real, range(20, 25), 300, git=replace(at, dirty=True))
    now = into_ledger(tmp_path, real, range(30, 35), 130, git=None)

    done = energywrap("check", now, "--baseline", "v1", cwd=tmp_path)
    assert done.status == 1
    assert "energy changed by +29" in done.err
    assert energywrap("check", now, "--baseline", "v2", cwd=tmp_path).status == 2


def test_compare_shows_every_quantity(tmp_path: Path, real: RunReport) -> None:
    one, other = saved(tmp_path, real, "a.json", 100, 1), saved(tmp_path, real, "b.json", 150, 2)
    shown = energywrap("compare", one, other, cwd=tmp_path)
    plain = json.loads(energywrap("compare", one, other, "--json", cwd=tmp_path).out)

    assert shown.status == 0
    assert "energy, machine\t100 J\t150 J\t1.5" in shown.out
    assert "nobody can say whether that is chance" in shown.err
    assert plain["quantities"][0]["ratio"] == 1.5


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--max-energy", "120J"), 0, "pass: 100 J"),
        (("--max-energy", "0.09kJ"), 1, "fail: 100 J, and 90 J is allowed"),
        (("--max-energy", "1MJ", "--max-co2e", "0ug"), 1, "fail"),
        (("--baseline", "b.json"), 3, "inconclusive"),
        (("--max-energy", "90J", "--baseline", "b.json"), 1, "fail"),
    ],
)
def test_check_says_by_its_status(
    words: tuple[str, ...], status: int, said: str, tmp_path: Path, real: RunReport
) -> None:
    saved(tmp_path, real, "a.json", 100, 1)
    saved(tmp_path, real, "b.json", 100, 2)
    shown = energywrap("check", "a.json", *words, cwd=tmp_path)

    assert (shown.status, said in shown.err) == (status, True)


def test_a_gate_of_five_runs_a_side_can_fail(tmp_path: Path, real: RunReport) -> None:
    old = [saved(tmp_path, real, f"a{n}.json", 100 + n, n) for n in range(5)]
    new = [saved(tmp_path, real, f"b{n}.json", 120 + n, 10 + n) for n in range(5)]
    failed = energywrap("check", *new, "--baseline", ",".join(old), cwd=tmp_path)
    passed = energywrap("check", *new, "--baseline", ",".join(old), "--max-increase", "30%", cwd=tmp_path)

    assert (failed.status, passed.status) == (1, 0)
    assert "energy changed by +19.6 %" in failed.err


def test_runs_of_the_ledger_are_named_by_what_they_have_in_common(tmp_path: Path) -> None:
    wrapped = Energywrap(tmp_path)
    for label in ("old", "old", "new"):
        wrapped("-l", label, "true")
    changes = {"XDG_STATE_HOME": str(tmp_path / "state")}
    shown = energywrap("compare", "label=old", "label=new", "--json", cwd=tmp_path, changes=changes)

    assert json.loads(shown.out)["runs"] == [2, 1]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("check", "a.json"), "nothing is to be checked"),
        (("check", "a.json", "--max-energy", "much"), "--max-energy 'much' is no amount"),
        (("check", "a.json", "--max-energy", "5 apples"), "is no amount"),
        (
            ("check", "a.json", "--baseline", "a.json", "--max-increase", "x"),
            "--max-increase 'x' is no percentage",
        ),
        (("compare", "a.json", "label=none"), "no run in the ledger has label=none"),
        (("compare", "a.json", "missing.json"), "cannot read missing.json"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_status_2(
    words: tuple[str, ...], complaint: str, tmp_path: Path, real: RunReport
) -> None:
    saved(tmp_path, real, "a.json", 100, 1)
    shown = energywrap(*words, cwd=tmp_path, changes={"XDG_STATE_HOME": str(tmp_path / "state")})

    assert shown.status == 2
    assert complaint in shown.err
