"""A gate's verdict where people see it: comment, tests, JSON, GitHub's files."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commandline import Outcome, energywrap
from conftest import Energywrap
from energywrap import gate
from energywrap.comparison import Verdict
from energywrap.formats import compared, document
from energywrap.formats.ci import gates, markdown
from energywrap.gate import Check, Gate
from energywrap.model import RunReport
from energywrap.record import replace

GOLDEN = Path(__file__).parent / "golden_ci"
any_text = st.text(st.characters(exclude_categories=())).filter(lambda text: "\0" not in text)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    ran = Energywrap(tmp_path_factory.mktemp("gates"))("-z", "FR", "true")
    return document.parse(json.dumps(ran.report), "a run")


def run_of(real: RunReport, joules: float, number: int) -> RunReport:
    """A run that used so much, all of it modelled."""
    machine = replace(real.scopes["machine"], energy_j=joules, low_j=joules, high_j=joules)
    command = replace(real.scopes["command"], energy_j=joules / 2, low_j=None, high_j=None)
    (cpu, *_) = (part for part in real.components if part.component == "cpu")
    return replace(
        real,
        run_id=f"{number:016x}",
        command=("train",),
        duration_s=joules / 50,
        tree=replace(real.tree, cpu_s=joules / 60),
        scopes={**real.scopes, "machine": machine, "command": command},
        components=(replace(cpu, energy_j=joules, basis="modelled"),),
        warnings=(),
    )


@pytest.fixture(scope="module")
def risen(real: RunReport) -> Gate:
    """Five runs a side, a fifth more energy, and a limit that holds."""
    sides = [[run_of(real, joules + n, joules + n) for n in range(5)] for joules in (100, 120)]
    limit = Check("--max-energy 1kJ", Verdict("pass", "122 J, and 1 kJ is allowed (--max-energy)"))
    against = gate.against(
        "energy against main", sides[0], sides[1], 0.05, ("main at 0a1b2c3d4", "this checkout")
    )
    return Gate("train", (limit, against), again="energywrap ci --base main -- train")


def saved(real: RunReport, folder: Path) -> tuple[str, list[str]]:
    """Files of five frugal runs, as `check` takes a baseline, and of five that use more."""
    names = []
    for number, joules in enumerate([100, 101, 102, 103, 104, 120, 121, 122, 123, 124]):
        (folder / f"{number}.json").write_text(document.text(run_of(real, joules, number)))
        names.append(f"{number}.json")
    return ",".join(names[:5]), names[5:]


def checked(real: RunReport, folder: Path, *words: str, **changes: str | None) -> Outcome:
    old, new = saved(real, folder)
    return energywrap("check", *new, "--baseline", old, *words, cwd=folder, changes=changes)


def test_the_worst_answer_is_the_gates() -> None:
    def word(*words: str) -> str:
        return Gate("x", tuple(Check(each, Verdict(each, "")) for each in words)).word

    assert word("pass", "pass") == "pass"
    assert word("pass", "inconclusive") == "inconclusive"
    assert word("inconclusive", "fail", "pass") == "fail"


def test_a_gate_goes_by_its_label_else_by_the_command() -> None:
    assert gate.name_of("nightly", ("a",)) == "nightly"
    assert gate.name_of(None, ("/usr/bin/python", "train.py", "-n", "3")) == "python train.py -n 3"
    assert len(gate.name_of(None, ("x" * 99,))) == gate.LONGEST
    assert gate.name_of(None, ()) == "runs"


@given(one=any_text, other=any_text)
@example(one="a b", other="a-b")
@example(one="C", other="C++")
@example(one="训练", other="推理")
def test_gates_of_different_names_have_different_markers(one: str, other: str) -> None:
    assert (markdown.marker(one) == markdown.marker(other)) == (one == other)


def test_the_comment_is_the_golden_one(risen: Gate) -> None:
    path = GOLDEN / "gate.md"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(gates.comment(risen), encoding="utf-8")

    assert gates.comment(risen) == path.read_text(encoding="utf-8")


@given(text=any_text)
def test_no_word_breaks_out_of_a_comment(text: str, risen: Gate) -> None:
    limit, against = risen.checks
    checks = (
        replace(limit, name=text, verdict=Verdict("fail", text)),
        replace(against, sides=(text, text)),
    )
    odd = Gate(text, checks, again=text)
    plain, shown = gates.comment(risen), gates.comment(odd)

    assert len(shown.splitlines()) == len(plain.splitlines())
    assert [line.count("|") for line in shown.splitlines()] == [
        line.count("|") for line in plain.splitlines()
    ]
    assert set(re.findall(r"<[^>]*>", shown.partition("\n")[2])) <= {"<code>", "</code>"}
    assert re.fullmatch(r"<!-- energywrap: [\w.-]+ -->", shown.partition("\n")[0], re.ASCII)
    line = gates.annotation(odd)
    assert line is not None
    assert line.splitlines() == [line]


def test_outputs_are_the_verdict_and_the_ratio_or_empty(risen: Gate) -> None:
    limit = Gate("x", risen.checks[:1])

    assert gates.outputs(risen)["verdict"] == "fail"
    assert float(gates.outputs(risen)["energy_ratio"]) == pytest.approx(122 / 102)
    assert gates.outputs(limit) == {
        "verdict": "pass",
        "energy_ratio": "",
        "energy_ratio_low": "",
        "energy_ratio_high": "",
    }
    assert gates.annotation(limit) is None


def test_a_gate_goes_to_files_and_to_json(real: RunReport, tmp_path: Path) -> None:
    done = checked(real, tmp_path, "--json", "--comment", "c.md", "--junit", "t.xml", "--max-energy", "1kJ")
    told = json.loads(done.out)

    assert done.status == 1
    assert (told["verdict"], told["name"]) == ("fail", "train")
    assert [each["verdict"] for each in told["checks"]] == ["pass", "fail"]
    assert told["checks"][1]["comparison"]["quantities"][0]["ratio"] == pytest.approx(122 / 102)
    comment = (tmp_path / "c.md").read_text()
    assert comment.startswith("<!-- energywrap: gate-train -->\n### energywrap: <code>train</code>: fail\n")
    assert "energy changed by +19.6 %" in html.unescape(comment)
    tests = ElementTree.parse(tmp_path / "t.xml").getroot()
    assert [case.find("failure") is None for case in tests.iter("testcase")] == [True, False]


def test_on_github_it_is_in_the_summary_the_outputs_and_beside_the_step(
    real: RunReport, tmp_path: Path
) -> None:
    names = {"GITHUB_STEP_SUMMARY": str(tmp_path / "s.md"), "GITHUB_OUTPUT": str(tmp_path / "o.txt")}
    done = checked(real, tmp_path, GITHUB_ACTIONS="true", **names)
    off = checked(real, tmp_path, GITHUB_ACTIONS="true", ENERGYWRAP_CI="off", **names)

    assert done.err.count("::error title=energywrap%3A train::energy changed by +19.6 %25") == 1
    assert (tmp_path / "s.md").read_text().count("### energywrap: <code>train</code>: fail") == 1
    assert (tmp_path / "o.txt").read_text().startswith("verdict=fail\nenergy_ratio=1.196")
    assert "::error" not in off.err


@pytest.mark.parametrize("option", ["--comment", "--junit"])
def test_a_file_that_cannot_be_written_is_refused_first(option: str, tmp_path: Path) -> None:
    for words in (("check", "last", "--max-energy", "1kJ"), ("ci",)):
        command = ("--", "touch", "started") if words == ("ci",) else ()
        for path, complaint in (("no/f", "there is no folder no"), (".", "cannot be written")):
            done = energywrap(*words, option, path, *command, cwd=tmp_path)
            assert done.status == 2
            assert f"{option} {path}: " in done.complaint
            assert complaint in done.complaint
    assert not (tmp_path / "started").exists()


def test_a_file_that_fails_late_costs_a_line_and_not_the_verdict(real: RunReport, tmp_path: Path) -> None:
    done = checked(real, tmp_path, "--junit", "/dev/full")

    assert done.status == 1
    assert "cannot write /dev/full: No space left on device" in done.err


def test_a_comparison_as_json_has_every_quantity(risen: Gate) -> None:
    found = risen.checks[1].compared
    assert found is not None
    told = json.loads(json.dumps(compared.of_comparison(found)))

    assert told["runs"] == [5, 5]
    assert [each["name"] for each in told["quantities"]] == [each.name for each in found.quantities]
    assert all(each["differs"] for each in told["quantities"][:3])
