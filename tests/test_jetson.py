"""Jetson: the rail that feeds the board is the machine, the others are parts of it, shunts are nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from energywrap import plan
from energywrap.errors import Unavailable
from energywrap.model import Channel, Component, Kind
from energywrap.sources import hwmon
from energywrap.sources.jetson import open_jetson
from fakes import meters

# label, mV, mA
ORIN_NANO = (("VDD_IN", 5000, 1600), ("VDD_CPU_GPU_CV", 5000, 500), ("VDD_SOC", 5000, 300))
AGX_ORIN = (("VDD_GPU_SOC", 12_000, 400), ("VDD_CPU_CV", 12_000, 200), ("VIN_SYS_5V0", 5000, 800))
NANO = (("POM_5V_IN", 4000), ("POM_5V_GPU", 500), ("POM_5V_CPU", 1500))  # label, mW


def chip(root: Path, rails: Sequence[tuple[str, int, int]], number: int = 1, **more: str | int) -> Path:
    """One INA3221 of the mainline driver, as the I2C bus and class/hwmon both show it."""
    attributes: dict[str, str | int] = {"name": "ina3221", **more}
    for index, (label, millivolts, milliamperes) in enumerate(rails, 1):
        attributes |= {f"in{index}_label": label, f"in{index}_input": millivolts, f"in{index}_enable": 1}
        attributes |= {f"curr{index}_input": milliamperes, f"in{index + 3}_input": 900_000}
    attributes |= {"in7_label": "sum of shunt voltages", "in7_input": 2_700_000, "curr4_input": 5_000}
    address = f"bus/i2c/drivers/ina3221/{number}-0040/hwmon/hwmon{number}"
    folder = meters.put(root / address, attributes)
    link = root / f"class/hwmon/hwmon{number}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"../../{address}")
    return folder


def old_chip(root: Path, rails: Sequence[tuple[str, int]]) -> Path:
    """One INA3221 of the older driver, an iio device."""
    attributes: dict[str, str | int] = {"name": "ina3221x"}
    for index, (label, milliwatts) in enumerate(rails):
        attributes |= {f"rail_name_{index}": label, f"in_power{index}_input": milliwatts}
    return meters.put(root / "bus/i2c/drivers/ina3221x/6-0040/iio:device0", attributes)


def opened(root: Path) -> hwmon.Meter:
    """The rails of a tree."""
    return open_jetson(meters.settings(root))


def channels(source: hwmon.Meter) -> dict[str, Channel]:
    """Channels by component."""
    return {channel.component: channel for channel in source.channels}


# ---- which rail is what ----------------------------------------------------------------------------


def test_the_rail_that_feeds_the_board_is_the_machine(tmp_path: Path) -> None:
    chip(tmp_path, ORIN_NANO)
    source = opened(tmp_path)
    machine = channels(source)[Component.MACHINE]

    assert machine.source == "ina3221 VDD_IN"
    assert (machine.kind, plan.family(machine)) == (Kind.GAUGE, "ina3221")
    assert source.read()[machine.id] == 8.0  # mV times mA is µW
    assert source.skipped == ()


def test_a_rail_that_feeds_processor_and_gpu_alike_covers_the_gpu(tmp_path: Path) -> None:
    chip(tmp_path, ORIN_NANO)
    found = channels(opened(tmp_path))

    assert set(found) == {Component.MACHINE, Component.CPU}
    assert found[Component.CPU].covers == (Component.GPU,)


def test_the_rails_of_processor_and_gpu_are_parts_of_the_machine(tmp_path: Path) -> None:
    old_chip(tmp_path, NANO)
    source = opened(tmp_path)

    assert source.read() == {"jetson:POM_5V_IN": 4.0, "jetson:POM_5V_GPU": 0.5, "jetson:POM_5V_CPU": 1.5}
    assert {channel.component: channel.covers for channel in source.channels} == {
        Component.MACHINE: (),
        Component.GPU: (),
        Component.CPU: (),
    }


def test_the_rails_of_several_chips_are_taken_together(tmp_path: Path) -> None:
    chip(tmp_path, (("VDD_SYS_GPU", 19_000, 100), ("VDD_SYS_SOC", 19_000, 50)), 0)
    chip(tmp_path, (("VDD_IN", 19_000, 500), ("VDD_SYS_CPU", 19_000, 80), ("VDD_SYS_DDR", 19_000, 60)), 1)
    chip(tmp_path, (("VDD_M2_IN", 19_000, 5),), 2)
    source = opened(tmp_path)

    assert {channel.component: channel.source for channel in source.channels} == {
        Component.MACHINE: "ina3221 VDD_IN",  # and not VDD_M2_IN, which feeds a slot
        Component.CPU: "ina3221 VDD_SYS_CPU",
        Component.GPU: "ina3221 VDD_SYS_GPU",
        Component.RAM: "ina3221 VDD_SYS_DDR",
    }


def test_a_board_of_another_maker_may_call_its_total_something_else(tmp_path: Path) -> None:
    chip(tmp_path, (("CARRIER_IN", 12_000, 1000), ("CPU", 5000, 100)))

    assert channels(opened(tmp_path))[Component.MACHINE].source == "ina3221 CARRIER_IN"


def test_two_rails_that_sound_like_the_total_are_no_total(tmp_path: Path) -> None:
    chip(tmp_path, (("SLOT_A_IN", 12_000, 1000), ("SLOT_B_IN", 12_000, 900), ("CPU", 5000, 100)))

    assert set(channels(opened(tmp_path))) == {Component.CPU}


def test_a_board_without_a_total_has_its_parts_and_says_so(tmp_path: Path) -> None:
    chip(tmp_path, AGX_ORIN)
    source = opened(tmp_path)

    assert source.read() == {"jetson:VDD_GPU_SOC": 4.8, "jetson:VDD_CPU_CV": 2.4}
    assert [(gap.what, gap.expected) for gap in source.skipped] == [("ina3221 total", True)]


# ---- what is no rail -------------------------------------------------------------------------------


def test_shunt_voltages_and_their_sum_are_never_read(tmp_path: Path) -> None:
    chip(tmp_path, ORIN_NANO, in4_label="GPU", in5_label="DDR", curr5_input=9000)
    source = opened(tmp_path)

    assert {channel.id for channel in source.channels} == {"jetson:VDD_IN", "jetson:VDD_CPU_GPU_CV"}
    assert sum(source.read().values()) == 10.5


def test_a_monitor_shown_by_the_bus_and_by_the_class_is_read_once(tmp_path: Path) -> None:
    chip(tmp_path, ORIN_NANO)
    ids = [channel.id for channel in opened(tmp_path).channels]

    assert len(ids) == len(set(ids)) == 2


def test_a_monitor_that_only_the_class_shows_is_found(tmp_path: Path) -> None:
    rail: dict[str, str | int] = {"in1_label": "VDD_IN", "in1_input": 5000, "curr1_input": 1000}
    meters.hwmon(tmp_path, 4, {"name": "ina3221", **rail})

    assert opened(tmp_path).read() == {"jetson:VDD_IN": 5.0}


def test_a_rail_that_is_switched_off_is_not_read(tmp_path: Path) -> None:
    folder = chip(tmp_path, ORIN_NANO)
    meters.put(folder, {"in2_enable": 0})

    assert [channel.id for channel in opened(tmp_path).channels] == ["jetson:VDD_IN"]


def test_a_machine_without_such_monitors_lacks_nothing(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"name": "coretemp"})
    with pytest.raises(Unavailable) as caught:
        opened(tmp_path)

    assert caught.value.expected


def test_a_monitor_of_other_rails_is_no_jetson(tmp_path: Path) -> None:
    chip(tmp_path, (("VBUS", 5000, 100),))
    with pytest.raises(Unavailable):
        opened(tmp_path)


# ---- readings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", ["in1_input", "curr1_input"])
def test_a_rail_half_of_which_cannot_be_read_is_left_out_and_comes_back(
    attribute: str, tmp_path: Path
) -> None:
    folder = chip(tmp_path, ORIN_NANO)
    source = opened(tmp_path)
    meters.break_reads(folder / attribute)

    assert source.read() == {"jetson:VDD_CPU_GPU_CV": 2.5}

    meters.mend(folder / attribute)

    assert source.read()["jetson:VDD_IN"] == 8.0


def test_an_old_rail_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    folder = old_chip(tmp_path, NANO)
    source = opened(tmp_path)
    meters.put(folder, {"in_power0_input": "busy"})

    assert source.read() == {"jetson:POM_5V_GPU": 0.5, "jetson:POM_5V_CPU": 1.5}


@pytest.mark.parametrize("milliamperes", [0, -8])
def test_a_rail_that_idles_draws_nothing_and_never_less(milliamperes: int, tmp_path: Path) -> None:
    chip(tmp_path, (("VDD_GPU", 12_000, milliamperes),))

    assert opened(tmp_path).read() == {"jetson:VDD_GPU": 0.0}


def test_the_monitor_tells_how_long_it_averages(tmp_path: Path) -> None:
    chip(tmp_path, ORIN_NANO, update_interval=573)

    assert {channel.tick_s for channel in opened(tmp_path).channels} == {0.573}
