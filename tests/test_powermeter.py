"""The ACPI power meter: a whole machine's watts, or the rails of a Grace socket, never both as one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from energywrap import balance, energy, plan
from energywrap.errors import Unavailable
from energywrap.model import Channel, Component, Kind, Tally
from energywrap.sources import hwmon
from energywrap.sources.powermeter import open_power_meter
from fakes import meters
from fakes.scenario import Attribute, Scenario

SOURCE = ("energywrap.sources.powermeter", "open_power_meter")


def acpi(root: Path, number: int = 0, microwatts: int = 250_000_000, **more: Any) -> Path:
    """An ACPI power meter as drivers of all years so far show it: below the ACPI device. Its attributes."""
    device: dict[str, str | int] = {"name": "power_meter", "power1_average": microwatts, **more}
    folder = meters.hwmon(root, number, {f"device/{name}": value for name, value in device.items()})
    return folder / "device"


def rail(root: Path, number: int, name: str, watts: int, socket: int = 0) -> Path:
    """One rail of a Grace socket."""
    info = f"{name} Power Socket {socket}"
    return acpi(root, number, watts * 10**6, power1_oem_info=info, power1_average_interval=50)


def opened(root: Path) -> hwmon.Meter:
    """The power meters of a tree."""
    return open_power_meter(meters.settings(root))


def refused(root: Path) -> Unavailable:
    """Why there is none."""
    with pytest.raises(Unavailable) as caught:
        opened(root)
    return caught.value


# ---- a whole machine -------------------------------------------------------------------------------


def test_a_servers_meter_sees_the_whole_machine(tmp_path: Path) -> None:
    acpi(tmp_path, power1_average_interval=1000)
    source = opened(tmp_path)
    (channel,) = source.channels

    assert (channel.component, channel.kind) == (Component.MACHINE, Kind.GAUGE)
    assert plan.family(channel) == "power_meter"
    assert channel.tick_s == 1.0
    assert source.read() == {channel.id: 250.0}


def test_a_meter_of_a_newer_driver_is_read_in_its_own_folder(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 3, {"name": "power_meter", "power1_average": 180_000_000})

    assert list(opened(tmp_path).read().values()) == [180.0]


def test_other_devices_are_no_power_meters(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"name": "amdgpu", "power1_average": 30_000_000})

    assert refused(tmp_path).expected


def test_a_meter_that_averages_over_minutes_says_so(tmp_path: Path) -> None:
    acpi(tmp_path, power1_average_interval=300_000)

    assert opened(tmp_path).channels[0].tick_s == 300.0


@pytest.mark.parametrize("interval", ["0", "", "50"])
def test_a_machines_meter_is_never_believed_to_be_faster_than_a_second(interval: str, tmp_path: Path) -> None:
    acpi(tmp_path, power1_average_interval=interval)

    assert opened(tmp_path).channels[0].tick_s == 1.0


@pytest.mark.parametrize(
    ("accuracy", "error"), [("90.0%", 0.1), ("98.500%", 0.015), ("0.0%", 0.05), ("1%", 0.05), ("?", 0.05)]
)
def test_the_band_is_the_one_that_the_firmware_states_if_it_does(
    accuracy: str, error: float, tmp_path: Path
) -> None:
    acpi(tmp_path, power1_accuracy=accuracy)

    assert opened(tmp_path).channels[0].error == pytest.approx(error)


@pytest.mark.parametrize("microwatts", [0, 4_294_967_295_000])
def test_a_meter_that_never_answered_shows_0_and_an_unknown_power_is_huge_neither_is_a_reading(
    microwatts: int, tmp_path: Path
) -> None:
    acpi(tmp_path, microwatts=microwatts)

    assert opened(tmp_path).read() == {}


def test_a_read_that_fails_is_left_out_and_comes_back(tmp_path: Path) -> None:
    attribute = acpi(tmp_path) / "power1_average"
    source = opened(tmp_path)
    meters.break_reads(attribute)

    assert source.read() == {}

    meters.mend(attribute)

    assert list(source.read().values()) == [250.0]


def test_of_several_meters_without_a_word_of_what_they_measure_only_one_speaks(tmp_path: Path) -> None:
    acpi(tmp_path, 0)
    acpi(tmp_path, 1, power1_oem_info="To be filled by O.E.M.")
    source = opened(tmp_path)

    assert [channel.id for channel in source.channels] == ["power_meter:hwmon0"]
    assert [(gap.what, gap.expected) for gap in source.skipped] == [("power_meter hwmon1", False)]


# ---- Grace -----------------------------------------------------------------------------------------


def grace_hopper(root: Path, sockets: int = 1) -> None:
    """The four rails of each socket of a Grace Hopper machine."""
    for socket in range(sockets):
        for number, (name, watts) in enumerate(
            (("Module", 600), ("Grace", 150), ("CPU", 90), ("SysIO", 20)), 4 * socket
        ):
            rail(root, number, name, watts, socket)


def test_the_grace_rail_is_the_processor_and_its_memory(tmp_path: Path) -> None:
    grace_hopper(tmp_path)
    source = opened(tmp_path)
    (channel,) = source.channels

    assert (channel.component, channel.device) == (Component.CPU, "package-0")
    assert channel.covers == (Component.RAM,)
    assert plan.family(channel) == "grace"
    assert channel.tick_s == 0.05
    assert source.read() == {channel.id: 150.0}


def test_the_rails_of_a_socket_are_never_taken_for_a_whole_machine(tmp_path: Path) -> None:
    grace_hopper(tmp_path)

    assert {channel.component for channel in opened(tmp_path).channels} == {Component.CPU}


def test_the_rails_inside_the_grace_rail_and_the_module_around_it_are_not_added(tmp_path: Path) -> None:
    grace_hopper(tmp_path)
    skipped = {gap.what: (gap.why, gap.expected) for gap in opened(tmp_path).skipped}

    assert set(skipped) == {f"grace {name} rail of socket 0" for name in ("Module", "CPU", "SysIO")}
    assert all(expected for _, expected in skipped.values())
    assert "NVML" in skipped["grace Module rail of socket 0"][0]


def test_each_socket_is_a_package_of_its_own(tmp_path: Path) -> None:
    grace_hopper(tmp_path, sockets=2)

    assert [channel.device for channel in opened(tmp_path).channels] == ["package-0", "package-1"]


def test_a_module_without_a_grace_rail_covers_its_memory_and_its_gpu(tmp_path: Path) -> None:
    rail(tmp_path, 0, "Module", 600)
    rail(tmp_path, 1, "CPU", 90)
    source = opened(tmp_path)
    (channel,) = source.channels

    assert channel.component == Component.CPU
    assert channel.covers == (Component.RAM, Component.GPU)
    assert source.read() == {channel.id: 600.0}


def test_without_either_the_processor_is_the_sum_of_its_two_rails_and_covers_nothing(tmp_path: Path) -> None:
    rail(tmp_path, 0, "CPU", 90)
    sysio = rail(tmp_path, 1, "SysIO", 20)
    source = opened(tmp_path)
    (channel,) = source.channels

    assert channel.covers == ()
    assert source.read() == {channel.id: 110.0}

    meters.break_reads(sysio / "power1_average")

    assert source.read() == {}  # not 90 W: a part of a sum is no reading of it


def test_a_rail_of_a_socket_that_nobody_knows_is_named_and_not_counted(tmp_path: Path) -> None:
    rail(tmp_path, 0, "SysIO", 20)
    rail(tmp_path, 1, "Cooling", 30)
    acpi(tmp_path, 2)
    source = opened(tmp_path)

    assert [channel.component for channel in source.channels] == [Component.MACHINE]
    assert [(gap.what, gap.expected) for gap in source.skipped] == [
        ("grace SysIO rail of socket 0", False),
        ("grace Cooling rail of socket 0", False),
    ]


def test_modelled_memory_gets_no_line_beside_the_grace_rail(tmp_path: Path) -> None:
    rail(tmp_path, 0, "Grace", 100)
    memory = Channel("model:ram", Component.RAM, "ram", "model", Kind.COUNTER, "modelled")
    channels = [*opened(tmp_path).channels, memory]
    tallies = {each.id: Tally() for each in channels}
    for second in range(3):
        values = {**opened(tmp_path).read(), memory.id: 5.0 * second}
        for each in channels:
            moment = energy.Moment(float(second))
            tallies[each.id] = energy.add(tallies[each.id], values[each.id], each, moment, 3)
    found = balance.total(plan.choose(channels), tallies, 2)

    assert [(part.component, part.energy_j) for part in found.components] == [("cpu", 200.0)]


# ---- nothing to read -------------------------------------------------------------------------------


def test_a_machine_without_a_meter_lacks_nothing(tmp_path: Path) -> None:
    assert refused(tmp_path).expected


@pytest.mark.parametrize("status", ["15", None])
def test_a_meter_without_a_driver_is_named_with_the_module_to_load(
    status: str | None, tmp_path: Path
) -> None:
    meters.put(tmp_path / "bus/acpi/devices/ACPI000D:00", {"status": status} if status else {})
    absence = refused(tmp_path)

    assert not absence.expected
    assert "acpi_power_meter" in str(absence.fix)
    assert "force_cap_on" in str(absence.fix)


def test_a_meter_that_the_firmware_has_switched_off_is_none(tmp_path: Path) -> None:
    meters.put(tmp_path / "bus/acpi/devices/ACPI000D:00", {"status": "0"})

    assert refused(tmp_path).expected


def test_a_meter_that_cannot_measure_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"name": "power_meter", "power1_model_number": "x"})

    assert "measure" in refused(tmp_path).reason


def test_a_closed_meter_is_named_with_the_line_that_opens_it_to_a_group(open_folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file that its ordinary self may not read")
    attribute = acpi(open_folder) / "power1_average"
    attribute.chmod(0o400)
    found = meters.as_a_user(SOURCE, open_folder)

    assert found["ids"] == []
    assert str(attribute) in found["reason"]
    assert "chmod g+r" in found["fix"]


# ---- a live /sys -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("live_sysfs")
def test_the_meter_of_a_live_machine_follows_its_load(tmp_path: Path) -> None:
    meter: dict[str, Attribute] = {"name": "power_meter", "power1_average": meters.swinging(200, 350)}
    seen = meters.live(SOURCE, Scenario({}, hwmon={"hwmon0": meter}), tmp_path, 2)

    assert sorted(each["power_meter:hwmon0"] for each in seen) == [200.0, 350.0]
