"""hwmon: devices by their name wherever their driver puts them, attributes by one plain read, in SI units."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from energywrap.readings import Channel, Component, Kind
from energywrap.sources import hwmon
from fakes import meters


def channel(kind: str = Kind.GAUGE) -> Channel:
    """A channel of at most 100 W."""
    return Channel("x:1", Component.CPU, "package-0", "x", kind, max_w=100)


def meter(*paths: Path, kind: str = Kind.GAUGE) -> hwmon.Meter:
    """A meter of one channel that is the sum of power attributes."""

    def part(path: Path) -> hwmon.Part:
        return lambda: hwmon.watts(str(path))

    return hwmon.Meter("x", [(channel(kind), tuple(part(path) for path in paths))])


# ---- devices ---------------------------------------------------------------------------------------


def test_devices_are_found_by_name_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number, name in ((10, "ina3221"), (2, "ina3221"), (0, "coretemp"), (1, "ina3221x")):
        meters.hwmon(tmp_path, number, {"name": name})

    found = hwmon.devices(str(tmp_path), "ina3221", "ina3221x")

    assert [os.path.basename(device.folder) for device in found] == ["hwmon1", "hwmon2", "hwmon10"]


def test_an_older_driver_keeps_its_name_and_attributes_in_the_parent_device(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"device/name": "power_meter", "device/power1_average": 7_000_000})
    (device,) = hwmon.devices(str(tmp_path), "power_meter")

    assert hwmon.watts(device.path("power1_average")) == 7.0


def test_an_attribute_of_the_device_itself_comes_before_that_of_its_parent(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"name": "new", "device/name": "old", "power1_label": "a", "device/x": "b"})
    (device,) = hwmon.devices(str(tmp_path), "new")

    assert (device.text("power1_label"), device.text("x"), device.text("none")) == ("a", "b", "")


def test_a_tree_without_hwmon_has_no_devices(tmp_path: Path) -> None:
    assert hwmon.devices(str(tmp_path), "power_meter") == []


def test_a_device_whose_name_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"power1_average": 1})
    meters.break_reads(meters.hwmon(tmp_path, 1, {"name": "power_meter"}) / "name")

    assert hwmon.devices(str(tmp_path), "power_meter") == []


# ---- attributes ------------------------------------------------------------------------------------


def test_attributes_come_in_si_units(tmp_path: Path) -> None:
    folder = meters.put(tmp_path, {"power": 1_500_000, "energy": 2_500_000, "interval": 50})

    assert hwmon.watts(str(folder / "power")) == 1.5
    assert hwmon.joules(str(folder / "energy")) == 2.5
    assert hwmon.seconds(str(folder / "interval")) == 0.05


@pytest.mark.parametrize("text", ["", "\n", "n/a", "0x10", "12 34", "1.5", "nan", "\xff\xfe", "--5"])
def test_garbage_in_an_attribute_is_no_number(text: str, tmp_path: Path) -> None:
    path = tmp_path / "power1_average"
    path.write_bytes(text.encode("latin-1"))

    assert hwmon.number(str(path)) is None
    assert hwmon.watts(str(path)) is None
    assert hwmon.joules(str(path)) is None


def test_a_file_that_is_gone_or_fails_is_no_number(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()  # opens, but every read fails

    assert hwmon.text(str(tmp_path / "gone")) is None
    assert hwmon.text(str(tmp_path / "directory")) is None


@pytest.mark.parametrize("text", ["0", "-5", "soon"])
def test_an_interval_that_is_not_positive_is_unknown(text: str, tmp_path: Path) -> None:
    meters.put(tmp_path, {"interval": text})

    assert hwmon.seconds(str(tmp_path / "interval")) is None


def test_an_attribute_is_read_once_and_not_to_its_end(tmp_path: Path) -> None:
    pipe = tmp_path / "power1_average"
    os.mkfifo(pipe)
    told, ended = threading.Event(), threading.Event()

    def tell() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(b"7000000\n")
            told.set()
            ended.wait(30)  # a reader that waits for the end of the file waits for us

    driver = threading.Thread(target=tell)
    driver.start()
    try:
        assert hwmon.watts(str(pipe)) == 7.0
        assert told.wait(30)
    finally:
        ended.set()
        driver.join()


# ---- sums ------------------------------------------------------------------------------------------


def test_a_channel_is_the_sum_of_its_attributes(tmp_path: Path) -> None:
    folder = meters.put(tmp_path, {"a": 1_000_000, "b": 2_000_000})

    assert meter(folder / "a", folder / "b").read() == {"x:1": 3.0}


def test_a_sum_of_which_a_part_fails_is_absent_until_it_is_back(tmp_path: Path) -> None:
    folder = meters.put(tmp_path, {"a": 1_000_000, "b": 2_000_000})
    source = meter(folder / "a", folder / "b")
    meters.break_reads(folder / "b")

    assert source.read() == {}

    meters.mend(folder / "b")

    assert source.read() == {"x:1": 3.0}


@pytest.mark.parametrize("microwatts", [-1, 100_000_001, 4_294_967_295_000])
def test_a_power_that_cannot_be_is_no_reading(microwatts: int, tmp_path: Path) -> None:
    folder = meters.put(tmp_path, {"a": microwatts})

    assert meter(folder / "a").read() == {}


def test_a_counter_may_be_as_high_as_it_likes(tmp_path: Path) -> None:
    folder = meters.put(tmp_path, {"a": 5_000_000_000})

    assert meter(folder / "a", kind=Kind.COUNTER).read() == {"x:1": 5000.0}


def test_closing_a_meter_twice_is_no_trouble(tmp_path: Path) -> None:
    source = meter(tmp_path)
    source.close()
    source.close()

    assert (source.gpus, source.skipped) == ((), ())
