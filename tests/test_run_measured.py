"""Whole runs on machines whose counters follow a script: the report says what the script used.

All runs of this file are started together and wait for one moment at which their scripts begin. Until then
the counters stand still, and before the commands end they stand still again: so each script's energy is
known exactly, however late a busy machine lets the wrapper take its first and its last reading.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Energywrap, Ran, Started
from fakes import nvml, powercap
from fakes.nvml import Gpu
from fakes.scenario import Profile, Scenario, Zone, dump, joules, load

WAIT_S = 8.0  # until the scripts begin: by then all commands must be running
OFF_S = 3.6  # the scripts' power ends
END_S = 4.0  # the commands end

# Waits for a moment of the monotonic clock; prints when it began to wait.
COMMAND = (
    "import sys, time; print(time.monotonic()); time.sleep(max(0, float(sys.argv[1]) - time.monotonic()))"
)


def ending(zone: Zone) -> Zone:
    """The zone with its power switched off before the commands end."""
    steps = [step for step in zone.watts if step[0] < OFF_S]
    return replace(
        zone, watts=[*steps, [OFF_S, 0]], sub={key: ending(child) for key, child in zone.sub.items()}
    )


def scripted(name: str) -> Scenario:
    """A scenario by its name, its power switched off before the commands end."""
    scenario = load((powercap.SCENARIOS / f"{name}.json").read_text())
    zones = {
        control: {key: ending(zone) for key, zone in tops.items()}
        for control, tops in scenario.powercap.items()
    }
    return replace(scenario, powercap=zones, power_supply={})


def one_package(**attributes: object) -> Scenario:
    """A machine with one package of 50 W."""
    zone = Zone("package-0", [[0, 50], [OFF_S, 0]], start_uj=10**10, **attributes)  # type: ignore[arg-type]
    return Scenario({"intel-rapl": {"0": zone}})


LAPTOP, XEON2, EIO, RESET, MIRROR, FROZEN = map(
    scripted, ("laptop", "xeon2", "eio", "reset", "amd_mirror", "frozen")
)
SCENARIOS: Mapping[str, tuple[Scenario, str]] = {  # with the sampling interval
    "laptop": (LAPTOP, "0.2"),
    "laptop read seldom": (LAPTOP, "60"),
    "xeon2": (XEON2, "0.5"),
    "eio": (EIO, "0.2"),
    "reset": (RESET, "0.2"),
    "mirror": (MIRROR, "0.5"),
    "frozen": (FROZEN, "0.5"),
    "without rest": (XEON2, "0.5"),
    "blind at the end": (one_package(errors=[[1.0, 1e9, 5]]), "0.2"),
}

BURST: Profile = [[0, 0], [0.5, 300], [2.5, 80], [OFF_S, 0]]
COUNTED = Gpu(BURST, name="NVIDIA H100", start_mj=5_000_000_000, update_ms=20)
GPUS: Mapping[str, tuple[Gpu, ...]] = {
    "two gpus": (COUNTED, Gpu([[0, 120], [OFF_S, 0]], update_ms=100)),
    "lost gpu": (Gpu([[0, 200], [OFF_S, 0]], lost_at_s=1.5, update_ms=20), COUNTED),
    "power only": (Gpu(BURST, name="Tesla P100", has_energy=False, arch=4),),
    "reloaded": (Gpu([[0, 200], [OFF_S, 0]], start_mj=9_000_000, reload_at_s=2, update_ms=20),),
    "frozen gpu": (Gpu([[0, 100]], start_mj=12345, frozen=True),),
}


@pytest.fixture(scope="module")
def began(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Started]]:
    """All the runs, under way."""
    folder = tmp_path_factory.mktemp("runs")
    epoch = time.monotonic() + WAIT_S
    command = ("--", sys.executable, "-I", "-S", "-c", COMMAND, repr(epoch + END_S))
    wrap = Energywrap(folder)
    started = {}
    with ExitStack() as stack:
        if powercap.why_not() is None:
            for name, (scenario, interval) in SCENARIOS.items():
                path = folder / f"{name}.json"
                path.write_text(dump(replace(scenario, epoch=epoch)))
                rest = ("--no-rest",) if name == "without rest" else ()
                started[name] = wrap.start("--interval", interval, *rest, *command, scenario=path)
                stack.callback(started[name].process.kill)
        if fakes := _library(tmp_path_factory):
            (folder / "sys").mkdir()
            for name, gpus in GPUS.items():
                path = folder / f"{name}.conf"
                nvml.write_config(path, gpus, epoch)
                options = ("--interval", "0.1", "--sysfs-root", str(folder / "sys"))
                started[name] = wrap.start(*options, *command, env=nvml.env(fakes, path))
                stack.callback(started[name].process.kill)
        yield started


def _library(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    return nvml.build(tmp_path_factory.mktemp("nvml")) if sys.platform.startswith("linux") else None


class Runs:
    """The runs' ends by name, each awaited when it is first asked for."""

    def __init__(self, started: dict[str, Started]) -> None:
        self._started, self._ended = started, dict[str, Ran]()

    def __getitem__(self, name: str) -> Ran:
        if name not in self._started:
            pytest.skip(powercap.why_not() or "no C compiler, or not Linux")
        if name not in self._ended:
            self._ended[name] = self._started[name].end()
        ran = self._ended[name]
        assert ran.status == 0, ran.stderr
        assert ran.report["duration_s"] >= END_S, (
            "the command began after its script: the machine is too slow"
        )
        return ran


@pytest.fixture(scope="module")
def runs(began: dict[str, Started]) -> Runs:
    """How the runs ended."""
    return Runs(began)


def truth_j(scenario: Scenario, zone_id: str) -> float:
    """What the script of a zone uses in all."""
    return joules(scenario.zones()[zone_id].watts, 0, END_S)


def sources(ran: Ran, component: str) -> set[tuple[str, str]]:
    """(source, basis) of the component's lines."""
    parts = ran.report["components"]
    return {(part["source"], part["basis"]) for part in parts if part["component"] == component}


# ---- processors ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["laptop", "laptop read seldom"])
def test_a_laptops_package_and_memory_are_counted_across_a_wrap(name: str, runs: Runs) -> None:
    ran = runs[name]
    packages = ran.energy_j("cpu")

    assert packages == {"package-0": pytest.approx(truth_j(LAPTOP, "intel-rapl:0"), rel=0.001)}
    assert ran.energy_j("ram") == {"dram-0": pytest.approx(truth_j(LAPTOP, "intel-rapl:0:1"), rel=0.001)}
    assert sources(ran, "cpu") == sources(ran, "ram") == {("rapl", "measured")}
    assert LAPTOP.zones()["intel-rapl:0"].start_uj / 1e6 + packages["package-0"] > 262_143  # it did wrap


def test_the_platform_counter_is_the_whole_and_the_memory_mapped_copy_is_not_added(runs: Runs) -> None:
    ran = runs["laptop"]
    whole_j = truth_j(LAPTOP, "intel-rapl:1")
    parts_j = truth_j(LAPTOP, "intel-rapl:0") + truth_j(LAPTOP, "intel-rapl:0:1")

    assert ran.report["scopes"]["machine"]["energy_j"] == pytest.approx(whole_j, rel=0.001)
    assert ran.report["meter"]["source"] == "psys rapl"
    assert [part["component"] for part in ran.report["components"]] == ["cpu", "ram", "rest"]
    assert ran.energy_j("rest") == {"all else": pytest.approx(whole_j - parts_j, rel=0.01)}


def test_a_measured_run_is_covered_whole_and_lies_in_its_interval(runs: Runs) -> None:
    for part in runs["laptop"].report["components"]:
        assert part["coverage"] == pytest.approx(1, abs=0.01)
        assert part["low_j"] <= part["energy_j"] <= part["high_j"]


def test_both_sockets_and_both_memories_are_counted(runs: Runs) -> None:
    ran = runs["xeon2"]

    assert ran.energy_j("cpu") == {
        "package-0": pytest.approx(120 * OFF_S, rel=0.001),
        "package-1": pytest.approx(200 * OFF_S, rel=0.001),
    }
    assert ran.energy_j("ram") == {
        "dram-0": pytest.approx(25 * OFF_S, rel=0.001),
        "dram-1": pytest.approx(30 * OFF_S, rel=0.001),
    }


def test_reads_that_fail_for_a_while_lose_nothing(runs: Runs) -> None:
    ran = runs["eio"]

    assert ran.energy_j("cpu") == {"package-0": pytest.approx(50 * OFF_S, rel=0.01)}
    assert ran.report["components"][0]["coverage"] == pytest.approx(1, abs=0.01)


def test_a_counter_that_answers_no_more_is_not_covered_and_it_is_said_so(runs: Runs) -> None:
    ran = runs["blind at the end"]
    part = ran.report["components"][0]

    assert 50 * 0.4 <= part["energy_j"] <= 50 * 1.01
    assert part["coverage"] < 0.95
    assert any("package-0" in warning and "of the run" in warning for warning in ran.report["warnings"])


def test_a_counter_that_restarts_never_counts_more_than_the_truth(runs: Runs) -> None:
    ran = runs["reset"]
    part = ran.report["components"][0]

    assert 50 * OFF_S * 0.7 <= part["energy_j"] <= 50 * OFF_S * 1.001
    assert any("restarted" in warning for warning in ran.report["warnings"])


def test_dies_that_mirror_one_counter_are_not_doubled(runs: Runs) -> None:
    ran = runs["mirror"]

    assert ran.energy_j("cpu") == {"package-0-die-0": pytest.approx(68 * OFF_S, rel=0.001)}
    assert "die-1" not in ran.notes()


def test_a_counter_that_stands_still_gives_way_to_the_model_and_is_named(runs: Runs) -> None:
    ran = runs["frozen"]

    assert {basis for _, basis in sources(ran, "cpu")} == {"modelled"}
    assert "rapl package-0: its counter did not move" in ran.notes()


def test_what_has_no_counter_is_modelled_or_named(runs: Runs) -> None:
    packages_only = runs["eio"]
    measured = runs["laptop"]

    assert {basis for _, basis in sources(packages_only, "ram")} == {"modelled"}
    assert {basis for _, basis in sources(runs["xeon2"], "rest")} == {"modelled"}
    assert "rest of the machine" in runs["without rest"].notes()
    assert sources(runs["without rest"], "rest") == set()
    assert sources(measured, "rest") == {("psys rapl less the parts", "measured")}
    assert {basis for _, basis in sources(runs["frozen"], "rest")} == {"modelled"}


def test_the_trace_has_the_scripts_power(runs: Runs) -> None:
    trace = runs["laptop"].report["trace"]
    watts = [w for w in trace["power_w"]["cpu package-0"] if w is not None]

    assert max(watts) == pytest.approx(95, rel=0.1)
    assert min(watts) == 0
    assert len(trace["start_s"]) == len(trace["power_w"]["cpu package-0"]) <= 600


# ---- graphics processors ---------------------------------------------------------------------------


def test_the_energy_counters_of_two_gpus_are_counted_to_a_thousandth(runs: Runs) -> None:
    ran = runs["two gpus"]
    first, second = GPUS["two gpus"]

    assert ran.energy_j("gpu") == {
        "gpu-0": pytest.approx(nvml.truth_j(first, 0, END_S, ticks=True), rel=0.001),
        "gpu-1": pytest.approx(nvml.truth_j(second, 0, END_S, ticks=True), rel=0.001),
    }
    assert sources(ran, "gpu") == {("nvml energy", "measured")}
    assert [gpu["name"] for gpu in ran.report["host"]["gpus"]] == ["NVIDIA H100", "NVIDIA Fake GPU"]


def test_a_gpu_that_disappears_is_covered_in_part_and_leaves_the_other_going(runs: Runs) -> None:
    ran = runs["lost gpu"]
    lost, well = [part for part in ran.report["components"] if part["component"] == "gpu"]

    assert 200 * 0.9 <= lost["energy_j"] <= 200 * 1.5 + 0.1
    assert lost["coverage"] < 0.95
    assert lost["high_j"] > 1.2 * lost["energy_j"]
    assert any("gpu-0" in warning for warning in ran.report["warnings"])
    assert well["energy_j"] == pytest.approx(nvml.truth_j(COUNTED, 0, END_S, ticks=True), rel=0.001)
    assert well["coverage"] > 0.95  # the driver is asked once the command lives


def test_a_gpu_that_tells_power_only_is_integrated(runs: Runs) -> None:
    ran = runs["power only"]

    assert ran.energy_j("gpu") == {"gpu-0": pytest.approx(joules(BURST, 0, END_S), rel=0.2)}
    assert sources(ran, "gpu") == {("nvml power", "measured")}


def test_a_reloaded_driver_never_counts_more_than_the_truth(runs: Runs) -> None:
    part = next(part for part in runs["reloaded"].report["components"] if part["component"] == "gpu")

    assert 0.7 * 200 * OFF_S <= part["energy_j"] <= 200 * OFF_S + 0.1
    assert any("restarted" in warning for warning in runs["reloaded"].report["warnings"])


def test_an_energy_counter_that_stands_still_gives_way_to_the_power(runs: Runs) -> None:
    ran = runs["frozen gpu"]
    duration_s = ran.report["duration_s"]

    assert sources(ran, "gpu") == {("nvml power", "measured")}
    assert ran.energy_j("gpu") == {"gpu-0": pytest.approx(100 * duration_s, rel=0.05)}
    assert "nvml energy gpu-0" in ran.notes()


def test_gpus_go_whole_to_the_command(runs: Runs) -> None:
    scopes = runs["two gpus"].report["scopes"]
    gpus_j = sum(runs["two gpus"].energy_j("gpu").values())

    assert gpus_j <= scopes["command"]["energy_j"] <= scopes["machine"]["energy_j"]


# ---- without any counter ---------------------------------------------------------------------------


def test_without_any_counter_everything_is_modelled_and_the_missing_ones_are_named(
    energywrap: Energywrap, tmp_path: Path
) -> None:
    (tmp_path / "sys").mkdir()
    ran = energywrap("--sysfs-root", str(tmp_path / "sys"), "--", "sleep", "0.3")
    parts = {part["component"]: part for part in ran.report["components"] if part["component"] != "gpu"}

    assert set(parts) == {"cpu", "ram", "rest"}
    assert {part["basis"] for part in parts.values()} == {"modelled"}
    assert all(part["low_j"] <= part["energy_j"] < part["high_j"] for part in parts.values())
    assert "RAPL" in ran.notes()


def test_a_run_ended_by_a_signal_leaves_a_report_of_it(energywrap: Energywrap) -> None:
    started = energywrap.start("--", "sh", "-c", "echo up; exec sleep 60")
    assert started.process.stdout is not None
    assert started.process.stdout.readline() == "up\n"
    os.kill(started.process.pid, signal.SIGTERM)
    ran = started.end()

    assert ran.status == -signal.SIGTERM
    assert (ran.report["signal"], ran.report["exit_code"]) == (signal.SIGTERM, 143)
    assert ran.report["components"]


def test_a_command_as_short_as_can_be_has_a_report(energywrap: Energywrap) -> None:
    ran = energywrap("--", "true")

    assert ran.status == 0
    assert ran.report["components"]
    assert any("shorter than the meters resolve" in warning for warning in ran.report["warnings"])
