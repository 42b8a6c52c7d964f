"""What CI systems are given: valid in their own terms, bounded, and never steered by a command's words."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Energywrap
from energywrap.comparison import Verdict
from energywrap.formats import document
from energywrap.formats.ci import benchmark, figures, github, gitlab, junit
from energywrap.model import RunReport
from energywrap.record import replace

GOLDEN = Path(__file__).parent / "golden_ci"
LIMIT = 64 * 1024
DOTENV_BYTES, DOTENV_VARIABLES = 5 * 1024, 20  # GitLab's limits
EVIL = (
    "`$(id)` | <b>x</b> [a](http://b) <!-- --> | ::error::x @all \\| &amp; \"'"
    "\n::warning::y\r\n| a | b |\n\n# h"
)
SMALLER_IS_BETTER = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "properties": {
            "name": {"type": "string"},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "additionalProperties": False,
    },
}
METRIC = {
    "type": "object",
    "required": ["value"],
    "properties": {key: {"type": "number"} for key in ("value", "lower_value", "upper_value")},
    "additionalProperties": False,
}
BENCHER: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64},
        "additionalProperties": METRIC,
    },
}
CASE = {"skipped", "failure", "error", "system-out", "system-err"}  # what a testcase may hold
any_text = st.text(st.characters(exclude_categories=())).filter(lambda text: "\0" not in text)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    ran = Energywrap(tmp_path_factory.mktemp("ci"))("-z", "FR", "true")
    return document.parse(json.dumps(ran.report), "a run")


@pytest.fixture(scope="module")
def known(real: RunReport) -> RunReport:
    """The real report with every shown figure set."""
    machine = replace(
        real.scopes["machine"],
        energy_j=1234.5,
        low_j=1000.0,
        high_j=1500.0,
        co2e_g=0.0123,
        co2e_low_g=0.01,
        co2e_high_g=0.02,
    )
    command = replace(real.scopes["command"], energy_j=617.25, low_j=500.0, high_j=800.0)
    carbon = replace(
        real.carbon,
        intensity_g_per_kwh=36.0,
        intensity_low_g_per_kwh=30.0,
        intensity_high_g_per_kwh=44.0,
    )
    return replace(
        real,
        run_id="0123456789abcdef",
        label=None,
        command=("pytest", "-q", "tests/a file.py"),
        exit_code=0,
        signal=None,
        duration_s=12.5,
        scopes={**real.scopes, "machine": machine, "command": command},
        components=tuple(replace(part, basis="modelled") for part in real.components[:1]),
        meter=None,
        carbon=carbon,
        grade=replace(real.grade, letter="D", reason="all of it is modelled"),
        footprint=(),
        warnings=("other work on the machine used 60 % of the busy CPU time",),
    )


def unknown(report: RunReport) -> RunReport:
    none = dict.fromkeys(("energy_j", "low_j", "high_j", "co2e_g", "co2e_low_g", "co2e_high_g"))
    scopes = {name: replace(scope, **none) for name, scope in report.scopes.items()}
    return replace(report, scopes=scopes, exit_code=None)


def named(report: RunReport, text: str) -> RunReport:
    """The report with a text in every place where a user's words may stand."""
    return replace(
        report,
        label=text or None,
        command=(text,),
        warnings=(text,),
        carbon=replace(report.carbon, zone_name=text),
        grade=replace(report.grade, reason=text),
    )


@pytest.mark.parametrize("name", ["one", "many", "odd"])
def test_the_summary_is_the_golden_one(name: str, known: RunReport) -> None:
    reports = {
        "one": [known],
        "many": [known, unknown(replace(known, label="unknown")), replace(known, label="third")],
        "odd": [named(known, EVIL)],
    }[name]
    path = GOLDEN / f"summary-{name}.md"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(github.summary(reports), encoding="utf-8")

    assert github.summary(reports) == path.read_text(encoding="utf-8")


@given(text=any_text)
def test_no_word_breaks_out_of_a_table_or_a_line(text: str, known: RunReport) -> None:
    plain = github.summary([known]).splitlines()
    shown = github.summary([named(known, text)])
    lines = shown.splitlines()

    assert len(lines) == len(plain)
    assert [line.count("|") for line in lines] == [line.count("|") for line in plain]
    assert "`" not in shown
    assert set(shown.split("<")[1:]) <= {
        part for part in shown.split("<") if part.startswith(("code>", "/code>"))
    }


@given(text=any_text)
def test_no_word_ends_the_marker_of_a_comment(text: str, known: RunReport) -> None:
    body = github.comment([named(known, text)])
    first, _, rest = body.partition("\n")

    assert first.startswith("<!-- energywrap: ")
    assert first.endswith(" -->")
    assert "-->" not in first.removesuffix("-->")
    assert "--" not in first[4:-3]
    assert "<!--" not in rest


@given(text=any_text)
def test_a_warning_is_one_command_on_one_line(text: str, known: RunReport) -> None:
    line = github.warning(named(known, text))

    assert line is not None
    assert "\n" not in line
    assert "\r" not in line
    assert line.startswith("::warning title=")
    head, _, _ = line.removeprefix("::warning title=").partition("::")
    assert not set(head) & set(",:")


@given(text=any_text)
def test_outputs_are_those_ten_whatever_is_in_them(text: str, known: RunReport) -> None:
    odd = replace(known, run_id=text, grade=replace(known.grade, letter=text))
    lines = github.outputs(figures.outputs(odd), "random").split("\n")
    found = {}
    while lines[0]:
        line = lines.pop(0)
        if "<<" in line and "=" not in line.partition("<<")[0]:
            key, end = line.split("<<")
            found[key] = "\n".join(lines[: lines.index(end)])
            lines = lines[lines.index(end) + 1 :]
        else:
            key, _, found[key] = line.partition("=")

    assert found["run_id"] == text
    assert len(found) == 10
    assert found["energy_j"] == "1234.5"


def test_what_is_not_known_is_left_empty_and_never_0(known: RunReport) -> None:
    report = unknown(known)

    assert "energy_j=\n" in github.outputs(figures.outputs(report), "x")
    assert "exit_code=\n" in github.outputs(figures.outputs(report), "x")
    assert "EWRAP_ENERGY_J=\n" in gitlab.dotenv(report)
    assert "energy" not in gitlab.metrics([report]).replace("energywrap", "")
    assert {entry["unit"] for entry in json.loads(benchmark.smaller_is_better([report]))} == {"s"}
    assert list(json.loads(benchmark.bencher([report]))["pytest"]) == ["duration"]
    assert "| Energy | - |" in github.summary([report])


def test_a_summary_stays_below_its_limit_and_says_what_it_leaves_out(known: RunReport) -> None:
    long = named(known, "`|<é\n" * 100_000)
    many = github.summary([long] * 900)

    assert len(many.encode()) < LIMIT
    assert len(github.summary([long]).encode()) < LIMIT
    shown = many.count("\n| <code>")
    assert many.endswith(f"\n{900 - shown} further runs are left out here.\n")


def test_a_run_without_trouble_has_no_warning_and_one_that_was_cut_off_has(known: RunReport) -> None:
    calm = replace(known, warnings=())

    assert github.warning(calm) is None
    assert "cut off" in (github.warning(replace(calm, complete=False)) or "")


def test_metrics_are_openmetrics_that_gitlab_splits_into_a_name_and_a_number(known: RunReport) -> None:
    lines = gitlab.metrics([known, named(known, EVIL), known]).splitlines()

    assert lines[-1] == "# EOF"
    samples = [line for line in lines if not line.startswith("#")]
    names = []
    for line in samples:
        name, value = shlex.split(line.partition("#")[0])
        names.append(name)
        float(value)
    assert len(set(names)) == len(names) == 12
    assert 'energywrap_energy_joules{run="pytest"} 1234.5' in samples
    kinds = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(set(kinds)) == len(kinds)


@given(text=any_text)
def test_variables_are_single_lines_within_gitlabs_limits(text: str, known: RunReport) -> None:
    written = gitlab.dotenv(replace(known, run_id=text[:100]))
    lines = written.split("\n")[:-1]

    assert len(lines) == 10 <= DOTENV_VARIABLES
    assert len(written.encode()) < DOTENV_BYTES
    for line in lines:
        key, _, _ = line.partition("=")
        assert key.replace("_", "A").isalnum()
        assert key == key.upper()


@given(text=any_text)
def test_junit_is_xml_whatever_the_words_are(text: str, known: RunReport) -> None:
    for written in (
        junit.runs([named(known, text)] * 2),
        junit.verdicts({text: Verdict("fail", text), "b": Verdict("inconclusive", text)}),
    ):
        root = ElementTree.fromstring(written.encode("utf-8"))
        assert root.tag == "testsuites"
        for suite in root:
            cases = suite.findall("testcase")
            assert {child.tag for child in suite} <= {"properties", "testcase"}
            assert suite.get("tests") == str(len(cases)) == "1"
            for tag, counted in (("failure", "failures"), ("skipped", "skipped"), ("error", "errors")):
                assert suite.get(counted) == str(len(suite.findall(f"testcase/{tag}")))
            for case in cases:
                assert {"name", "classname", "time"} <= set(case.keys())
                assert {child.tag for child in case} <= CASE


def test_a_verdict_passes_fails_or_is_skipped(known: RunReport) -> None:
    words = ("pass", "fail", "inconclusive")
    root = ElementTree.fromstring(junit.verdicts({word: Verdict(word, "because") for word in words}))

    assert [[child.tag for child in case] for case in root.iter("testcase")] == [[], ["failure"], ["skipped"]]
    held = {
        each.get("name"): each.get("value")
        for each in ElementTree.fromstring(junit.runs([known])).iter("property")
    }
    assert held["energy_j"] == "1234.5"


@given(texts=st.lists(any_text, min_size=1, max_size=4))
def test_benchmarks_hold_to_their_schemas_under_names_of_their_own(
    texts: list[str], known: RunReport
) -> None:
    reports = [named(known, text) for text in texts]
    entries = json.loads(benchmark.smaller_is_better(reports))
    metrics = json.loads(benchmark.bencher(reports))

    jsonschema.validate(entries, SMALLER_IS_BETTER)
    jsonschema.validate(metrics, BENCHER)
    assert len({entry["name"] for entry in entries}) == len(entries) == 4 * len(texts)
    assert len(metrics) == len(texts)


def test_a_benchmark_has_the_interval_about_its_value(known: RunReport) -> None:
    energy = json.loads(benchmark.bencher([known]))["pytest"]["energy"]

    assert energy == {"value": 1234.5, "lower_value": 1000.0, "upper_value": 1500.0}
    assert json.loads(benchmark.smaller_is_better([known]))[0]["range"] == "1000 to 1500"
