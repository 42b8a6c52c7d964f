"""Every block of docs/ci.md, tried as a runner would, with a pip, a gh and a make that say what is asked."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from cirunner import bash, github
from commandline import SCRIPT, Outcome

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "ci.md"
GATE = "A gate for pull requests"
WRITTEN = (".json", ".xml", ".txt", ".env", ".md")
GH = """#!/bin/sh
if [ "$4" = --jq ]; then jq "$5" "$COMMENTS"; else echo gh "$@" >> "$CALLS"; fi
"""
WORK = "total = 0\nfor n in range({}): total += n * n\n"


def sections() -> dict[str, str]:
    """The guide's sections that hold something to copy, by heading."""
    parts = GUIDE.read_text().split("\n## ")[1:]
    return {part.partition("\n")[0]: part for part in parts if "```" in part}


def scripts(block: str) -> list[str]:
    """What a runner gives to a shell of one block, a script per step."""
    kind, _, text = block.partition("\n")
    if kind == "sh":
        return [text]
    if kind == "groovy":
        found = [part.splitlines() for part in text.split("'''")[1::2]]
        return ["\n".join(line.strip() for line in lines) for lines in found]
    loaded = yaml.safe_load(text)
    steps = loaded
    if not isinstance(loaded, list):
        (job,) = (loaded.get("jobs") or loaded).values()
        steps = job.get("steps", [job])
    return [each.get("run") or "\n".join(each["script"]) for each in steps if {"run", "script"} & each.keys()]


def blocks(heading: str) -> list[str]:
    return sections()[heading].split("```")[1::2]


def tools(folder: Path, **more: str) -> str:
    """A PATH with our energywrap, and with stubs that say how they were called."""
    stubs = folder / "bin"
    stubs.mkdir()
    says = {name: f'#!/bin/sh\necho {name} "$@"\n' for name in ("pip", "make", "bencher")}
    for name, text in (says | more).items():
        (stubs / name).write_text(text)
        (stubs / name).chmod(0o755)
    if "energywrap" not in more:
        (stubs / "energywrap").symlink_to(SCRIPT)
    return f"{stubs}:{SCRIPT.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("heading", [heading for heading in sections() if heading != GATE])
def test_every_block_works_on_a_runner(heading: str, tmp_path: Path) -> None:
    script = tmp_path / "block.sh"
    script.write_text("\n".join(text for block in blocks(heading) for text in scripts(block)))
    done = bash(script, tmp_path, {**github(tmp_path), "PATH": tools(tmp_path)})

    assert done.status == 0, done.err
    assert "pip install energywrap" in done.out
    words = [word.strip("'\"") for word in sections()[heading].split()]
    promised = {word for word in words if word.startswith("energywrap") and word.endswith(WRITTEN)}
    assert promised <= {path.name for path in tmp_path.glob("energywrap*")}


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def pulled(tmp_path: Path) -> Path:
    """The checkout of a pull request that triples the work, as a runner has it: the base is origin's."""
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    origin, here = tmp_path / "origin", tmp_path / "checkout"
    origin.mkdir()
    git(origin, "init", "-q")
    (origin / "train.py").write_text(WORK.format(1_000_000))
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "work")
    git(tmp_path, "clone", "-q", str(origin), str(here))
    git(here, "checkout", "-q", "-b", "change")
    (here / "train.py").write_text(WORK.format(3_000_000))
    git(here, "commit", "-q", "-a", "-m", "more work")
    return here


def tried(script: str, folder: Path, changes: Mapping[str, str | None], options: str = "-e") -> Outcome:
    path = folder.parent / "step.sh"
    path.write_text(script)
    return bash(path, folder, changes, options)


def test_the_gate_at_home_fails_a_branch_that_uses_more(pulled: Path) -> None:
    done = tried(scripts(blocks(GATE)[0])[0], pulled, {"PATH": tools(pulled.parent)}, "-u")

    assert done.out.endswith("status 1\n"), done.err
    assert "fail: energy changed by +" in done.err


@pytest.mark.parametrize(
    ("number", "variables", "written"),
    [
        (1, {"GITHUB_BASE_REF": "main"}, "energy.md"),
        (2, {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}, "energy.xml"),
        (3, {"CHANGE_TARGET": "main"}, "energy.xml"),
    ],
)
def test_the_gate_of_every_system_fails_a_pull_request_that_uses_more(
    number: int, variables: dict[str, str], written: str, pulled: Path
) -> None:
    changes = {**variables, "PATH": tools(pulled.parent)}
    done = tried(scripts(blocks(GATE)[number])[0], pulled, changes)

    assert done.status == 1, done.err
    text = (pulled / written).read_text()
    if written.endswith(".xml"):
        assert ElementTree.fromstring(text).find(".//failure") is not None
    else:
        assert "**fail**, energy against origin/main" in html.unescape(text)


@pytest.mark.parametrize(("number", "status"), [(1, 0), (2, 3), (3, 0)])
def test_an_inconclusive_gate_does_not_stop_anybody(number: int, status: int, tmp_path: Path) -> None:
    path = tools(tmp_path, energywrap="#!/bin/sh\nexit 3\n")
    (tmp_path / "here").mkdir()

    assert tried(scripts(blocks(GATE)[number])[0], tmp_path / "here", {"PATH": path}).status == status
    if status:
        assert yaml.safe_load(blocks(GATE)[number].partition("\n")[2])["energy"]["allow_failure"] == {
            "exit_codes": status
        }


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq here, which gh has inside")
@pytest.mark.parametrize(
    ("there", "call"),
    [
        (["words"], "gh api repos/me/it/issues/7/comments"),
        (
            ["<!-- energywrap: gate-python -->\r\nold", "<!-- energywrap: gate-python3 -->"],
            "gh api -X PATCH repos/me/it/issues/comments/100",
        ),
    ],
)
def test_the_comment_is_made_once_and_then_updated(there: list[str], call: str, tmp_path: Path) -> None:
    here, calls, comments = (tmp_path / name for name in ("here", "calls", "comments.json"))
    here.mkdir()
    comments.write_text(json.dumps([{"id": 100 + n, "body": body} for n, body in enumerate(there)]))
    changes = {
        "PATH": tools(tmp_path, gh=GH),
        "CALLS": str(calls),
        "COMMENTS": str(comments),
        "GITHUB_REPOSITORY": "me/it",
        "NUMBER": "7",
    }
    comment = scripts(blocks(GATE)[1])[1]
    assert tried(comment, here, changes).status == 0
    assert not calls.exists()  # there is nothing to say
    (here / "energy.md").write_text("<!-- energywrap: gate-python -->\nwords\n")

    assert tried(comment, here, changes).status == 0
    assert calls.read_text() == f"{call} -F body=@energy.md\n"
