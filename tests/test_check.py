"""`energywrap check` over time: what is new, what has been checked, what failed; and words for newcomers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commandline import Outcome, energywrap
from conftest import Energywrap
from energywrap.formats import document
from energywrap.model import RunReport
from energywrap.record import replace


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    ran = Energywrap(tmp_path_factory.mktemp("check"))("-z", "FR", "-l", "mine", "true")
    return document.parse(json.dumps(ran.report), "a run")


def into_ledger(
    folder: Path, real: RunReport, numbers: range, joules: float, **changes: object
) -> tuple[str, ...]:
    """Runs that used about so much; their ids."""
    names = []
    for number in numbers:
        machine = replace(real.scopes["machine"], energy_j=joules + number % 5, low_j=None, high_j=None)
        scopes = {**real.scopes, "machine": machine}
        report = replace(real, run_id=f"{number:016x}", scopes=scopes, footprint=(), **changes)
        (folder / f"{number}.json").write_text(document.text(report))
        names.append(f"{number}.json")
    assert energywrap("import", *names, cwd=folder).status == 0
    return tuple(f"{number:016x}" for number in numbers)


def check(folder: Path, *words: str) -> Outcome:
    return energywrap("check", *words, "--baseline", "last-green", cwd=folder)


def test_a_retry_makes_no_baseline_of_what_has_failed(tmp_path: Path, real: RunReport) -> None:
    into_ledger(tmp_path, real, range(10, 15), 100)
    assert check(tmp_path, "label=mine").status == 3  # the first baseline
    slow = into_ledger(tmp_path, real, range(20, 25), 200)
    assert check(tmp_path, "label=mine").status == 1
    again = check(tmp_path, "label=mine")
    by_name = check(tmp_path, *slow)
    into_ledger(tmp_path, real, range(30, 35), 200)

    assert (again.status, "no run since the last check" in again.complaint) == (3, True)
    assert by_name.status == 1
    assert check(tmp_path, "label=mine").status == 1


def test_runs_that_come_one_by_one_make_a_baseline_together(tmp_path: Path, real: RunReport) -> None:
    done = []
    for number in range(10, 16):
        into_ledger(tmp_path, real, range(number, number + 1), 100)
        done.append(check(tmp_path, "label=mine"))

    assert "from now on these runs are the baseline" in done[4].err
    assert all("5 runs make a baseline" in each.err for each in done[:4])
    assert done[5].status == 3
    assert "1 run on a side" in done[5].err


def test_a_baseline_that_is_checked_again_stays_one(tmp_path: Path, real: RunReport) -> None:
    first = into_ledger(tmp_path, real, range(10, 15), 100)
    for _ in range(2):
        assert check(tmp_path, *first).status == 3
    into_ledger(tmp_path, real, range(20, 25), 200)

    assert check(tmp_path, "label=mine").status == 1


def test_runs_that_are_named_are_all_checked(tmp_path: Path, real: RunReport) -> None:
    first = into_ledger(tmp_path, real, range(10, 15), 100)
    assert check(tmp_path, *first).status == 3
    later = into_ledger(tmp_path, real, range(20, 25), 101)
    assert check(tmp_path, *later).status == 0

    assert "5 runs" not in check(tmp_path, *later).err
    assert check(tmp_path, *later).status == 0


def test_one_failed_run_of_a_set_is_left_out_and_said(tmp_path: Path, real: RunReport) -> None:
    (bad,) = into_ledger(tmp_path, real, range(9, 10), 1, exit_code=1)
    into_ledger(tmp_path, real, range(10, 15), 100)
    for words in (("--max-energy", "1kJ"), ("--baseline", "label=mine")):
        done = energywrap("check", "label=mine", *words, cwd=tmp_path)
        assert done.status == 0, done.err
        assert "1 of 6 runs with label=mine failed or were cut off: left out" in done.err

    assert energywrap("check", bad, "--max-energy", "1kJ", cwd=tmp_path).status == 2
    into_ledger(tmp_path, real, range(30, 32), 1, exit_code=1, label="broken")
    assert energywrap("check", "label=broken", "--max-energy", "1kJ", cwd=tmp_path).status == 2


@pytest.mark.parametrize("text", ["5", "0.05", "%", "5 % more", "-5%", "nan%", "10000%"])
def test_a_limit_without_its_sign_is_refused(text: str, tmp_path: Path) -> None:
    for words in (("check", "last", "--baseline", "last"), ("ci",)):
        done = energywrap(
            *words, f"--max-increase={text}", *(() if "check" in words else ("true",)), cwd=tmp_path
        )
        assert done.status == 2
        assert "is no percentage; write it like 5%" in done.complaint


def test_too_few_runs_can_show_no_difference(tmp_path: Path, real: RunReport) -> None:
    sides = [into_ledger(tmp_path, real, range(at, at + 2), joules) for at, joules in ((10, 100), (20, 60))]
    done = energywrap("compare", *(",".join(side) for side in sides), cwd=tmp_path)
    single = energywrap("compare", sides[0][0], sides[1][0], cwd=tmp_path)

    assert "% less energy; 2 and 2 runs can show no difference: 4 of each are enough" in done.err
    assert "no difference shown" not in done.out
    assert single.out.splitlines()[1].split("\t")[4:6] == ["-", "-"]


def test_what_two_runs_do_not_share_is_named(tmp_path: Path, real: RunReport) -> None:
    other = replace(
        real, components=tuple(replace(part, source=f"{part.source} x") for part in real.components)
    )
    into_ledger(tmp_path, real, range(10, 11), 100)
    into_ledger(tmp_path, other, range(20, 21), 100)
    done = energywrap("compare", f"{10:016x}", f"{20:016x}", cwd=tmp_path)

    assert "these must not be compared: not all runs have " in done.err
    assert real.components[0].source in done.err


def test_a_ledger_that_is_mistyped_is_not_made(tmp_path: Path) -> None:
    for where, complaint in (("typo.db", "there is no ledger"), ("typo/x.db", "there is no folder")):
        for words in (("history",), ("total",), ("export",), ("show", "last")):
            done = energywrap(*words, "--ledger", where, cwd=tmp_path)
            assert done.status == 2, words
            assert complaint in done.complaint
    for where in ("typo/x.db", "sqlite:///x.db"):
        ran = energywrap("run", "--ledger", where, "touch", "started", cwd=tmp_path)
        assert ran.status == 125
        assert "--ledger" in ran.complaint
    assert sorted(path.name for path in tmp_path.iterdir()) in ([], ["state"])


def test_a_command_for_run_is_recognised(tmp_path: Path) -> None:
    done = energywrap("python3", "train.py", cwd=tmp_path)

    assert done.status == 2
    assert (
        done.complaint == "'python3' is no command of energywrap; to measure it: energywrap run python3 ..."
    )


@pytest.mark.parametrize(("text", "words"), [("", "it is empty"), ('{"schema_version": 1', "it is cut off")])
def test_a_report_that_is_cut_off_says_so(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)

    assert words in energywrap("show", "r.json", cwd=tmp_path).complaint


def test_a_failed_command_is_best_in_nothing(tmp_path: Path) -> None:
    given = ("-n", "4", "--idle", "0", "--min-time", "0", "--ignore-failure")
    done = energywrap("bench", "exit 3", "sleep 0.05; true", "sleep 0.1", *given, cwd=tmp_path)

    assert done.status == 0
    assert "most frugal: `exit 3`" not in done.err
    assert "fastest: `sleep 0.05; true`" in done.err
    assert "`exit 3`: 4 of 4 runs failed" in done.err
