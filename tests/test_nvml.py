"""NVIDIA GPUs through the real pynvml on a scripted driver library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import pytest

from energywrap import balance, config, energy, plan, syscalls
from energywrap.balance import Total
from energywrap.errors import Unavailable
from energywrap.model import Basis, Channel, Component, Kind, Tally
from energywrap.sources import nvml as source
from fakes import nvml
from fakes.nvml import Gpu

# Opens the source and answers each line of its input: a reading, or a driver that forgets us.
PROGRAM = """
import json, sys
from energywrap import config
from energywrap.errors import Unavailable
from energywrap.sources.nvml import open_nvml
try:
    gpus = open_nvml(config.resolve({}, {}, "/"))
except Unavailable as absence:
    print(json.dumps({"reason": absence.reason, "fix": absence.fix, "expected": absence.expected}))
    sys.exit()
channels = [[c.id, c.component, c.device, c.source, c.kind, c.basis, c.max_w] for c in gpus.channels]
print(json.dumps({
    "channels": channels,
    "gpus": [[gpu.name, gpu.uuid] for gpu in gpus.gpus],
    "skipped": [[gap.what, gap.why] for gap in gpus.skipped],
}), flush=True)
for line in sys.stdin:
    if line == "forget\\n":
        import pynvml
        pynvml.nvmlShutdown()
    print(json.dumps(gpus.read()), flush=True)
gpus.close()
"""


class Opened:
    """The source in a process of its own, on GPUs whose script can be moved to any second."""

    def __init__(
        self, gpus: Sequence[Gpu], library_dir: Path, file: Path, at_s: float, init_error: int
    ) -> None:
        self._gpus, self._file = gpus, file
        nvml.write_config(file, gpus, time.monotonic() - at_s, init_error=init_error)
        env = {**os.environ, **nvml.env(library_dir, file)}
        pipe = subprocess.PIPE
        argv = [sys.executable, "-c", PROGRAM]
        self._child = subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, text=True)
        self.answer = self._line()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: object, trace: TracebackType | None) -> None:
        self._child.communicate(timeout=10)

    def _line(self) -> Any:
        assert self._child.stdout is not None
        return json.loads(self._child.stdout.readline())

    def at(self, second: float, say: str = "") -> dict[str, float]:
        """A reading at a second of the script."""
        nvml.write_config(self._file, self._gpus, time.monotonic() - second)
        assert self._child.stdin is not None
        self._child.stdin.write(say + "\n")
        self._child.stdin.flush()
        return dict(self._line())

    @property
    def channels(self) -> list[Channel]:
        """The channels that the source has."""
        return [
            Channel(name, component, device, voice, kind, basis, max_w=max_w)
            for name, component, device, voice, kind, basis, max_w in self.answer["channels"]
        ]

    def total(self, seconds: Sequence[float], gap_s: float = 60) -> Total:
        """The energy over readings at these seconds of the script."""
        tallies = {channel.id: Tally() for channel in self.channels}
        for second in seconds:
            values = self.at(second)
            for channel in self.channels:
                value = values.get(channel.id)
                moment = energy.Moment(second - seconds[0])
                tallies[channel.id] = energy.add(tallies[channel.id], value, channel, moment, gap_s)
        return balance.total(plan.choose(self.channels), tallies, seconds[-1] - seconds[0])


Open: TypeAlias = Callable[..., Opened]


@pytest.fixture
def opened(nvml_dir: Path, tmp_path: Path) -> Iterator[Open]:
    """Opens the source on scripted GPUs; its processes end with the test."""
    with ExitStack() as stack:

        def start(*gpus: Gpu, at_s: float = 0, init_error: int = 0) -> Opened:
            file = tmp_path / "gpus.conf"
            return stack.enter_context(Opened(gpus, nvml_dir, file, at_s, init_error))

        yield start


STEADY = Gpu([[0, 100]], update_ms=20)


def joules(found: Total) -> dict[str, float]:
    """J by device."""
    return {part.device: part.energy_j for part in found.components}


def test_every_gpu_has_an_energy_counter_and_a_power_gauge(opened: Open) -> None:
    gpus = opened(Gpu([[0, 70]], name="NVIDIA H100", uuid="GPU-a"), Gpu([[0, 90]], uuid="GPU-b"))
    channels = gpus.channels

    assert [channel.id for channel in channels] == [
        "nvml:GPU-a:energy",
        "nvml:GPU-a:power",
        "nvml:GPU-b:energy",
        "nvml:GPU-b:power",
    ]
    assert [channel.kind for channel in channels] == [Kind.COUNTER, Kind.GAUGE] * 2
    assert [channel.device for channel in channels] == ["gpu-0", "gpu-0", "gpu-1", "gpu-1"]
    assert {(channel.component, channel.basis) for channel in channels} == {(Component.GPU, Basis.MEASURED)}
    assert gpus.answer["gpus"] == [["NVIDIA H100", "GPU-a"], ["NVIDIA Fake GPU", "GPU-b"]]
    assert gpus.answer["skipped"] == []


def test_joules_and_watts_come_in_these_units(opened: Open) -> None:
    values = opened(Gpu([[0, 70]], uuid="GPU-a", start_mj=1_000_000, update_ms=1000)).at(10.5)

    assert values == {"nvml:GPU-a:energy": pytest.approx(1700), "nvml:GPU-a:power": pytest.approx(70)}


def test_the_counters_of_several_gpus_add_up_to_their_scripts(opened: Open) -> None:
    first = Gpu([[0, 70], [10, 500], [20, 70]], start_mj=5_000_000_000_000, update_ms=20)
    second = Gpu([[0, 90]], update_ms=100)
    found = opened(first, second).total([0.05, 9.05, 15.05, 30.05])

    assert {part.source for part in found.components} == {"nvml energy"}
    assert joules(found) == {
        "gpu-0": pytest.approx(nvml.truth_j(first, 0.05, 30.05, ticks=True), abs=20),  # a tick at 500 W
        "gpu-1": pytest.approx(2700, abs=10),
    }


def test_a_gpu_without_an_energy_counter_is_measured_by_its_power(opened: Open) -> None:
    gpus = opened(Gpu([[0, 50]], name="Tesla P100", has_energy=False, arch=4))
    found = gpus.total([0, 1, 2.5, 4])

    assert [channel.kind for channel in gpus.channels] == [Kind.GAUGE]
    assert [part.source for part in found.components] == ["nvml power"]
    assert joules(found) == {"gpu-0": pytest.approx(200, rel=1e-6)}


def test_a_counter_that_stands_still_hands_over_to_the_power(opened: Open) -> None:
    found = opened(Gpu([[0, 100]], start_mj=12345, frozen=True)).total([0, 2, 4])

    assert [part.source for part in found.components] == ["nvml power"]
    assert joules(found) == {"gpu-0": pytest.approx(400, rel=1e-6)}
    assert [gap.what for gap in found.skipped] == ["nvml energy gpu-0"]


def test_a_lost_gpu_is_absent_and_leaves_the_others_going(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], uuid="GPU-a", lost_at_s=50), Gpu([[0, 100]], uuid="GPU-b"))

    assert gpus.at(49).keys() == {channel.id for channel in gpus.channels}
    assert gpus.at(51).keys() == {"nvml:GPU-b:energy", "nvml:GPU-b:power"}


def test_a_lost_gpu_counts_as_far_as_it_was_seen_and_its_coverage_says_so(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], lost_at_s=50, update_ms=20), STEADY)
    found = gpus.total([0, 20, 40, 60, 80])
    lost, well = found.components

    assert (lost.energy_j, well.energy_j) == pytest.approx((4000, 8000), abs=10)
    assert (lost.coverage, well.coverage) == (0.5, 1.0)
    assert lost.high_j >= 8000
    assert any("gpu-0" in warning and "50 %" in warning for warning in found.warnings)


def test_a_reloaded_driver_never_makes_it_count_too_much(opened: Open) -> None:
    gpu = Gpu([[0, 100]], start_mj=9_000_000, reload_at_s=25, update_ms=20)
    found = opened(gpu).total([0, 10, 20, 30, 40])

    assert 2000 + 500 + 1000 - 10 <= joules(found)["gpu-0"] <= 4000
    assert any("restarted" in warning for warning in found.warnings)


def test_a_reload_early_in_the_drivers_life_does_not_make_it_count_too_much(opened: Open) -> None:
    gpu = Gpu([[0, 100]], reload_at_s=11, update_ms=20)  # by the next look the new count exceeds the old
    found = opened(gpu).total([1, 10, 40])

    assert joules(found)["gpu-0"] <= 3900


def test_a_transient_error_costs_the_energy_counter_nothing(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], energy_error_s=(10, 20), update_ms=20))
    found = gpus.total([0, 5, 15, 25, 30])

    assert joules(found) == {"gpu-0": pytest.approx(3000, abs=5)}
    assert found.components[0].coverage == 1.0


def test_a_transient_error_of_the_gauge_is_a_gap_not_a_guess(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], has_energy=False, power_error_s=(10, 20)))
    found = gpus.total([0, 5, 9, 15, 25, 30], gap_s=6)

    assert joules(found) == {"gpu-0": pytest.approx(1400, rel=1e-6)}
    assert found.components[0].coverage == pytest.approx(14 / 30, abs=1e-4)


def test_a_driver_that_forgot_us_is_initialised_again_once(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], uuid="GPU-a", update_ms=1000))

    assert gpus.at(10.1)["nvml:GPU-a:energy"] == 1000
    assert gpus.at(20.1, say="forget")["nvml:GPU-a:energy"] == 2000
    assert gpus.at(30.1, say="forget") == {}


def test_a_gpu_that_tells_nothing_is_named_among_the_skipped(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], has_energy=False, has_power=False), STEADY)

    assert [what for what, _ in gpus.answer["skipped"]] == ["nvml gpu-0"]
    assert {channel.device for channel in gpus.channels} == {"gpu-1"}


def test_a_gpu_that_is_lost_from_the_start_is_named_and_the_other_keeps_its_number(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], lost_at_s=0), STEADY, at_s=5)

    assert [what for what, _ in gpus.answer["skipped"]] == ["nvml gpu-0"]
    assert {channel.device for channel in gpus.channels} == {"gpu-1"}


def test_no_gpu_that_tells_anything_is_unavailable(opened: Open) -> None:
    answer = opened(Gpu([[0, 100]], has_energy=False, has_power=False)).answer

    assert answer["reason"]
    assert not answer["expected"]


def test_no_gpu_at_all_is_unavailable(opened: Open) -> None:
    assert opened().answer["reason"]


@pytest.mark.parametrize(("error", "words"), [(9, "driver"), (999, "unknown")])
def test_a_driver_that_refuses_is_unavailable_with_its_own_words(
    error: int, words: str, opened: Open
) -> None:
    answer = opened(STEADY, init_error=error).answer

    assert words in answer["reason"].lower()
    assert answer["fix"]
    assert not answer["expected"]


def test_no_driver_library_is_expected_and_says_what_would_help() -> None:
    if syscalls.library_present(source.LIBRARY):
        pytest.skip("this machine has an NVIDIA driver")
    with pytest.raises(Unavailable) as caught:
        source.open_nvml(config.resolve({}, {}, "/"))

    assert caught.value.expected
    assert caught.value.fix
