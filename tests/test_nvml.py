"""NVIDIA GPUs through the real pynvml on a scripted driver library: their energy and power."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from energywrap import config, syscalls
from energywrap.balance import Total
from energywrap.errors import Unavailable
from energywrap.model import Basis, Component, Kind
from energywrap.sources import nvml as source
from fakes import nvml
from fakes.nvml import Gpu
from fakes.nvml.opened import Opened

Open: TypeAlias = Callable[..., Opened]


@pytest.fixture
def opened(nvml_dir: Path, tmp_path: Path) -> Iterator[Open]:
    """Opens the source on scripted GPUs; its processes end with the test."""
    with ExitStack() as stack:

        def start(*gpus: Gpu, library_dir: Path = nvml_dir, **given: Any) -> Opened:
            return stack.enter_context(Opened(gpus, library_dir, tmp_path / "gpus.conf", **given))

        yield start


@pytest.fixture(scope="session")
def old_nvml_dir(nvml_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a library as old drivers have it."""
    folder = nvml.build(tmp_path_factory.mktemp("old-nvml"), old=True)
    assert folder is not None
    return folder


STEADY = Gpu([[0, 100]], update_ms=20)


def joules(found: Total) -> dict[str, float]:
    """J by device."""
    return {part.device: part.energy_j for part in found.components}


def test_every_gpu_has_an_energy_counter_and_two_power_gauges(opened: Open) -> None:
    gpus = opened(Gpu([[0, 70]], name="NVIDIA H100", uuid="GPU-a"), Gpu([[0, 90]], uuid="GPU-b"))
    channels = gpus.channels

    assert [channel.id for channel in channels] == [
        "nvml:GPU-a:energy",
        "nvml:GPU-a:instant",
        "nvml:GPU-a:power",
        "nvml:GPU-b:energy",
        "nvml:GPU-b:instant",
        "nvml:GPU-b:power",
    ]
    assert [channel.kind for channel in channels] == [Kind.COUNTER, Kind.GAUGE, Kind.GAUGE] * 2
    assert [channel.device for channel in channels] == ["gpu-0"] * 3 + ["gpu-1"] * 3
    assert {(channel.component, channel.basis) for channel in channels} == {(Component.GPU, Basis.MEASURED)}
    named = [(gpu["name"], gpu["uuid"]) for gpu in gpus.answer["gpus"]]
    assert named == [("NVIDIA H100", "GPU-a"), ("NVIDIA Fake GPU", "GPU-b")]
    assert gpus.answer["skipped"] == []


def test_joules_and_watts_come_in_these_units(opened: Open) -> None:
    values = opened(Gpu([[0, 70]], uuid="GPU-a", start_mj=1_000_000, update_ms=1000)).at(10.5)

    assert values == {
        "nvml:GPU-a:energy": pytest.approx(1700),
        "nvml:GPU-a:instant": pytest.approx(70),
        "nvml:GPU-a:power": pytest.approx(70),
    }


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

    assert {channel.kind for channel in gpus.channels} == {Kind.GAUGE}
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
    assert gpus.at(51).keys() == {f"nvml:GPU-b:{name}" for name in ("energy", "instant", "power")}


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


def test_the_instantaneous_power_speaks_before_the_average(opened: Open) -> None:
    gpus = opened(Gpu([[0, 70], [10, 500]], uuid="GPU-a", has_energy=False))
    values = gpus.at(10.5)

    assert values == {
        "nvml:GPU-a:instant": 500,
        "nvml:GPU-a:power": pytest.approx(285, abs=50),  # over the last second
    }
    assert [channel.source for channel in gpus.channels] == ["nvml power", "nvml average power"]


def test_the_average_power_says_that_it_lags_by_a_second(opened: Open) -> None:
    gpus = opened(STEADY)
    ticks = {channel.source: channel.tick_s for channel in gpus.channels}

    assert ticks == {"nvml energy": 0.1, "nvml power": 0.1, "nvml average power": 1.0}


def test_power_that_is_a_mean_for_all_we_know_has_the_band_of_a_mean(opened: Open) -> None:
    gpus = opened(Gpu([[0, 50]], uuid="GPU-a", arch=7, name="NVIDIA A100", has_energy=False, fields=False))
    power = gpus.channel("nvml:GPU-a:power")

    assert (power.source, power.tick_s) == ("nvml power", 1.0)
    assert gpus.at(1) == {"nvml:GPU-a:power": 50}


def test_an_old_driver_without_the_newer_calls_still_tells_its_power(
    opened: Open, old_nvml_dir: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows"
    rows.write_text("4242 512 60 1\n")
    gpus = opened(Gpu([[0, 50]], uuid="GPU-a", processes=rows), library_dir=old_nvml_dir)

    assert gpus.at(1) == {"nvml:GPU-a:power": 50}
    assert gpus.answer["skipped"] == []


def test_what_a_gpu_answers_is_asked_not_guessed_from_its_generation(opened: Open) -> None:
    pascal = Gpu([[0, 50]], uuid="GPU-a", arch=4)
    hopper = Gpu([[0, 50]], uuid="GPU-b", arch=9, has_energy=False, fields=False)

    assert [channel.id for channel in opened(pascal, hopper).channels] == [
        "nvml:GPU-a:energy",
        "nvml:GPU-a:instant",
        "nvml:GPU-a:power",
        "nvml:GPU-b:power",
    ]


def test_a_grace_hopper_is_labelled_a_module_that_holds_cpu_and_memory(opened: Open) -> None:
    gpus = opened(Gpu([[0, 600]], uuid="GPU-a", name="GH200", module_scope=True), STEADY)
    module = [channel for channel in gpus.channels if channel.device == "gpu-0"]

    assert [channel.source for channel in module] == [
        "nvml module energy",
        "nvml module power",
        "nvml module average power",
    ]
    assert {channel.covers for channel in module} == {("cpu", "ram")}
    assert gpus.at(1)["nvml:GPU-a:instant"] == 600
    assert {channel.covers for channel in gpus.channels if channel.device == "gpu-1"} == {()}


@pytest.mark.parametrize("code", [15, 16])
def test_lost_or_in_need_of_a_reset_only_that_gpu_falls_silent(code: int, opened: Open) -> None:
    broken = Gpu([[0, 100]], uuid="GPU-a", lost_at_s=50, lost_code=code)
    gpus = opened(broken, Gpu([[0, 100]], uuid="GPU-b"))

    assert {name.split(":")[1] for name in gpus.at(51)} == {"GPU-b"}


def test_the_driver_is_initialised_once_however_often_it_is_read(opened: Open) -> None:
    gpus = opened(STEADY)
    for second in range(5):
        gpus.at(second)

    assert gpus.told()["inits"] == 1


def test_what_a_gpu_is_set_up_for_is_told_at_opening(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], limit_w=350, memory_mib=1024, persistence=False))

    assert gpus.answer["gpus"][0]["facts"] == {
        "driver": "999.99.fake",
        "power_limit_w": 350,
        "persistence_mode": False,
        "memory_bytes": 1024 * 2**20,
        "visible_to_command": True,
    }


def test_how_a_gpu_fared_is_told_at_the_end(opened: Open, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.write_text("4242 512 60 1\n")
    hot = Gpu([[0, 100]], uuid="GPU-a", processes=rows, celsius=83, sm_mhz=1410, throttle=0x1 | 0x4 | 0x20)
    gpus = opened(hot)

    assert gpus.told()["facts"] == {
        "GPU-a": {
            "max_temperature_c": 83,
            "max_memory_used_bytes": 512 * 2**20,
            "min_sm_clock_mhz": 1410,
            "max_sm_clock_mhz": 1410,
            "throttled": "power cap, heat (software)",
        }
    }


def test_the_state_is_looked_at_once_a_second_at_most(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], uuid="GPU-a", celsius=50))
    gpus.at(0)
    gpus.gpus = [Gpu([[0, 100]], uuid="GPU-a", celsius=90)]

    assert gpus.told()["facts"]["GPU-a"]["max_temperature_c"] == 50


def test_a_lost_gpu_has_no_state_rather_than_zeros(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], uuid="GPU-a", lost_at_s=10), STEADY)

    assert gpus.told(11)["facts"]["GPU-a"] == {}


def test_a_gpu_that_tells_nothing_is_named_among_the_skipped(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], has_energy=False, has_power=False, mig=True), STEADY)

    assert [what for what, _ in gpus.answer["skipped"]] == ["nvml gpu-0"]
    assert {channel.device for channel in gpus.channels} == {"gpu-1"}


def test_a_gpu_that_is_lost_from_the_start_is_named_and_the_other_keeps_its_number(opened: Open) -> None:
    gpus = opened(Gpu([[0, 100]], lost_at_s=0), STEADY, at_s=5)

    assert [what for what, _ in gpus.answer["skipped"]] == ["nvml gpu-0"]
    assert {channel.device for channel in gpus.channels} == {"gpu-1"}


def test_a_gpu_that_tells_no_power_is_modelled_by_its_limit_and_its_utilisation(
    opened: Open, tmp_path: Path
) -> None:
    users = tmp_path / "users"
    users.write_text("4711 1000 50 10\n")
    mute = Gpu([[0, 100]], uuid="GPU-a", has_energy=False, has_power=False, limit_w=400, processes=users)
    gpus = opened(mute)
    (channel,) = gpus.channels

    assert (channel.basis, channel.source) == (Basis.MODELLED, "model: power limit and utilisation")
    assert channel.error == 0.40
    assert gpus.at(1)["nvml:GPU-a:reckoned"] == pytest.approx(400 * (0.10 + 0.07 + 0.75 * 0.90 * 0.5))


def test_no_gpu_that_tells_anything_is_unavailable(opened: Open) -> None:
    answer = opened(Gpu([[0, 100]], has_energy=False, has_power=False, mig=True)).answer

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
