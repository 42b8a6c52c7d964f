"""What is left of a run whose wrapper was killed: its journal, and the report made from it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from energywrap import journal
from energywrap.model import Checkpoint, JournalHead, Place, Tally

PROGRAM = Path(sys.executable).parent / "energywrap"
DEADLINE_S = 30.0
LOST_AT_MOST_S = 10.0  # the promise


def until(ready: Callable[[], bool], what: str) -> None:
    """Wait for a condition; the limit only keeps a broken program from hanging the suite."""
    end = time.monotonic() + DEADLINE_S
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.005)


class Home:
    """An isolated user with a state directory."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.journals = self.state / "energywrap" / "journal"
        self.reports = self.state / "energywrap" / "reports"
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environ = {
            **kept,
            "HOME": str(folder),
            "XDG_STATE_HOME": str(self.state),
            "XDG_CONFIG_HOME": str(folder),
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A run that goes on, its interval short so that checkpoints come soon."""
        return subprocess.Popen(
            [PROGRAM, "run", "-q", "-i", "0.1", *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *words], env=self.environ, capture_output=True, text=True, check=False
        )

    def found(self) -> list[Path]:
        return sorted(self.journals.glob("*")) if self.journals.exists() else []

    def whole(self) -> list[Path]:
        return [path for path in self.found() if path.suffix == journal.SUFFIX]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def killed(home: Home, *words: str) -> None:
    """A run whose wrapper was killed after its first checkpoint."""
    run = home.start(*words, "sleep", "1000")
    until(lambda: bool(home.whole()), "there is a journal")
    run.kill()
    run.communicate()


def test_a_short_run_leaves_no_journal(home: Home) -> None:
    assert home.call("run", "-q", "true").returncode == 0
    assert home.found() == []


def test_a_run_takes_its_journal_away_when_its_report_is_written(home: Home) -> None:
    run = home.start("sleep", "1000")
    until(lambda: bool(home.whole()), "there is a journal")
    run.terminate()
    run.communicate()

    assert run.returncode == -signal.SIGTERM
    assert home.found() == []
    assert len(list(home.reports.iterdir())) == 1


def test_a_killed_run_is_reported_by_the_next_one(home: Home) -> None:
    killed(home, "-l", "cut", "-z", "FR")

    done = home.call("run", "-q", "true")

    (report,) = [json.loads(path.read_text()) for path in home.reports.iterdir() if "cut" in path.read_text()]
    assert done.returncode == 0
    assert "a run that was cut off has been reported" in done.stderr
    assert home.found() == []
    assert (report["complete"], report["exit_code"], report["signal"]) == (False, None, None)
    assert report["command"] == ["sleep", "1000"]
    assert report["carbon"]["zone"] == "FR"
    assert report["duration_s"] >= 1.0
    assert report["scopes"]["machine"]["energy_j"] > 0
    assert any("no report was made" in warning for warning in report["warnings"])


def test_recover_writes_to_the_file_that_the_run_was_told(home: Home, tmp_path: Path) -> None:
    wanted = tmp_path / "mine.json"
    killed(home, "-o", str(wanted))

    done = home.call("recover")

    assert done.stdout.strip() == str(wanted)
    assert json.loads(wanted.read_text())["complete"] is False
    assert home.call("show", str(wanted)).stdout.count("cut off") == 1


def test_recover_overwrites_nothing(home: Home, tmp_path: Path) -> None:
    wanted = tmp_path / "mine.json"
    killed(home, "-o", str(wanted))
    wanted.write_text("something else")

    path = Path(home.call("recover").stdout.strip())

    assert wanted.read_text() == "something else"
    assert path.parent == home.reports


def test_a_run_that_lives_is_left_alone(home: Home) -> None:
    run = home.start("sleep", "1000")
    until(lambda: bool(home.whole()), "there is a journal")

    done = home.call("recover")

    assert "nothing to recover" in done.stderr
    assert len(home.found()) == 1
    run.terminate()
    run.communicate()


def test_many_at_once_report_a_run_once(home: Home) -> None:
    killed(home, "-l", "cut")

    several = [home.start("true") for _ in range(6)]
    said = [run.communicate()[1] for run in several]

    assert sum("cut off" in text for text in said) == 1
    assert [run.returncode for run in several] == [0] * 6


def test_killed_at_any_moment_a_run_loses_at_most_what_followed_its_last_checkpoint(home: Home) -> None:
    chance = random.Random(1)
    runs = [home.start("sleep", "1000") for _ in range(10)]
    began_s = time.monotonic()
    until(lambda: len(home.whole()) == len(runs), "each has a journal")
    lived_s = {}
    for run, moment_s in zip(runs, sorted(chance.uniform(1.5, 9) for _ in runs)):
        until(lambda moment_s=moment_s: time.monotonic() > began_s + moment_s, "a random moment")  # type: ignore[misc]
        run.kill()
        lived_s[run.pid] = time.monotonic() - began_s
        run.communicate()

    recovered = [json.loads(Path(path).read_text()) for path in home.call("recover").stdout.split()]
    assert len(recovered) == len(runs)
    assert home.found() == []
    shortest_first = sorted(report["duration_s"] for report in recovered)
    for known_s, whole_s in zip(shortest_first, sorted(lived_s.values())):
        assert known_s >= 1.0
        assert whole_s - known_s <= LOST_AT_MOST_S
    assert all(report["complete"] is False for report in recovered)


def test_two_hundred_runs_at_once_leave_two_hundred_reports(home: Home) -> None:
    runs = [home.start("true") for _ in range(200)]
    for run in runs:
        run.communicate()

    assert {run.returncode for run in runs} == {0}
    assert len(list(home.reports.iterdir())) == 200


# ---- the file ----------------------------------------------------------------------------------------


def head(run_id: str = "aa") -> JournalHead:
    return JournalHead(
        version=journal.VERSION,
        run_id=run_id,
        parent_run=None,
        pid=1,
        pid_started="never",
        boot_id="never",
        words=("true",),
        settings={"zone": {"value": "FR", "origin": "flag"}},
        folder="/",
        output=None,
        started_at_s=0.0,
        channels=(),
        skipped=(),
        gpus=(),
        place=Place("FR", "flag"),
        git=None,
        method="perf",
        live=True,
    )


def checkpoint(at_s: float) -> Checkpoint:
    tally = Tally(joules=at_s * 10, first=0.5, last=at_s * 10 + 0.5, readings=2)
    return Checkpoint(at_s, at_s, {"rapl:intel-rapl:0": tally}, at_s, 0.1, 0.0, None)


def test_what_was_written_is_read_again_exactly(tmp_path: Path) -> None:
    kept = journal.Journal(str(tmp_path), head())
    written = [checkpoint(number / 3) for number in range(1, 9)]
    for each in written:
        kept.write(each)
    os.close(kept._fd)

    (found,) = journal.left_behind(str(tmp_path))

    assert found.head == head()
    assert list(found.checkpoints) == written


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_line_that_was_cut_off_costs_that_line_only(tmp_path: Path, cut: int) -> None:
    kept = journal.Journal(str(tmp_path), head())
    for number in (1, 2, 3):
        kept.write(checkpoint(float(number)))
    os.close(kept._fd)
    path = Path(kept.path)
    path.write_bytes(path.read_bytes()[:-cut])

    (found,) = journal.left_behind(str(tmp_path))

    assert [each.at_s for each in found.checkpoints] == [1.0, 2.0]


@pytest.mark.parametrize(
    "rubbish", [b"", b"\n", b"{}\n", b'{"version": 1}\n', b"\x00" * 4096, b"[[[[" * 9999]
)
def test_a_file_that_is_no_journal_is_left_where_it_is(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "x.journal").write_bytes(rubbish)

    assert list(journal.left_behind(str(tmp_path))) == []
    assert (tmp_path / "x.journal").exists()


def test_a_week_of_checkpoints_takes_no_more_room_than_two_hours(tmp_path: Path) -> None:
    kept = journal.Journal(str(tmp_path), head())
    largest = 0
    for number in range(3 * journal.MOST_LINES):
        kept.write(checkpoint(float(number + 1)))
        largest = max(largest, os.path.getsize(kept.path))
    os.close(kept._fd)

    (found,) = journal.left_behind(str(tmp_path))

    assert found.checkpoints[-1].at_s == 3 * journal.MOST_LINES
    assert largest < (journal.MOST_LINES + 3) * 400


def test_a_journal_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    kept = journal.Journal(str(tmp_path), head())
    kept.write(checkpoint(1.0))

    assert list(journal.left_behind(str(tmp_path))) == []
    kept.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_makes_no_report_is_said_once_and_put_aside(home: Home) -> None:
    home.journals.mkdir(parents=True)
    kept = journal.Journal(str(home.journals), head())
    kept.write(checkpoint(1.0))
    os.close(kept._fd)

    first, second = (home.call("run", "--strict", "-q", "true") for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0)
    assert "could not be reported" in first.stderr
    assert second.stderr == ""
    assert [path.name for path in home.found()] == ["aa.journal.unreadable"]


def test_a_journal_that_somebody_has_cleared_away_is_no_matter(home: Home) -> None:
    run = home.start("--strict", "sleep", "1000")
    until(lambda: bool(home.whole()), "there is a journal")
    for path in home.found():
        path.unlink()
    run.terminate()

    assert (run.communicate()[1], run.returncode) == ("", -signal.SIGTERM)


def test_a_journal_that_cannot_be_written_is_one_line_and_costs_the_command_nothing(home: Home) -> None:
    home.journals.parent.mkdir(parents=True)
    home.journals.write_text("a file where the folder should be")

    run = home.start("-o", os.devnull, "sh", "-c", "sleep 1.4; exit 3")
    said = run.communicate()[1]

    assert run.returncode == 3
    assert said.count("\n") == 1
    assert "journal could not be written" in said
