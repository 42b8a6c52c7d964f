"""bench: commands in turn, short ones repeated, every figure with its interval, and a verdict in words."""

from __future__ import annotations

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commandline import START, Outcome, energywrap, environment, saved
from energywrap import stats, throttle
from energywrap.benching import exports, figures, hyperfine, plan, words
from energywrap.benching.plan import Command, Hooks
from energywrap.benching.series import Bench, Idle, Run, Series
from energywrap.errors import UserError
from energywrap.record import replace

GOLDEN = Path(__file__).parent / "golden_bench" / "table.md"
QUICK = ("--idle", "0", "--min-time", "0", "-n", "2")
NUMBER = {"type": "number"}
FLOATS = {"type": "array", "items": {"type": "number"}, "minItems": 1}
HYPERFINE: dict[str, Any] = {  # what hyperfine 1.19 writes, in words of JSON Schema
    "type": "object",
    "required": ["results"],
    "additionalProperties": False,
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": [
                    "command", "mean", "stddev", "median", "user", "system", "min", "max", "times",
                    "exit_codes",
                ],
                "properties": {
                    **dict.fromkeys(("mean", "median", "user", "system", "min", "max"), NUMBER),
                    "command": {"type": "string"},
                    "stddev": {"type": ["number", "null"]},
                    "times": FLOATS,
                    "memory_usage_byte": {"type": "array", "items": {"type": "integer"}},
                    "exit_codes": {"type": "array", "items": {"type": ["integer", "null"]}},
                    "parameters": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        }
    },
}  # fmt: skip


def run(number: int, time_s: float, energy_j: float | None, **changes: Any) -> Run:
    made = Run(
        run_id=f"{number:016x}", round=number, started_at="2026-11-27T11:00:00.000Z", repetitions=1,
        duration_s=time_s, energy_j=energy_j, command_j=energy_j,
        co2e_g=None if energy_j is None else energy_j / 1e4,
        cpu_s=time_s / 2, exit_code=0, signal=None, coverage=1.0, bases=("measured",), sources=("cpu: rapl",),
        throttled=0, disturbed=False,
    )  # fmt: skip
    return replace(made, **changes)


def series(line: str, *pairs: tuple[float, float | None], **changes: Any) -> Series:
    made = Command(line, ("/bin/sh", "-c", line), {}, Hooks())
    runs = tuple(run(n, *pair) for n, pair in enumerate(pairs, 1))
    return replace(Series(made, 1, runs), **changes)


def bench(*each: Series, **changes: Any) -> Bench:
    return replace(Bench(None, 6, 0.5, each, Idle(0.0), complete=True), **changes)


def steady(line: str, time_s: float, energy_j: float, **changes: Any) -> Series:
    return series(
        line, *((time_s * (1 + n / 1000), energy_j * (1 + n / 500)) for n in (0, 3, 1, 5, 2, 4)), **changes
    )


def single(**changes: Any) -> Bench:
    return bench(series("x", (1.0, 1.0), runs=(run(1, 1.0, 1.0, **changes),)))


FRUGAL, FAST = steady("frugal", 3.0, 60.0), steady("fast | 'quoted'", 1.0, 100.0)


def of_bench(tmp_path: Path, *given: str) -> Outcome:
    return energywrap("bench", *given, cwd=tmp_path)


# -- the plan ------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 9))
def test_every_round_has_every_command_once_and_drift_falls_on_all_alike(count: int, rounds: int) -> None:
    order = plan.order(count, 2 * rounds)

    assert all(sorted(each) == list(range(count)) for each in order)
    places = [sum(each.index(number) for each in order) for number in range(count)]
    assert len(set(places)) == 1


@given(st.integers(1, 1000), st.floats(1e-6, 100), st.floats(0, 60))
def test_repetitions_fill_the_time_and_never_become_fewer(before: int, took_s: float, least_s: float) -> None:
    found = plan.repetitions(before, took_s, least_s)

    assert found >= before
    if before < found < plan.MOST_REPETITIONS:
        assert found * took_s / before >= least_s * (1 - 1e-9)
        assert (found - 1) * took_s / before < least_s


def test_a_command_is_multiplied_by_the_parameters_that_it_uses() -> None:
    values = plan.parameters([("size", "1,2"), ("kind", "a,b")])
    made = plan.commands(["x {size} {kind}", "y ${size} {{size}}", "z {size}"], values, Hooks())

    lines = [command.line for command in made]
    assert lines == ["x 1 a", "x 1 b", "x 2 a", "x 2 b", "y ${size} {{size}}", "z 1", "z 2"]
    assert made[1].parameters == {"size": "1", "kind": "b"}


def test_a_hook_is_filled_in_as_well() -> None:
    made = plan.commands(["x"], {"n": ("1", "2")}, Hooks(prepare="make {n}", cleanup="rm {n}"))

    assert [command.hooks.prepare for command in made] == ["make 1", "make 2"]
    assert made[1].hooks.cleanup == "rm 2"


def test_without_a_shell_a_line_is_split_into_words() -> None:
    (made,) = plan.commands(["echo 'a b' $HOME"], {}, Hooks(), shell=False)

    assert made.words == ("echo", "a b", "$HOME")
    with pytest.raises(UserError, match="cannot be split"):
        plan.commands(["echo 'a"], {}, Hooks(), shell=False)


@pytest.mark.parametrize(("regardless", "status", "times"), [(False, 3, 1), (True, 3, 4)])
def test_a_failure_of_any_repetition_is_the_measurements(
    regardless: bool, status: int, times: int, tmp_path: Path
) -> None:
    line = "echo x >>ran; exit 3"
    repeated = plan.repeated(("/bin/sh", "-c", line), 4, regardless=regardless)

    assert subprocess.run(repeated, cwd=tmp_path, check=False).returncode == status
    assert (tmp_path / "ran").read_text() == "x\n" * times


# -- figures and words ---------------------------------------------------------------------------


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=12))
def test_a_median_lies_in_its_interval(values: list[float]) -> None:
    found = stats.median_interval(values, 200)

    assert min(values) <= found.low <= found.high <= max(values)


@given(st.lists(st.integers(1, 1000), min_size=3, max_size=12), st.floats(0.1, 10))
def test_a_modified_z_score_has_no_unit(values: list[int], factor: float) -> None:
    once, scaled = figures.modified_z(values), figures.modified_z([value * factor for value in values])

    assert scaled == pytest.approx(once, rel=1e-6, abs=1e-6)


def test_the_modified_z_score_is_the_published_one() -> None:
    assert figures.modified_z([1, 2, 3, 4, 10]) == pytest.approx([-1.349, -0.6745, 0, 0.6745, 4.7215])


def test_a_far_run_is_an_outlier_and_a_trifle_is_none() -> None:
    far = series("x", (1.0, 10.0), (1.001, 10.01), (1.0, 10.02), (1.002, 10.0), (2.0, 20.0))
    near = series("x", (1.0, 10.0), (1.0, 10.0), (1.0, 10.0), (1.0001, 10.001), (1.01, 10.1))

    assert [each.round for each in figures.outliers(far)] == [5]
    assert figures.outliers(near) == ()
    assert any("1 of 5 runs is an outlier (round 5" in line for line in words.doubts(bench(far)))


def test_a_slow_trend_is_said_and_noise_is_not() -> None:
    warmer = series("x", *((1 + n / 50, 10.0) for n in range(10)))
    noisy = series("x", *((1 + n / 50, 10.0) for n in (3, 0, 5, 1, 4, 2, 5, 0, 3, 1)))

    assert any("became slower over the rounds, by 17 %" in line for line in words.doubts(bench(warmer)))
    assert figures.slow_trend(noisy) is None


def test_faster_is_not_always_frugal() -> None:
    said = words.verdict(bench(FRUGAL, FAST))

    assert said == [
        "most frugal: `frugal`",
        "fastest: `fast | 'quoted'`",
        "least energy-delay product: `fast | 'quoted'`",
        "faster is not more frugal here: `fast | 'quoted'` is the faster, `frugal` uses less energy",
    ]


def test_the_same_command_twice_shows_no_difference() -> None:
    assert set(words.verdict(bench(FRUGAL, steady("frugal", 3.0, 60.0)))) == {
        f"{title}: no difference shown" for _, title in words.QUANTITIES
    }


def test_a_close_second_is_named() -> None:
    said = words.verdict(bench(FRUGAL, FAST, steady("alike", 3.0, 60.0)))

    assert said[0] == "most frugal: `frugal`, with no difference shown to `alike`"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (bench(FAST, complete=False), "it was ended early: 6 of 6 runs were measured"),
        (bench(series("x", (1.0, None), (1.0, 2.0))), "the energy of some runs is not known"),
        (single(throttled=7), "slowed down for its heat in 1 of 1 runs"),
        (single(disturbed=True), "other work was running beside 1 of 1 runs"),
        (single(coverage=0.5), "covered only 50 %"),
        (single(exit_code=3), "1 of 1 runs failed"),
        (single(bases=("modelled",)), "energy is modelled: it follows"),
        (
            bench(Series(FAST.command, 1, (run(1, 1.0, 1.0), run(2, 1.0, 1.0, sources=("cpu: model",))))),
            "not all runs were measured by the same sources",
        ),
        (bench(series("x", (1.0, 1.0)), series("y", (1.0, 1.0))), "with 1 runs no difference can be shown"),
    ],
)
def test_what_makes_it_doubtful_is_said(found: Bench, said: str) -> None:
    assert any(said in line for line in words.doubts(found)), words.doubts(found)


def test_drift_of_the_idle_machine_is_pointed_out() -> None:
    assert words.idle(Idle(3.0, 40.0, 41.0)) == ["the idle machine took 40 W before and 41 W after"]
    assert "(+12 %): something else changed" in words.idle(Idle(3.0, 40.0, 45.0))[0]
    assert words.idle(Idle(0.0)) == []


def test_throttling_is_counted_where_the_kernel_counts_it(tmp_path: Path) -> None:
    assert throttle.count(str(tmp_path)) is None
    for cpu, number in enumerate((3, 4)):
        folder = tmp_path / f"devices/system/cpu/cpu{cpu}/thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{number}\n")
        (folder / "core_throttle_total_time_ms").write_text("99\n")

    assert throttle.count(str(tmp_path)) == 7


def test_a_long_command_is_not_run_once_in_vain(tmp_path: Path) -> None:
    shown = of_bench(tmp_path, "echo x >>ran; sleep 0.05", "-n", "2", "--idle", "0", "--min-time", "0.02")

    assert shown.status == 0
    assert (tmp_path / "ran").read_text() == "x\n" * 2


# -- exports -------------------------------------------------------------------------------------

WHOLE = bench(
    FRUGAL, replace(FAST, repetitions=4), label="two ways", idle=Idle(3.0, 40.0, 45.0)
)  # fmt: skip


def test_markdown_reads_as_ever() -> None:
    text = exports.markdown(WHOLE)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)

    assert text == GOLDEN.read_text()


def test_hyperfines_shape_is_hyperfines() -> None:
    found = replace(
        WHOLE, series=(replace(FRUGAL, command=replace(FRUGAL.command, parameters={"n": "1"})), FAST)
    )
    whole = json.loads(hyperfine.hyperfine(found))

    jsonschema.validate(whole, HYPERFINE)
    first = whole["results"][0]
    assert first["median"] == pytest.approx(3.0075)
    assert first["parameters"] == {"n": "1"}
    assert len(first["times"]) == len(first["exit_codes"]) == 6


def test_csv_has_a_line_a_run(tmp_path: Path) -> None:
    rows = list(csv.DictReader(exports.table(WHOLE).splitlines()))

    assert len(rows) == 12
    assert rows[6]["command"] == "fast | 'quoted'"
    assert float(rows[6]["energy_j"]) == 100


def test_nothing_measured_is_still_told() -> None:
    empty = bench(replace(FAST, runs=()), replace(FRUGAL, runs=()), complete=False)

    assert json.loads(hyperfine.hyperfine(empty)) == {"results": []}
    assert json.loads(exports.document(empty))["commands"][0]["median"] is None
    assert exports.markdown(empty).count("| - |") >= 2
    assert words.verdict(empty) == []


# -- the real thing ------------------------------------------------------------------------------


def test_two_commands_are_measured_and_told(tmp_path: Path) -> None:
    burn = f"{sys.executable} -Sc 'sum(range(10**6))'"
    shown = of_bench(
        tmp_path, "sleep 0.05", burn, "-n", "3", "--idle", "0.2", "--min-time", "0.1", "-z", "FR",
        "--label", "both",
        "--export-json", "a.json", "--export-hyperfine", "h.json", "--export-csv", "a.csv",
        "--export-markdown", "a.md",
    )  # fmt: skip
    whole = saved(tmp_path / "a.json")
    sleeping, burning = whole["commands"]

    assert shown.status == 0, shown.err
    assert shown.out.startswith("command\tenergy\t")
    assert shown.err.count("energywrap: measuring ") == 2
    assert "energy is modelled" in shown.err or sleeping["runs"][0]["bases"] != ["modelled"]
    assert sleeping["repetitions"] > 1
    assert 0.04 < sleeping["median"]["time_s"]["value"] < 0.2
    assert [each["round"] for each in burning["runs"]] == [1, 2, 3]
    assert whole["idle"]["before_w"] > 0
    assert (whole["label"], whole["complete"]) == ("both", True)
    jsonschema.validate(saved(tmp_path / "h.json"), HYPERFINE)
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 7
    assert (tmp_path / "a.md").read_text().startswith("| command |")
    starts = sorted(
        (run["started_at"], name) for name, each in zip("AB", (sleeping, burning)) for run in each["runs"]
    )
    assert "".join(name for _, name in starts) == "ABBAAB"


def test_hooks_run_where_they_belong(tmp_path: Path) -> None:
    shown = of_bench(
        tmp_path, "echo run{n} >>log", *QUICK, "-L", "n", "1,2", "--warmup", "1",
        "--setup", "echo setup >>log",
        "--prepare", "echo prepare{n} >>log", "--cleanup", "echo cleanup >>log",
    )  # fmt: skip

    assert shown.status == 0, shown.err
    pairs = [f"prepare{n} run{n}" for n in (1, 2, 1, 2, 2, 1)]  # two to warm up, then there and back
    assert (tmp_path / "log").read_text().split() == " ".join(["setup", *pairs, "cleanup"]).split()


def test_json_stands_alone_on_stdout_and_runs_are_kept_only_if_wanted(tmp_path: Path) -> None:
    first = of_bench(tmp_path, "true", *QUICK, "--json", "--label", "loose")
    of_bench(tmp_path, "true", *QUICK, "--keep", "--label", "kept")
    listed = energywrap("history", "--json", cwd=tmp_path)

    assert json.loads(first.out)["commands"][0]["command"] == "true"
    assert [entry["label"] for entry in json.loads(listed.out)] == ["kept", "kept"]


def test_only_runs_that_count_are_kept_and_no_repetitions(tmp_path: Path) -> None:
    given = ("-n", "2", "--warmup", "1", "--idle", "0.1", "--min-time", "0.3", "--keep", "-l", "mine")
    shown = of_bench(tmp_path, "true", "sleep 0.4", *given)
    kept = json.loads(energywrap("history", "--json", cwd=tmp_path).out)

    assert [(run["label"], run["command"]) for run in kept] == [("mine", "/bin/sh -c sleep 0.4")] * 2
    assert "2 of 4 measurements are in the ledger" in shown.err


def test_braces_that_are_no_parameters_are_left_alone(tmp_path: Path) -> None:
    line = "echo {n} | awk '{print}' > {n}; true {other}"
    shown = of_bench(tmp_path, line, *QUICK, "-L", "n", "7")

    assert shown.status == 0, shown.err
    assert (tmp_path / "7").read_text() == "7\n"


def test_every_measurement_but_the_first_comes_after_a_pause(tmp_path: Path) -> None:
    """Two idle ones, a warm-up and two runs: four pauses between them."""
    began_s = time.monotonic()
    given = ("-n", "2", "--warmup", "1", "--idle", "0.1", "--min-time", "0", "--cooldown", "0.5")
    shown = of_bench(tmp_path, "date +%s%N >> times", *given)
    moments = [int(text) / 1e9 for text in (tmp_path / "times").read_text().split()]

    assert shown.status == 0
    assert all(after - before >= 0.5 for before, after in zip(moments, moments[1:], strict=False))
    assert time.monotonic() - began_s >= 4 * 0.5


def test_nothing_of_it_is_written_for_ci(tmp_path: Path) -> None:
    names = {"GITHUB_STEP_SUMMARY": str(tmp_path / "s.md"), "GITHUB_OUTPUT": str(tmp_path / "o.txt")}
    shown = energywrap(*("bench", "true", *QUICK), cwd=tmp_path, changes={"GITHUB_ACTIONS": "true", **names})

    assert shown.status == 0
    assert not list(tmp_path.glob("?.*"))


def test_a_file_that_cannot_be_written_costs_neither_table_nor_verdict(tmp_path: Path) -> None:
    shown = of_bench(tmp_path, "true", *QUICK, "--export-json", "/dev/full", "--export-csv", "a.csv")

    assert shown.status == 1
    assert shown.out.splitlines()[1].startswith("true\t")
    assert "cannot write /dev/full: No space left on device" in shown.err
    assert (tmp_path / "a.csv").exists()


def test_a_closed_stdout_changes_no_status(tmp_path: Path) -> None:
    script = "echo >> ran; test $(wc -l < ran) -lt 3"
    line = " ".join([*START, "bench", "true", f"'{script}'", *QUICK, "-n", "3"])
    for goes in (">&-", "| true"):
        (tmp_path / "ran").unlink(missing_ok=True)
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line} {goes}"], cwd=tmp_path, env=environment(tmp_path),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "failed with status 1" in done.stderr.splitlines()[-1]


def test_a_program_that_goes_missing_loses_nothing_that_was_measured(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text('#!/bin/sh\necho >> ran; [ $(wc -l < ran) -lt 2 ] || rm "$0"\n')
    (tmp_path / "tool").chmod(0o755)
    shown = of_bench(tmp_path, "true", "./tool", *QUICK, "-n", "3", "--no-shell")

    assert shown.status == 1
    assert [row.split("\t")[0] for row in shown.out.splitlines()[1:]] == ["true", "./tool"]
    assert "there is no such command" in shown.err


def test_a_hook_that_is_interrupted_ends_with_all_its_processes(tmp_path: Path) -> None:
    line = "sleep 1000 & echo $! >pid.new; mv pid.new pid; wait"
    process = subprocess.Popen(
        [*START, "bench", "true", *QUICK, "--setup", line], cwd=tmp_path, env=environment(tmp_path),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_for(tmp_path / "pid")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    finally:
        process.kill()

    assert process.returncode == 130
    assert not alive(int((tmp_path / "pid").read_text()))


def test_any_command_is_one_row(tmp_path: Path) -> None:
    lines = (b"true \xff", b"true `true` |\ntrue [red]")
    table = energywrap("bench", *lines, *QUICK, cwd=tmp_path)
    markdown = energywrap("bench", *lines, *QUICK, "--export-markdown", "-", cwd=tmp_path)

    assert [row.split("\t")[0] for row in table.out.splitlines()[1:]] == [
        "true \\xff",
        "true `true` |\\ntrue [red]",
    ]
    assert "| `` true `true` \\|\\ntrue [red] `` |" in markdown.out


def test_what_the_commands_write_goes_to_stderr_or_nowhere(tmp_path: Path) -> None:
    hidden, shown = (of_bench(tmp_path, "echo spoken", *QUICK, *more) for more in ((), ("--show-output",)))

    assert "\nspoken\n" not in hidden.err
    assert shown.err.count("\nspoken") == 2
    assert "spoken\n" not in shown.out


def test_a_run_option_reaches_the_run(tmp_path: Path) -> None:
    one, two = (
        json.loads(of_bench(tmp_path, "sleep 0.02", *QUICK, "--json", "-z", "FR", *more).out)
        for more in ((), ("--run-option=--intensity=0",))
    )

    assert one["commands"][0]["median"]["co2e_g"] > 0
    assert two["commands"][0]["median"]["co2e_g"] == 0


def test_a_failing_command_ends_the_bench_with_one_line(tmp_path: Path) -> None:
    shown = of_bench(tmp_path, "echo why >&2; exit 3", *QUICK)

    assert (shown.status, shown.out) == (1, "")
    assert "failed with status 3 (why); --ignore-failure goes on regardless" in shown.err.splitlines()[-1]


def test_what_was_measured_before_a_failure_is_shown(tmp_path: Path) -> None:
    script = "echo >> ran; test $(wc -l < ran) -lt 3"
    shown = of_bench(tmp_path, "true", script, *QUICK, "-n", "3")

    assert shown.status == 1
    assert [line.split("\t")[0] for line in shown.out.splitlines()[1:]] == ["true", script]
    assert "failed with status 1" in shown.err.splitlines()[-1]
    assert "ended early" in shown.err


def test_a_failing_command_may_be_ignored(tmp_path: Path) -> None:
    shown = of_bench(tmp_path, "exit 3", *QUICK, "--ignore-failure", "--json")
    whole = json.loads(shown.out)

    assert shown.status == 0
    assert [each["exit_code"] for each in whole["commands"][0]["runs"]] == [3, 3]
    assert "2 of 2 runs failed" in shown.err


def test_a_failing_hook_ends_the_bench(tmp_path: Path) -> None:
    shown = of_bench(tmp_path, "true", *QUICK, "--prepare", "exit 4", "--cleanup", "touch cleaned")

    assert shown.status == 1
    assert shown.err.endswith("energywrap: the --prepare command 'exit 4' failed with status 4\n")
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("touch ran", "-L", "size", "1"), "no command uses the parameter size"),
        (("touch {n}", "-L", "n", "1,,2"), "has an empty value"),
        (("touch {n}", "-L", "n", "1", "-L", "n", "2"), "given twice"),
        (("touch {n}", "-L", "n-m", "1"), "is no name"),
        (("touch ran", "-n", "1"), "--runs 1 is too few"),
        (("touch ran", "--export-json", "none/a.json"), "there is no folder none"),
        (("touch ran", "--export-csv", "."), "that is no file"),
        (("touch ran", "--zone", "XX-NOWHERE"), "XX-NOWHERE"),
        (("touch ran", "--run-option=--nonsense"), "unknown option --nonsense"),
        (("touch ran", "--run-option=nonsense"), "'nonsense' is no option"),
        (("touch ran", "--run-option=--output=x"), "--output is the bench's own"),
        (("touch ran", "--run-option=--pue=0.5"), "pue"),
        (("touch ran", "--cooldown", "-1"), "--cooldown"),
        (("touch 'ran", "-N"), "cannot be split into words"),
        (("touch ran", "--label", ""), "--label is empty"),
        (("nowhere-to-be-found", "-N", "--idle", "0"), "there is no such command; nowhere-to-be-found"),
        ((), "COMMAND"),
    ],
)
def test_a_mistake_is_one_line_and_status_2_before_anything_ran(
    given: Sequence[str], complaint: str, tmp_path: Path
) -> None:
    shown = of_bench(tmp_path, *given)

    assert shown.status == 2
    assert complaint in shown.complaint
    assert not (tmp_path / "ran").exists()


def wait_for(path: Path) -> None:
    until_s = time.monotonic() + 20
    while not path.exists() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert path.exists()


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_early_end_reports_what_was_measured_and_leaves_nothing_behind(
    number: int, tmp_path: Path
) -> None:
    line = "sleep 30 & echo $! >pid.new; mv pid.new pid; wait"
    process = subprocess.Popen(
        [*START, "bench", "true", line, *QUICK, "--json", "--cleanup", "touch cleaned"], cwd=tmp_path,
        env=environment(tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_for(tmp_path / "pid")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    whole = json.loads(out)

    assert process.returncode == 130
    assert [len(each["runs"]) for each in whole["commands"]] == [1, 0]
    assert not whole["complete"]
    assert b"it was ended early: 1 of 4 runs were measured" in err
    assert not alive(int((tmp_path / "pid").read_text()))
    assert (tmp_path / "cleaned").exists()


def test_a_terminal_sees_the_progress_and_a_table(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*START, "bench", "true", "sleep 0.01", *QUICK], cwd=tmp_path,
        env=environment(tmp_path, TERM="xterm"),
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:
        pass  # that is how a terminal's end reads
    finally:
        os.close(ours)
        process.wait(timeout=20)

    assert process.returncode == 0
    assert b"run 1 of 4: true" in seen
    assert b"run 3 of 4, about 1 s left: sleep 0.01" in seen.replace(b"1.00", b"1")
    assert b"\xe2\x94\x80" in seen  # the table's rule
    assert b"measuring" not in seen
