"""A run's budget: warned of at 80 % and at the limit; a command beyond it is ended with all its processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commandline import START, Outcome, energywrap, environment, saved
from energywrap import amounts, budget
from energywrap.errors import UserError
from energywrap.formats.quantities import grams, joules

LINUX = os.path.exists("/proc/self/stat")
WORDS = {"max_energy": joules, "max_co2e": grams}


def run(cwd: Path, *words: str) -> Outcome:
    return energywrap("run", "-z", "FR", "-o", "r.json", *words, cwd=cwd)


@pytest.mark.parametrize(
    ("text", "joules_of_it"),
    [("50kJ", 5e4), ("2 MJ", 2e6), ("2mJ", 2e-3), ("0.5kwh", 1.8e6), ("3 KJ", 3e3), ("1MWh", 3.6e9)],
)  # fmt: skip
def test_an_energy_is_read_as_people_write_it(text: str, joules_of_it: float) -> None:
    assert amounts.energy_j(text, "here") == pytest.approx(joules_of_it)


@pytest.mark.parametrize("text", ["", "5", "J", "-1J", "5g", "nanJ", "infJ", "5 mj", "1,5kJ", "5kJ 3"])
def test_what_is_no_energy_is_refused_with_its_origin(text: str) -> None:
    with pytest.raises(UserError, match="--max-energy"):
        amounts.energy_j(text, "--max-energy")


def test_a_mass_is_read_and_an_energy_is_none() -> None:
    assert amounts.mass_g("0.5 kg", "here") == 500
    with pytest.raises(UserError) as refused:
        amounts.mass_g("5kJ", "here")
    assert refused.value.line() == "here '5kJ' is no amount; a number with one of ug, mg, g, kg, t"


@given(st.lists(st.floats(0, 2e3), max_size=30).map(sorted), st.floats(1, 1e3))
def test_each_step_of_a_growing_sum_is_told_once(sums: list[float], limit: float) -> None:
    kept = budget.Budget(budget.Limits(limit, None, False, 1.0), WORDS)
    said = [line for value in sums for line in kept.look(budget.Spent(value, None), "by now")]

    assert len(said) == len(set(said)) <= 2
    assert kept.exceeded == any(value >= limit for value in sums)
    assert bool(said) == any(value >= 0.8 * limit for value in sums)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--max-energy", "lots"), "--max-energy 'lots' is no amount; a number with one of"),
        (("--max-co2e", "5kJ"), "--max-co2e '5kJ' is no amount"),
        (("--max-energy", "5J", "--on-exceed", "stop"), "'stop' (flag) is unknown; one of warn, term"),
        (("--on-exceed", "term"), "--on-exceed without a limit"),
    ],
)  # fmt: skip
def test_a_wrong_budget_is_refused_before_the_command_starts(
    words: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *words, "touch", "started")

    assert done.status == 125
    assert complaint in done.complaint
    assert not (tmp_path / "started").exists()


def test_a_budget_from_a_file_is_refused_with_the_file_named(tmp_path: Path) -> None:
    (tmp_path / "energywrap.toml").write_text('max_energy = "1"\n')

    assert "energywrap.toml: max_energy '1' is no amount" in run(tmp_path, "true").complaint


def test_a_budget_that_is_kept_says_nothing(tmp_path: Path) -> None:
    done = run(
        tmp_path, "-q", "--max-energy", "1GJ", "--max-co2e", "1t", "--on-exceed", "term", "sh", "-c", "exit 3"
    )

    assert (done.status, done.err) == (3, "")
    assert not any("limit" in text for text in saved(tmp_path / "r.json")["warnings"])


def test_a_short_run_beyond_its_budget_is_told_at_the_end_and_keeps_its_status(tmp_path: Path) -> None:
    done = run(tmp_path, "-q", "--max-energy", "1uJ", "--on-exceed", "term", "sh", "-c", "exit 3")

    assert done.status == 3
    assert "the limit of energy is exceeded" in done.complaint
    assert any("the limit of energy is exceeded" in text for text in saved(tmp_path / "r.json")["warnings"])


def test_a_limit_that_nobody_can_watch_is_said(tmp_path: Path) -> None:
    none = ("--source", "model=off,rapl=off,perf=off,nvml=off")
    done = run(tmp_path, "-q", *none, "--max-energy", "1J", "true")

    if saved(tmp_path / "r.json")["scopes"]["machine"]["energy_j"] is not None:
        pytest.skip("a counter of this machine speaks all the same")
    assert "could not be watched" in done.complaint


def test_a_warning_comes_while_the_command_runs(tmp_path: Path) -> None:
    """The command ends when it has read a line, which it gets once the warning has been seen."""
    words = [
        *START,
        "run",
        "-q",
        "-o",
        "r.json",
        "-z",
        "FR",
        "--max-co2e",
        "1ug",
        "sh",
        "-c",
        "read line; echo $line",
    ]
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment(tmp_path), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stderr is not None
        seen = process.stderr.readline()
        out, _ = process.communicate("on\n", timeout=30)

    assert "the limit of CO2e is exceeded" in seen
    assert (out, process.returncode) == ("on\n", 0)


# A start with one more folder of packages: PYTHONPATH is the command's, and no such one
INSTALLED = "import sys; sys.path.append(sys.argv.pop(1)); from energywrap._entry import main; main()"
PROVIDER = """
from energywrap.model import Live, Slot

class Dirty:
    name, title, forecasts = "dirty", "a dirty grid", False
    def zone_of(self, place, wanted):
        return place.zone
    def fetch(self, client, zone, from_s, to_s):
        slot = Slot(from_s - 3600, to_s + 3600, 1500.0, "actual")
        return Live("dirty", zone, "direct", "CO2", "production", "s", "l", 0.0, False, (slot,))
"""


def test_a_budget_of_co2e_goes_by_the_live_grid(tmp_path: Path) -> None:
    """France's yearly intensity is some forty times lower: by that, hours would go by before the limit."""
    packages = tmp_path / "packages"
    told = packages / "dirty_grid-1.0.dist-info"
    told.mkdir(parents=True)
    (packages / "dirty_grid.py").write_text(PROVIDER)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: dirty-grid\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[energywrap.grid]\ndirty = dirty_grid:Dirty\n")
    at_rest = saved_by(tmp_path, "-z", "FR", "sleep", "2")["scopes"]["machine"]
    limit = f"{40 * at_rest['co2e_g']:.9f}g"  # in France what 80 s of an idle machine emit
    words = ("run", "-q", "-o", "r.json", "-z", "FR", "--grid", "dirty", "--max-co2e", limit)
    with subprocess.Popen(
        [sys.executable, "-c", INSTALLED, str(packages), *words, "sh", "-c", "read line"],
        cwd=tmp_path, env=environment(tmp_path), text=True,
        stdin=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        began_s, lines = time.monotonic(), [process.stderr.readline()]
        while "the limit of CO2e is exceeded" not in lines[-1]:
            assert lines[-1], lines
            lines.append(process.stderr.readline())
        process.communicate("on\n", timeout=30)
    report = saved(tmp_path / "r.json")

    assert time.monotonic() - began_s < 15
    assert report["carbon"]["intensity_g_per_kwh"] == pytest.approx(1500, rel=0.2)


def saved_by(cwd: Path, *words: str) -> Any:
    assert run(cwd, "-q", "-o", "idle.json", *words).status == 0
    return saved(cwd / "idle.json")


def beyond(cwd: Path, *words: str) -> Outcome:
    limits = ("--max-energy", "0.1J", "--on-exceed", "term")
    return run(cwd, "-q", *limits, *words)


def test_a_command_beyond_its_budget_is_asked_to_end(tmp_path: Path) -> None:
    script = "trap 'echo saved > kept; exit 7' TERM; echo $$ > pid; while :; do sleep 0.1; done"
    done = beyond(tmp_path, "sh", "-c", script)
    report = saved(tmp_path / "r.json")

    assert done.status == 124
    assert (tmp_path / "kept").read_text() == "saved\n"
    assert report["exit_code"] == 7
    assert any("was ended for its budget: TERM" in text for text in report["warnings"])


@pytest.mark.skipif(not LINUX, reason="only Linux tells of a process tree without more")
def test_a_command_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 1000 & echo $! > two; while :; do wait; done"
    done = beyond(tmp_path, "--grace", "0.5", "sh", "-c", script)
    report = saved(tmp_path / "r.json")

    assert done.status == 124
    assert report["signal"] == signal.SIGKILL
    assert any("KILL after" in text for text in report["warnings"])
    assert gone(int((tmp_path / "two").read_text()))


@pytest.mark.skipif(not LINUX, reason="only Linux tells of a process tree without more")
def test_children_that_outlive_the_command_get_their_grace_and_end(tmp_path: Path) -> None:
    deaf = "trap '' TERM; echo $$ > two; while :; do sleep 0.1; done"
    script = f'sh -c "{deaf}" & while [ ! -s two ]; do :; done; wait'.replace("$$", "\\$\\$")
    done = beyond(tmp_path, "--grace", "0.3", "sh", "-c", script)

    assert done.status == 124
    assert gone(int((tmp_path / "two").read_text()))


def test_a_stopped_process_of_it_ends_as_well(tmp_path: Path) -> None:
    done = beyond(tmp_path, "sh", "-c", "sh -c 'echo $$ > two; kill -STOP $$; sleep 1000' & wait; wait")

    assert done.status == 124
    assert gone(int((tmp_path / "two").read_text()))


def gone(pid: int) -> bool:
    """Whether a process is no more, or a zombie that nobody has fetched; it has some seconds to become so."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


def test_the_settings_of_a_budget_stand_in_the_report(tmp_path: Path) -> None:
    run(tmp_path, "-q", "--max-energy", "1GJ", "true")
    settings = json.loads((tmp_path / "r.json").read_text())["settings"]

    assert settings["max_energy"] == {"value": "1GJ", "origin": "flag"}
    assert settings["on_exceed"]["value"] == "warn"
