"""Publishing from a real run: the right files get the right text, and the command pays for nothing."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from cirunner import bash, github
from commandline import Outcome, energywrap

ROOT = Path(__file__).parents[1]
ACTION = ROOT / ".github" / "actions" / "energywrap" / "action.yml"
COMMAND = """echo "it's" 'quoted' `echo backticks` $(echo substituted)
echo '${{ nothing }}' "$HOME" > /dev/null
echo 'second | line'"""
CHECKED = {"verdict", "energy_ratio"}  # what only a check gives


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real run, whose label means something to every format."""
    folder = tmp_path_factory.mktemp("publish")
    done = energywrap("run", "-q", "-l", "a|b <c>", "-o", "report.json", "true", cwd=folder)
    assert done.status == 0, done.err
    return folder / "report.json"


def values(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def test_every_target_gets_its_files_and_each_is_said(report: Path, tmp_path: Path) -> None:
    words = ("gitlab", "jenkins", "github-action-benchmark", "bencher", "github")
    asked = [word for target in words for word in ("--to", target)]
    done = energywrap(
        "publish", str(report), *asked, "--comment", "comment.md", cwd=tmp_path, changes=github(tmp_path)
    )

    assert done.status == 0, done.err
    for name in ("metrics.txt", "junit.xml", "benchmark.json", "bencher.json"):
        assert f"energywrap-{name}" in done.err
    assert (tmp_path / "energywrap-metrics.txt").read_text().endswith("# EOF\n")
    assert values(tmp_path / "energywrap.env")["EWRAP_EXIT_CODE"] == "0"
    assert ElementTree.parse(tmp_path / "energywrap-junit.xml").getroot().tag == "testsuites"
    assert json.loads((tmp_path / "energywrap-benchmark.json").read_text())[0]["name"].startswith("a|b <c>")
    assert list(json.loads((tmp_path / "energywrap-bencher.json").read_text())) == ["a|b <c>"]
    assert (tmp_path / "comment.md").read_text().startswith("<!-- energywrap: a-b-c-")
    assert values(tmp_path / "output.txt")["exit_code"] == "0"
    assert done.out.count("::warning") == len(done.out.splitlines()) <= 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [({"GITLAB_CI": "true"}, "energywrap.env"), ({"JENKINS_URL": "http://ci"}, "energywrap-junit.xml")],
)
def test_the_system_is_detected(variables: dict[str, str], said: str, report: Path, tmp_path: Path) -> None:
    done = energywrap("publish", str(report), cwd=tmp_path, changes=variables)

    assert done.status == 0
    assert (tmp_path / said).exists()


def test_where_no_system_is_known_one_line_says_so(report: Path, tmp_path: Path) -> None:
    done = energywrap("publish", str(report), cwd=tmp_path)

    assert done.status == 2
    assert "--to" in done.complaint


def test_a_target_that_does_not_exist_is_refused(report: Path, tmp_path: Path) -> None:
    assert "githb" in energywrap("publish", str(report), "--to", "githb", cwd=tmp_path).complaint


def test_a_variable_that_github_has_not_set_is_said(report: Path, tmp_path: Path) -> None:
    done = energywrap("publish", str(report), "--to", "github", cwd=tmp_path)

    assert done.status == 1
    assert "GITHUB_STEP_SUMMARY is not set" in done.err
    assert "GITHUB_OUTPUT is not set" in done.err


def test_a_folder_that_cannot_be_written_is_said(report: Path, tmp_path: Path) -> None:
    (tmp_path / "energywrap-junit.xml").mkdir()
    done = energywrap("publish", str(report), "--to", "jenkins", cwd=tmp_path)

    assert done.status == 1
    assert "cannot write" in done.complaint


def test_a_run_in_an_action_appends_to_what_github_has_named(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("before\n")
    done = energywrap("run", "-q", "echo", "hello", cwd=tmp_path, changes=github(tmp_path))

    assert (done.status, done.out) == (0, "hello\n")
    assert (tmp_path / "summary.md").read_text().startswith("before\n### energywrap: <code>echo</code>")
    assert values(tmp_path / "output.txt")["exit_code"] == "0"
    assert not list(tmp_path.glob("energywrap*"))


@pytest.mark.parametrize(
    ("flags", "more"),
    [
        (("--ci", "off"), {}),
        ((), {"ENERGYWRAP_RUN": "0123456789abcdef"}),
        ((), {"ENERGYWRAP_RUN": "0123456789abcdef", "ENERGYWRAP_CI": "github,gitlab"}),
        ((), {"GITHUB_ACTIONS": None, "GITLAB_CI": "true", "JENKINS_URL": "x"}),
    ],
)
def test_otherwise_nothing_is_written(
    flags: tuple[str, ...], more: Mapping[str, str | None], tmp_path: Path
) -> None:
    done = energywrap("run", "-q", *flags, "true", cwd=tmp_path, changes={**github(tmp_path), **more})

    assert done.status == 0
    assert not (tmp_path / "summary.md").exists()
    assert not (tmp_path / "output.txt").exists()
    assert not list(tmp_path.glob("energywrap*"))


def test_a_run_that_cannot_write_says_it_in_a_line_and_keeps_the_commands_status(tmp_path: Path) -> None:
    (tmp_path / "energywrap-junit.xml").mkdir()
    done = energywrap("run", "-q", "--ci", "jenkins", "sh", "-c", "exit 7", cwd=tmp_path)

    assert done.status == 7
    assert "cannot write" in done.complaint


def test_a_misspelt_target_is_refused_before_the_command_starts(tmp_path: Path) -> None:
    done = energywrap("run", "--ci", "github,jenkin", "touch", "started", cwd=tmp_path)

    assert done.status == 125
    assert "'jenkin'" in done.complaint
    assert not (tmp_path / "started").exists()


def action() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text())
    return found


def test_the_action_never_puts_an_input_into_a_script() -> None:
    found = action()

    assert found["runs"]["using"] == "composite"
    assert set(found["inputs"]) == {
        *("command", "label", "project", "zone", "args", "version", "max-energy", "python"),
        *("base", "runs", "max-increase", "prepare", "comment"),
    }
    used = set()
    for step in found["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        used |= {text.removeprefix("${{ inputs.").removesuffix(" }}") for text in step["env"].values()}
    assert used == set(found["inputs"])
    for name, output in found["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"


def step(number: int, folder: Path, **given: str) -> Outcome:
    """Run a step of the action as a runner does: its script in a file, its inputs in the environment."""
    found = action()
    inputs = {name: str(each.get("default", "")) for name, each in found["inputs"].items()}
    inputs |= {"python": sys.executable} | {name.replace("_", "-"): value for name, value in given.items()}
    one = found["runs"]["steps"][number]
    ours = folder / "energywrap-venv" / "bin"
    if number == 1:  # as the step before has left it
        ours.mkdir(parents=True)
        (ours / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        (ours / "python").chmod(0o755)
    script = folder / "step.sh"
    script.write_text(one["run"])
    env = {
        name: inputs[text.removeprefix("${{ inputs.").removesuffix(" }}")]
        for name, text in one["env"].items()
    }
    return bash(script, folder, {**env, **github(folder), "RUNNER_TEMP": str(folder)})


def test_the_action_passes_a_command_on_as_it_is(tmp_path: Path) -> None:
    done = step(
        1,
        tmp_path,
        command=f"{COMMAND}\nenv | grep ^EW_ || true",
        label='a $(touch bad) `b` "c"',
        args="--zone\nFR",
    )

    assert done.status == 0, done.err
    assert done.out == "it's quoted backticks substituted\nsecond | line\n"
    assert not (tmp_path / "bad").exists()
    assert values(tmp_path / "output.txt").keys() == action()["outputs"].keys() - CHECKED
    assert "FR (France)" in (tmp_path / "summary.md").read_text()


def test_the_action_ends_as_the_command_did(tmp_path: Path) -> None:
    done = step(1, tmp_path, command="exit 7", max_energy="1uJ")

    assert done.status == 7
    assert values(tmp_path / "output.txt")["exit_code"] == "7"


@pytest.mark.parametrize(("limit", "status"), [("99kWh", 0), ("0J", 1)])
def test_the_action_fails_where_more_is_used_than_allowed(limit: str, status: int, tmp_path: Path) -> None:
    assert step(1, tmp_path, command="true", max_energy=limit).status == status
    told = values(tmp_path / "output.txt")
    assert told["verdict"] == ("fail" if status else "pass")
    assert told.keys() >= CHECKED
    assert "(--max-energy)" in html.unescape((tmp_path / "summary.md").read_text())


@pytest.mark.parametrize(("command", "label"), [("\n\n  echo a\necho b", "  echo a"), ("\n", "bash")])
def test_the_action_names_a_run_by_the_first_line_that_says_something(
    command: str, label: str, tmp_path: Path
) -> None:
    done = step(1, tmp_path, command=command)

    assert done.status == 0, done.err
    assert f"### energywrap: <code>{label}</code>" in (tmp_path / "summary.md").read_text()


def test_the_action_refuses_what_a_gate_does_not_look_at(tmp_path: Path) -> None:
    done = step(1, tmp_path, command="touch started", base="main", **{"max-energy": "1J"})

    assert done.status == 2
    assert "::error title=energywrap::max-energy, project and args do not go with base" in done.out
    assert not (tmp_path / "started").exists()


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
@pytest.mark.parametrize(("runs", "status", "verdict"), [("5", 1, "fail"), ("2", 0, "inconclusive")])
def test_the_action_is_a_gate_with_a_base(runs: str, status: int, verdict: str, tmp_path: Path) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    (tmp_path / "work.sh").write_text("sleep 0.1\n")
    for words in (("init", "-q", "-b", "main"), ("add", "work.sh"), ("commit", "-q", "-m", "work")):
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    (tmp_path / "work.sh").write_text("sleep 0.6\n")
    done = step(
        1,
        tmp_path,
        command="sh work.sh",
        base="main",
        runs=runs,
        prepare="ls > made",
        comment="c.md",
    )

    assert done.status == status, done.err
    assert values(tmp_path / "output.txt")["verdict"] == verdict
    assert f"### energywrap: <code>sh work.sh</code>: {verdict}\n" in (tmp_path / "c.md").read_text()
    kind = "error" if status else "warning"
    assert f"::{kind} title=energywrap%3A sh work.sh::" in done.err


@pytest.mark.parametrize(
    ("version", "installed"),
    [("", "energywrap"), ("0.1.0", "energywrap==0.1.0"), ("--evil $(id)", "--evil $(id)")],
)
def test_the_action_installs_what_it_is_told(version: str, installed: str, tmp_path: Path) -> None:
    stub = tmp_path / "python"
    stub.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@"\n'
        '[ "$2" != venv ] || { mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; }\n'
    )
    stub.chmod(0o755)

    assert step(0, tmp_path, version=version, python=str(stub)).out.splitlines()[-2:] == ["--", installed]
