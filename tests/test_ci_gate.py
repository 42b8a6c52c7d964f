"""`energywrap ci` on a real repository: a rise fails, none passes, and nothing of it is left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from commandline import START, Outcome, energywrap, environment
from energywrap.cli import ci

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
BURN = "import time; began = time.process_time()\nwhile time.process_time() - began < {}: pass\n"


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A program on main, and the same on a branch that is checked out."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "work.py").write_text(BURN.format(0.1))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "work")
    git(folder, "checkout", "-q", "-b", "change")
    return folder


def gate(folder: Path, *words: str) -> Outcome:
    return energywrap("ci", "-z", "FR", "--warmup", "0", *words, cwd=folder)


def test_a_program_that_uses_three_times_as_much_fails(repository: Path) -> None:
    (repository / "work.py").write_text(BURN.format(0.3))
    done = gate(repository, "-n", "5", "--", "python3", "work.py")

    assert done.status == 1, done.err
    assert "fail, against main" in done.err
    assert done.out.startswith("energy, machine\t")
    assert git(repository, "worktree", "list").count("\n") == 0


def test_a_program_that_uses_less_passes(repository: Path) -> None:
    (repository / "work.py").write_text("")

    assert gate(repository, "-n", "5", "--", "python3", "work.py").status == 0


def test_a_checkout_that_is_the_base_is_said_to_be_compared_with_itself(repository: Path) -> None:
    done = gate(repository, "-n", "1", "--json", "--comment", "../c.md", "--", "true")

    assert "nothing has changed here since main" in done.err
    assert "nothing has changed here since main" in (repository.parent / "c.md").read_text()
    assert json.loads(done.out)["checks"][0]["sides"] == ["main", "this checkout"]


def test_the_base_of_a_pull_request_is_found_where_ci_tells_it(repository: Path) -> None:
    done = energywrap(
        "ci", "-z", "FR", "-n", "1", "--", "true", cwd=repository, changes={"GITHUB_BASE_REF": "none"}
    )

    assert done.status == 2
    assert "'origin/none' is no revision" in done.complaint
    assert "fetch-depth: 0" in done.complaint


def test_too_few_runs_are_inconclusive(repository: Path) -> None:
    done = gate(repository, "-n", "1", "--", "true")

    assert done.status == 3
    assert "5 are needed" in done.err


def test_each_side_runs_in_its_own_checkout_and_is_prepared_there(repository: Path) -> None:
    (repository / "work.py").write_text("raise SystemExit(0)\n")
    seen = repository.parent / "seen"
    script = f"cat made >> {seen}; head -c 6 work.py >> {seen}"
    done = gate(repository, "-n", "1", "--prepare", "echo . > made", "--", "sh", "-c", script)

    assert done.status == 3, done.err
    assert seen.read_text() == ".\nimport.\nraise "


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--base", "nosuch", "--", "true"), "'nosuch' is no revision"),
        (("--max-increase", "much", "--", "true"), "--max-increase 'much' is no part"),
        (("--", "false"), "failed with status 1"),
        (("--prepare", "exit 4", "--", "true"), "--prepare on base failed with status 4"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_status_2(
    words: tuple[str, ...], complaint: str, repository: Path
) -> None:
    done = gate(repository, *words)

    assert done.status == 2
    assert complaint in done.complaint
    assert git(repository, "worktree", "list").count("\n") == 0


def test_outside_a_repository_it_says_so(tmp_path: Path) -> None:
    done = gate(tmp_path, "--", "true")

    assert done.status == 2
    assert "git rev-parse" in done.complaint


def test_a_cancelled_gate_leaves_no_worktree_and_no_process(repository: Path) -> None:
    pid = repository.parent / "pid"
    script = f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 1000"
    words = [*START, "ci", "-z", "FR", "-n", "1", "--", "sh", "-c", script]
    with subprocess.Popen(
        words, cwd=repository, env=environment(repository), stderr=subprocess.PIPE, text=True
    ) as process:
        while not pid.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "ended early" in err
    assert git(repository, "worktree", "list").count("\n") == 0
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


def test_the_sides_take_turns_in_being_first() -> None:
    assert [ci.order(number)[0] for number in range(4)] == [0, 1, 0, 1]
