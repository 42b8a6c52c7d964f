"""`energywrap ci` on a real repository: a rise fails, none passes, and nothing of it is left behind."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from commandline import START, Outcome, energywrap, environment
from energywrap import revision, turns, worktree

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


def test_a_program_that_uses_several_times_as_much_fails(repository: Path) -> None:
    (repository / "work.py").write_text(BURN.format(0.6))
    done = gate(repository, "-n", "5", "--", "python3", "work.py")

    assert done.status == 1, done.err
    assert "fail: energy changed by +" in done.err
    head, first, *_ = (line.split("\t") for line in done.out.splitlines())
    assert head[1].startswith("main at ")
    assert head[2:] == ["this checkout", "ratio", "P5 to P95"]
    assert first[0] == "energy, machine"
    assert git(repository, "worktree", "list").count("\n") == 0


def test_a_program_that_uses_less_passes(repository: Path) -> None:
    (repository / "work.py").write_text("")

    assert gate(repository, "-n", "5", "--", "python3", "work.py").status == 0


def test_a_checkout_that_is_the_base_is_said_to_be_compared_with_itself(repository: Path) -> None:
    done = gate(repository, "-n", "1", "--json", "--comment", "../c.md", "--", "true")

    assert "nothing has changed here since main" in done.err
    assert "nothing has changed here since main" in (repository.parent / "c.md").read_text()
    assert json.loads(done.out)["checks"][0]["sides"][1] == "this checkout"


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
    assert "with 1 run on a side: 5 are needed" in done.err


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
        (("--max-increase", "much", "--", "true"), "--max-increase 'much' is no percentage"),
        (("--", "false"), "error: the command on this checkout failed with status 1: nothing is compared"),
        (("--", "sh", "-c", "echo why >&2; exit 5"), "failed with status 5 (why)"),
        (("--", "nosuch"), "error: on this checkout: "),
        (("--prepare", "exit 4", "--", "true"), "--prepare 'exit 4' on this checkout failed with status 4"),
        (("-n", "0", "--", "true"), "see `energywrap ci --help`"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_status_2(
    words: tuple[str, ...], complaint: str, repository: Path
) -> None:
    (repository / "work.py").write_text("")
    done = gate(repository, *words)

    assert done.status == 2
    assert complaint in done.complaint
    assert git(repository, "worktree", "list").count("\n") == 0


def test_outside_a_repository_it_says_so(tmp_path: Path) -> None:
    done = gate(tmp_path, "--", "true")

    assert done.status == 2
    assert "is in no git repository" in done.complaint


def ended_early(repository: Path, pid: Path, *words: str) -> str:
    """Ask a gate to end once a process of it has told its number; what it says. Nothing of it is left."""
    with subprocess.Popen(
        [*START, "ci", "-z", "FR", "-n", "1", *words],
        cwd=repository, env=environment(repository), stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not pid.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    assert git(repository, "worktree", "list").count("\n") == 0
    return err


def test_a_cancelled_gate_leaves_no_worktree_and_no_process(repository: Path) -> None:
    pid = repository.parent / "pid"
    script = f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 1000"

    assert "ended early" in ended_early(repository, pid, "--", "sh", "-c", script)


def test_a_program_that_the_base_has_not_is_inconclusive(repository: Path) -> None:
    (repository / "new.py").write_text("")
    done = gate(repository, "--comment", "c.md", "--", "python3", "new.py")

    assert done.status == 3
    assert "inconclusive: the command on main at " in done.err
    assert "failed with status 2" in done.err
    assert "and it does not fail here" in done.err
    assert ": inconclusive\n" in (repository / "c.md").read_text()


def test_where_nothing_is_compared_github_is_told_and_no_old_comment_stays(repository: Path) -> None:
    (repository / "c.md").write_text("an old verdict")
    names = {"GITHUB_STEP_SUMMARY": str(repository / "s.md"), "GITHUB_OUTPUT": str(repository / "o.txt")}
    done = energywrap(
        *("ci", "--warmup", "0", "--comment", "c.md", "--junit", "t.xml", "--", "false"),
        cwd=repository,
        changes={"GITHUB_ACTIONS": "true", **names},
    )

    assert done.status == 2
    assert "::error title=energywrap%3A false::the command on this checkout failed" in done.err
    assert (repository / "o.txt").read_text().startswith("verdict=error\nenergy_ratio=\n")
    assert (repository / "s.md").read_text() in (repository / "c.md").read_text()
    assert "an old verdict" not in (repository / "c.md").read_text()
    assert 'errors="1"' in (repository / "t.xml").read_text()


def test_what_the_base_got_since_is_not_held_against_this_checkout(repository: Path) -> None:
    git(repository, "commit", "-q", "-m", "nothing", "--allow-empty")
    git(repository, "checkout", "-q", "main")
    (repository / "work.py").write_text("")
    git(repository, "commit", "-q", "-a", "-m", "no work left")
    tip = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "change")

    assert revision.base("main", str(repository)).commit == git(repository, "rev-parse", "main~1")
    assert revision.base(tip[:9], str(repository)).title.endswith(
        f" at {git(repository, 'rev-parse', 'main~1')[:9]}"
    )


def test_without_a_common_history_the_base_is_the_revision_itself(repository: Path) -> None:
    git(repository, "checkout", "-q", "--orphan", "other")
    git(repository, "commit", "-q", "-m", "new")

    assert revision.base("main", str(repository)).commit == git(repository, "rev-parse", "main")


@pytest.mark.parametrize(
    ("environ", "base"),
    [
        ({}, "main"),
        ({"GITHUB_BASE_REF": "", "CI": "true"}, "main"),
        ({"GITHUB_BASE_REF": "release"}, "origin/release"),
        ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": "abc", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}, "abc"),
        ({"CHANGE_TARGET": "develop"}, "origin/develop"),
    ],
)
def test_the_base_is_what_the_pull_request_is_for(
    environ: dict[str, str], base: str, repository: Path
) -> None:
    assert revision.default(environ, str(repository)) == base


def test_a_clone_without_a_main_of_its_own_goes_by_the_origins(repository: Path) -> None:
    git(repository, "update-ref", "refs/remotes/origin/main", "main")
    git(repository, "branch", "-q", "-D", "main")

    assert revision.default({}, str(repository)) == "origin/main"


@pytest.mark.parametrize(
    "words",
    [
        ("python3", "{}/work.py"),
        ("python3", "--set=path={}/work.py"),
        ("python3", "-I{}/work.py"),
        ("make", "-C", "{}"),
        ("sh", "-c", "python3 '{}/work.py' && true"),
        ("python3", "{}/../project/work.py"),
        ("python3", "/{}/work.py"),
        ("python3", "{}/../link/work.py"),
    ],
)
def test_a_path_into_this_checkout_is_refused(words: tuple[str, ...], repository: Path) -> None:
    (repository.parent / "link").symlink_to(repository)
    (repository / "sub").mkdir()
    (repository / "sub/one.py").touch()
    git(repository, "add", ".")
    words = tuple(word.format(repository) for word in words)
    done = gate(repository, "--", *words)

    assert done.status == 2
    assert "the base would take this checkout's; name it from this folder" in done.complaint


def test_so_is_one_of_prepare_and_one_that_a_shell_finds(repository: Path) -> None:
    line = f"cp {repository}/work.py ."
    assert "--prepare names" in gate(repository, "--prepare", line, "--", "true").complaint
    home = {"HOME": str(repository.parent)}
    for script in ("sh ~/project/work.py", "sh $HOME/project/work.py"):
        done = energywrap("ci", "--", "sh", "-c", script, cwd=repository, changes=home)
        assert "the base would take this checkout's" in done.complaint
    assigned = ("sh", "-c", "HOME=/x; cat $HOME/project/work.py || true")
    assert energywrap("ci", "-n", "1", "--", *assigned, cwd=repository, changes=home).status == 3


def test_a_checkout_of_any_name_is_seen(repository: Path) -> None:
    odd = repository.rename(repository.parent / "my 'own' project: 1")

    assert "the base would take this checkout's" in gate(odd, "--", "python3", f"{odd}/work.py").complaint


def test_a_path_of_programs_and_modules_leads_into_the_base_there(repository: Path) -> None:
    tools = {
        "bin/tool": "#!/bin/sh\necho {} >> $SEEN; python3 -c 'import module'\n",
        "lib/module.py": "import os; print('module {}', file=open(os.environ['SEEN'], 'a'))\n",
    }
    for name, text in tools.items():
        path = repository / name
        path.parent.mkdir()
        path.write_text(text.format("old"))
        path.chmod(0o755)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "tools")
    git(repository, "branch", "-q", "-f", "main")
    for path in (repository / "bin/tool", repository / "lib/module.py"):
        path.write_text(path.read_text().replace("old", "new"))
    seen = repository.parent / "seen"
    changes = {"SEEN": str(seen), "PATH": f"{repository}/bin:{os.environ['PATH']}",
               "PYTHONPATH": f"{repository}/lib", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
    for command in (("tool",), ("sh", "-c", "tool")):
        words = ("ci", "-n", "1", "--warmup", "0", "--", *command)
        done = energywrap(*words, cwd=repository, changes=changes)
        assert done.status == 3, done.err
        assert "from this checkout as well" not in done.err
    assert seen.read_text().split("\n")[:-1] == ["old", "module old", "new", "module new"] * 2


def test_a_program_that_was_built_here_is_a_doubt(repository: Path) -> None:
    (repository / "bin").mkdir()
    (repository / "bin/tool").write_text("#!/bin/sh\n")
    (repository / "bin/tool").chmod(0o755)
    path = {"PATH": f"{repository}/bin:{os.environ['PATH']}"}
    built = energywrap("ci", "-n", "1", "--warmup", "0", "--", "tool", cwd=repository, changes=path)

    assert "which the base runs from this checkout as well" in built.err
    assert built.status == 3


def test_a_home_in_the_checkout_stays_the_users(repository: Path) -> None:
    """As in a CI agent whose home is its workspace: the runs of both sides are of one machine and ledger."""
    words = ("ci", "-z", "FR", "-n", "5", "--warmup", "0", "--keep", "--", "true")
    done = energywrap(*words, cwd=repository)  # the tests' own home is the folder that they start in

    assert "different machines" not in done.err
    assert len(json.loads(energywrap("history", "--json", cwd=repository).out)) == 10


def test_a_path_to_data_is_a_doubt_and_one_into_an_environment_none(repository: Path) -> None:
    (repository / "data").write_text("")
    (repository / "venv/bin").mkdir(parents=True)
    (repository / "venv/pyvenv.cfg").touch()
    (repository / "venv/bin/true").symlink_to(shutil.which("true") or "")
    data = gate(repository, "-n", "1", "--", "cat", f"{repository}/data")
    inside = gate(
        repository, "-n", "1", "--", f"{repository}/venv/bin/true", "http://x/y", f"/x{repository}/z"
    )

    assert data.status == inside.status == 3
    assert f"the command names {repository}/data, which the base takes from this checkout as well" in data.err
    assert "from this checkout as well" not in inside.err


def test_a_package_that_is_installed_from_this_checkout_is_doubted(repository: Path) -> None:
    packages = repository.parent / "venv/lib/python3.12/site-packages"
    installed = (("ours", repository, True), ("copy", repository, False), ("other", "/", True))
    for name, where, editable in installed:
        told = packages / f"{name}-1.0.dist-info" / "direct_url.json"
        told.parent.mkdir(parents=True)
        told.write_text(json.dumps({"url": f"file://{where}", "dir_info": {"editable": editable}}))
    (packages / "torn-1.dist-info").mkdir()
    (packages / "torn-1.dist-info" / "direct_url.json").write_text("{")
    changes = {"VIRTUAL_ENV": str(repository.parent / "venv")}
    words = ("ci", "-n", "1", "--warmup", "0")
    done = energywrap(*words, "--comment", "c.md", "--", "true", cwd=repository, changes=changes)
    prepared = [
        energywrap(*words, "--prepare", line, "--", "true", cwd=repository, changes=changes)
        for line in ("true", ": npm install", ": pip install -r x.txt", ": pip install -q -e .", ": uv sync")
    ]

    assert done.err.count("energywrap: ours: installed from this checkout") == 1
    assert "ours: installed from this checkout" in html.unescape((repository / "c.md").read_text())
    assert ["installed from" in each.err for each in prepared] == [True, True, True, False, False]


def test_variables_that_hold_the_checkout_hold_the_bases_there(repository: Path) -> None:
    """As CI systems tell it; a script that goes by them runs each side's own."""
    seen = repository.parent / "seen"
    (repository / "sub").mkdir()
    (repository / "sub/file").touch()
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "sub")
    git(repository, "branch", "-q", "-f", "main")
    script = f"head -c 6 $GITHUB_WORKSPACE/work.py >> {seen}; echo :$HERE:$PWD >> {seen}"
    (repository / "work.py").write_text("second")
    here = repository / "sub"
    changes = {"GITHUB_WORKSPACE": str(repository), "HERE": str(here)}
    words = ("ci", "-n", "1", "--warmup", "0", "--", "sh", "-c", script)
    done = energywrap(*words, cwd=here, changes=changes)

    assert done.status == 3, done.err
    base, mine = (line.split(":") for line in seen.read_text().splitlines())
    assert mine == ["second", str(here), str(here)]
    assert base[0] == "import"
    assert base[1] == base[2] != str(here)
    assert base[1].endswith("/base/sub")


def test_a_pyproject_that_only_mentions_us_holds_no_settings(repository: Path) -> None:
    (repository / "pyproject.toml").write_text('[project.optional-dependencies]\ndev = ["energywrap"]\n')

    assert gate(repository, "-n", "1", "--", "true").status == 3


def test_kept_runs_are_those_that_count_in_the_ledger_of_this_folder(repository: Path) -> None:
    (repository / "energywrap.toml").write_text('ledger = "../kept.db"\n')
    words = ("ci", "-z", "FR", "-n", "2", "--warmup", "2", "--keep", "-l", "mine", "--", "true")
    assert energywrap(*words, cwd=repository).status == 3
    runs = json.loads(energywrap("history", "--json", cwd=repository).out)

    assert sorted(run["label"] for run in runs) == ["mine: base"] * 2 + ["mine: this checkout"] * 2


def test_a_comment_of_before_is_no_change(repository: Path) -> None:
    (repository / ".gitignore").write_text("state/\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "ours")
    git(repository, "branch", "-q", "-f", "main")
    words = ("-n", "1", "--comment", "energy.md", "--", "true")
    said = [gate(repository, *words).err for _ in range(2)]

    assert all("nothing has changed here since main" in err for err in said)


def test_a_hook_of_the_repository_does_not_run_in_the_worktree(repository: Path) -> None:
    hook = repository / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)

    assert gate(repository, "-n", "1", "--", "true").status == 3


def test_this_checkout_is_prepared_last_whatever_happens(repository: Path) -> None:
    """An even number of rounds ends on the base; so does a command that fails there."""
    line = f"pwd > {repository.parent}/prepared"
    (repository / "new.py").write_text("")
    for words in (("-n", "2", "--", "true"), ("-n", "2", "--", "python3", "new.py")):
        assert gate(repository, "--prepare", line, *words).status == 3
        assert (repository.parent / "prepared").read_text() == f"{repository}\n"


def test_what_a_run_has_left_running_ends_with_the_gate(repository: Path) -> None:
    pids = repository.parent / "pids"
    script = f"(sleep 1000 & echo $! >> {pids})"
    assert gate(repository, "-n", "1", "--prepare", script, "--", "sh", "-c", script).status == 3

    assert len(pids.read_text().split()) == 4
    assert not [pid for pid in pids.read_text().split() if Path(f"/proc/{pid}").exists()]


def test_a_gate_that_is_ended_while_it_prepares_leaves_nothing(repository: Path) -> None:
    pid = repository.parent / "pid"
    line = f"sleep 1000 & echo $! > {pid}.new; mv {pid}.new {pid}; wait"

    assert "ended early" in ended_early(repository, pid, "--prepare", line, "--", "true")


def left_behind(around: Path, repository: Path, name: str, age_s: float) -> Path:
    """A worktree as a killed gate leaves it."""
    kept = around / f"{worktree.PREFIX}{name}"
    kept.mkdir()
    (kept / worktree.MARK).write_text(str(repository / ".git"))
    git(repository, "worktree", "add", "--quiet", "--detach", str(kept / "base"))
    os.utime(kept, (time.time() - age_s,) * 2)
    return kept


def test_a_worktree_that_was_left_behind_goes_and_nothing_else(repository: Path) -> None:
    around = repository.parent / "tmp"
    around.mkdir()
    for name, age_s in (("left", 100.0), ("used", 100.0), ("new", 0.0)):
        left_behind(around, repository, name, age_s)
    theirs = around / f"{worktree.PREFIX}results"  # a folder that has just the name
    theirs.mkdir()
    os.utime(theirs, (1, 1))
    away = repository.parent / "away"
    git(repository, "worktree", "add", "--quiet", "--detach", str(away))
    away.rename(repository.parent / "unmounted")  # one of the user's that is not there for a moment
    words = ("ci", "-z", "FR", "-n", "1", "--warmup", "0", "--", "true")
    with worktree.held(str(around / f"{worktree.PREFIX}used")) as free:
        assert free
        assert energywrap(*words, cwd=repository, changes={"TMPDIR": str(around)}).status == 3

    names = sorted(path.name.removeprefix(worktree.PREFIX) for path in around.iterdir())
    assert names == ["new", "results", "used"]
    listed = git(repository, "worktree", "list")
    assert [word in listed for word in ("left/base", "used/base", "new/base", "away")] == [
        False,
        True,
        True,
        True,
    ]


def test_folders_that_cannot_be_written_go_as_well(repository: Path) -> None:
    around = repository.parent / "tmp"
    around.mkdir()
    script = "mkdir -p cache/deep && touch cache/deep/file && chmod 555 cache/deep cache"
    words = ("ci", "-z", "FR", "-n", "1", "--warmup", "0", "--", "sh", "-c", script)
    done = energywrap(*words, cwd=repository, changes={"TMPDIR": str(around)})

    assert done.status == 3
    assert list(around.iterdir()) == []
    (repository / "cache").chmod(0o755)


def test_a_hook_of_git_can_ask_for_it(repository: Path) -> None:
    """A hook's git is told by variables where it is at work: those would lead the base into this checkout."""
    hook = repository / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{' '.join(START)} ci -z FR -n 1 --warmup 0 -- true\n[ $? -eq 3 ]\n")
    hook.chmod(0o755)
    (repository / "work.py").write_text("new")
    (repository / "other").write_text("other")
    git(repository, "add", "other")
    git(repository, "commit", "-q", "-m", "a part of it", "--", "work.py")

    assert git(repository, "show", "--stat", "--format=", "HEAD").splitlines()[0].split()[0] == "work.py"
    assert git(repository, "status", "--porcelain") == "A  other"


def test_both_sides_have_the_settings_of_this_checkout(repository: Path) -> None:
    (repository / "energywrap.toml").write_text("tdp = 999\n")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "settings")
    git(repository, "branch", "-q", "-f", "main")
    (repository / "energywrap.toml").unlink()
    words = ("ci", "-n", "1", "--warmup", "0", "--keep", "-z", "FR", "--", "true")
    assert energywrap(*words, cwd=repository).status == 3
    (repository / "energywrap.toml").write_text("tdp = 77\n")
    assert energywrap(*words, cwd=repository).status == 3
    runs = energywrap("export", cwd=repository).out.splitlines()

    assert [json.loads(line)["settings"]["tdp"]["value"] for line in runs] == [None, None, 77, 77]


def test_a_clone_that_is_too_shallow_says_so(repository: Path) -> None:
    (repository / "work.py").write_text("pass")
    git(repository, "commit", "-q", "-a", "-m", "change")
    clone = repository.parent / "clone"
    url = f"file://{repository}"
    git(repository.parent, "clone", "-q", "--depth", "1", "-b", "change", url, str(clone))
    git(clone, "fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    done = energywrap("ci", "--base", "origin/main", "--", "true", cwd=clone)

    assert done.status == 2
    assert "this clone is too shallow to tell where it left origin/main" in done.complaint
    assert "fetch-depth: 0" in done.complaint


def test_a_command_that_fails_here_once_is_an_error(repository: Path) -> None:
    (repository / "work.py").write_text("")
    script = "test ! -e here || { test -e again || { touch again; exit 7; }; }"
    (repository / "here").touch()
    done = gate(repository, "--", "sh", "-c", script)

    assert done.status == 2
    assert "the command on this checkout failed with status 7: nothing is compared" in done.err


@pytest.mark.parametrize(
    ("option", "goes"),
    [("", "| true"), ("--json", "| true"), ("", ">&-"), ("--json", ">&-"), ("", "> /dev/full")],
)
def test_what_becomes_of_standard_output_changes_no_verdict(option: str, goes: str, repository: Path) -> None:
    words = f"ci -z FR -n 1 --warmup 0 --comment c.md {option} -- true {goes}"
    script = f"set -o pipefail; {' '.join(START)} {words}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=repository, env=environment(repository), capture_output=True, text=True
    )

    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert (repository / "c.md").read_text().startswith("<!-- energywrap: gate-true -->")


def test_what_the_command_writes_is_shown_on_request(repository: Path) -> None:
    script = ("--", "sh", "-c", "echo out; echo err >&2")
    hidden, shown = (gate(repository, "-n", "1", *more, *script) for more in ((), ("--show-output",)))

    assert "err\n" not in hidden.err
    assert shown.err.count("out\nerr\n") == 2
    assert "out" not in shown.out.replace("checkout", "")


def test_the_sides_take_turns_in_being_first() -> None:
    assert [turns.order(number)[0] for number in range(1, 5)] == [0, 1, 0, 1]
