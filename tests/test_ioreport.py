"""An Apple chip through IOReport: the real reader on a module that stands for zeus-apple-silicon."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energywrap import config, plan
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind
from energywrap.sources.ioreport import IoReport, Mac, open_ioreport, sysctl, this_mac

FAKE = Path(__file__).resolve().parent / "fakes/apple"
NAME = "zeus_apple_silicon"
M2 = Mac("arm64", "Apple M2 Pro", virtual=False)
TOLD_MJ = {"cpu_total_mj": 9000, "dram_mj": 3000, "gpu_mj": 2000, "gpu_sram_mj": 500, "ane_mj": 100}


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package, with a chip that tells all; forgotten with the test."""
    monkeypatch.syspath_prepend(str(FAKE))
    sys.modules.pop(NAME, None)
    found: Any = importlib.import_module(NAME)
    found.told = dict(TOLD_MJ)
    yield found
    sys.modules.pop(NAME, None)


def opened(mac: Mac = M2) -> IoReport:
    """The source on a Mac."""
    return open_ioreport(config.resolve({}, {}, "/"), mac=mac)


def refused(mac: Mac = M2) -> Unavailable:
    """Why it cannot be opened."""
    with pytest.raises(Unavailable) as caught:
        opened(mac)
    return caught.value


def test_processor_memory_gpu_and_neural_engine_are_counters_of_their_own(chip: Any) -> None:
    source = opened()

    assert [(c.component, c.device) for c in source.channels] == [
        (Component.CPU, "cpu"),
        (Component.RAM, "dram"),
        (Component.GPU, "gpu-apple"),
        (Component.GPU, "ane"),
    ]
    assert {c.kind for c in source.channels} == {Kind.COUNTER}


def test_the_memory_of_the_gpu_is_no_part_of_its_cores_and_is_added(chip: Any) -> None:
    assert opened().read() == {
        "ioreport:cpu": 9.0,
        "ioreport:dram": 3.0,
        "ioreport:gpu": 2.5,
        "ioreport:ane": 0.1,
    }


def test_what_is_inside_the_processor_is_not_added(chip: Any) -> None:
    chip.told["efficiency_core_manager_mj"] = 4000

    assert opened().read()["ioreport:cpu"] == 9.0


def test_a_counter_that_moves_is_seen_to_move(chip: Any) -> None:
    source = opened()
    before = source.read()
    chip.told["cpu_total_mj"] += 50_000

    assert source.read()["ioreport:cpu"] - before["ioreport:cpu"] == 50.0


def test_what_the_chip_does_not_tell_is_absent_not_zero(chip: Any) -> None:
    del chip.told["ane_mj"], chip.told["gpu_mj"]
    source = opened()

    assert source.read().keys() == {"ioreport:cpu", "ioreport:dram"}
    assert source.gpus == ()

    del chip.told["dram_mj"]

    assert source.read().keys() == {"ioreport:cpu"}


@pytest.mark.parametrize("problem", [RuntimeError("no sample"), ValueError("unit")])
def test_a_call_that_fails_is_no_reading(problem: Exception, chip: Any) -> None:
    source = opened()
    chip.asking = problem

    assert source.read() == {}

    chip.asking = None

    assert len(source.read()) == 4


def test_that_the_values_are_apples_estimates_is_said_wherever_they_are(chip: Any) -> None:
    source = opened()

    assert {c.source for c in source.channels} == {"ioreport estimate"}
    assert all(c.error >= 0.2 for c in source.channels)
    assert [gpu.facts and gpu.facts["estimated"] for gpu in source.gpus] == [True]


def test_the_plan_takes_each_part_once(chip: Any) -> None:
    chosen = plan.choose(opened().channels)

    assert [[leaf.device for leaf in choice[0]] for choice in chosen.choices] == [
        ["cpu"],
        ["dram"],
        ["ane", "gpu-apple"],
    ]


def test_without_the_package_it_is_told_how_to_get_it() -> None:
    if importlib.util.find_spec(NAME):
        pytest.skip("it is installed here")

    assert refused().fix == "pip install zeus-apple-silicon"


def test_a_virtual_mac_is_not_asked_for_it_would_crash(chip: Any) -> None:
    chip.opening = AssertionError("asked")

    assert "virtual" in refused(Mac("arm64", "Apple M2", virtual=True)).reason


def test_an_ultra_is_not_believed_for_one_die_is_not_told(chip: Any) -> None:
    assert "dies" in refused(Mac("arm64", "Apple M1 Ultra", virtual=False)).reason


@pytest.mark.parametrize("machine", ["x86_64", ""])
def test_off_apples_chips_its_absence_is_expected(machine: str, chip: Any) -> None:
    assert refused(Mac(machine, "", virtual=False)).expected


def test_a_subscription_that_fails_is_told(chip: Any) -> None:
    chip.opening = RuntimeError("Failed to create IOReport subscription.")

    assert "subscription" in refused().reason


def test_a_chip_that_tells_nothing_is_told(chip: Any) -> None:
    chip.told = {}

    assert "no energy of this chip" in refused().reason


@pytest.mark.skipif(sys.platform == "darwin", reason="this is one")
def test_this_machine_is_no_mac() -> None:
    with pytest.raises(Unavailable) as caught:
        open_ioreport(config.resolve({}, {}, "/"))

    assert caught.value.expected
    assert this_mac().machine == ""


class Libc:
    """sysctlbyname on a dictionary."""

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self._values = values

    def sysctlbyname(self, name: bytes, value: Any, size: Any, new: None, new_size: Any) -> int:
        """0, or -1 where there is no such name."""
        found = self._values.get(name)
        if found is None:
            return -1
        value[: len(found)] = found
        size._obj.value = len(found)
        return 0


def test_the_kernel_is_asked_by_name() -> None:
    libc = Libc({b"kern.hv_vmm_present": b"\x01\0\0\0", b"machdep.cpu.brand_string": b"Apple M1 Ultra\0"})

    assert sysctl(libc, b"kern.hv_vmm_present") == b"\x01\0\0\0"
    assert sysctl(libc, b"machdep.cpu.brand_string") == b"Apple M1 Ultra\0"
    assert sysctl(libc, b"of.no.kernel") == b""
