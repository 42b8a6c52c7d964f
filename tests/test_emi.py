"""Windows' energy meters: what their answers mean, which channels count, and the calls that fetch them."""

from __future__ import annotations

import os
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import balance, config, energy, plan
from energywrap.errors import Unavailable
from energywrap.model import Channel, Component, Kind, Tally
from energywrap.sources import emi_layout as layout
from energywrap.sources import emi_windows
from energywrap.sources.emi import Emi, open_emi
from fakes import emi as fake
from fakes.emi import Meter

AMD = [Meter([f"RAPL_Package0_Core{core}_CORE"]) for core in range(16)]


def opened(*meters: Meter) -> Emi:
    """The source on these meters."""
    return open_emi(config.resolve({}, {}, "/"), meters=lambda: meters)


def refused(*meters: Meter) -> Unavailable:
    """Why these meters are not enough."""
    with pytest.raises(Unavailable) as caught:
        opened(*meters)
    return caught.value


def found(source: Emi) -> list[tuple[str, str]]:
    """Component and device of every channel."""
    return [(channel.component, channel.device) for channel in source.channels]


def spoken_j(source: Emi, meters: list[Meter], moves_j: list[list[float]]) -> dict[str, float]:
    """The joules of the parts over a run in which the meters move on once a second."""
    tallies = {channel.id: Tally() for channel in source.channels}
    for second in range(len(moves_j[0]) + 1):
        values = source.read()
        for channel in source.channels:
            moment = energy.Moment(float(second))
            tallies[channel.id] = energy.add(tallies[channel.id], values.get(channel.id), channel, moment, 60)
        for meter, moves in zip(meters, moves_j):
            if second < len(moves):
                meter.joules = [joules + moves[second] for joules in meter.joules]
    total = balance.total(plan.choose(source.channels), tallies, float(len(moves_j[0])))
    return {part.device: round(part.energy_j, 3) for part in total.components}


# ---- what is found ---------------------------------------------------------------------------------


def test_a_laptop_has_a_package_and_its_memory_and_nothing_else() -> None:
    source = opened(Meter())

    assert found(source) == [(Component.CPU, "package-0"), (Component.RAM, "dram-0")]
    assert {c.kind for c in source.channels} == {Kind.COUNTER}
    assert {c.source for c in source.channels} == {"emi"}


def test_cores_and_graphics_are_inside_the_package_and_never_read() -> None:
    source = opened(Meter(joules=[10.0, 1.0, 6.0, 2.0]))

    assert list(source.read().values()) == pytest.approx([10.0, 1.0])


def test_of_an_amd_processor_with_a_meter_for_every_core_only_the_package_counts() -> None:
    meters = [Meter([fake.PKG, "RAPL_Package0_Core0_CORE"]), *AMD[1:]]
    source = opened(*meters)
    source.read()

    assert found(source) == [(Component.CPU, "package-0")]
    assert [meter.closed for meter in meters] == [0] + [1] * 15
    assert not any(meter.asked for meter in meters[1:])


def test_two_packages_add_up() -> None:
    names = [f"RAPL_Package{package}_{domain}" for package in (0, 1) for domain in ("PKG", "DRAM", "PP0")]

    assert found(opened(Meter(names, [1e5, 10, 5, 2e5, 20, 5]))) == [
        (Component.CPU, "package-0"),
        (Component.RAM, "dram-0"),
        (Component.CPU, "package-1"),
        (Component.RAM, "dram-1"),
    ]


def test_dies_that_show_one_counter_count_once() -> None:
    meters = [Meter([fake.PKG], [1e6]), Meter([fake.PKG], [1e6 + 0.1])]
    source = opened(*meters)

    assert [c.device for c in source.channels] == ["package-0", "package-0-die-1"]
    assert source.channels[1].duplicate_of == source.channels[0].id
    assert spoken_j(source, meters, [[50, 60], [50, 60]]) == {"package-0": 110.0}


def test_dies_that_are_numbered_as_packages_count_once_as_well() -> None:
    meters = [Meter([f"RAPL_Package{number}_PKG"], [1e6]) for number in range(4)]
    source = opened(*meters)

    assert spoken_j(source, meters, [[50, 60]] * 4) == {"package-0": 110.0}


def test_two_sockets_of_two_dies_each_are_two_packages() -> None:
    meters = [Meter([f"RAPL_Package{number}_PKG"], [1e6 + number // 2 * 1e4]) for number in range(4)]
    source = opened(*meters)

    assert spoken_j(source, meters, [[50], [50], [70], [70]]) == {"package-0": 50.0, "package-2": 70.0}


def test_dies_with_counters_of_their_own_add_up_though_their_names_are_the_same() -> None:
    meters = [Meter([fake.PKG], [1e6]), Meter([fake.PKG], [2e6])]
    source = opened(*meters)

    assert spoken_j(source, meters, [[50], [40]]) == {"package-0": 50.0, "package-0-die-1": 40.0}


def test_packages_that_happened_to_show_the_same_once_add_up_when_they_part() -> None:
    meters = [Meter([f"RAPL_Package{number}_PKG"], [1e6]) for number in range(2)]
    source = opened(*meters)

    assert spoken_j(source, meters, [[50], [40]]) == {"package-0": 50.0, "package-1": 40.0}


def test_a_die_that_does_not_answer_at_first_may_be_a_mirror() -> None:
    meters = [Meter([fake.PKG], [1e6]), Meter([fake.PKG], [1e6], {"measurement": OSError()})]
    source = opened(*meters)

    assert source.channels[1].duplicate_of == source.channels[0].id


def test_memory_without_a_counter_is_said_to_stand_still() -> None:
    meter = Meter([fake.PKG, fake.DRAM], [1e6, 0.0])
    source = opened(meter)
    tallies = {channel.id: Tally() for channel in source.channels}
    for second in range(3):
        for channel in source.channels:
            value = source.read()[channel.id]
            tallies[channel.id] = energy.add(tallies[channel.id], value, channel, energy.Moment(second), 60)
        meter.joules[0] += 20
    total = balance.total(plan.choose(source.channels), tallies, 2.0)

    assert [part.device for part in total.components] == ["package-0"]
    assert ["did not move" in gap.why for gap in total.skipped] == [True]


@pytest.mark.parametrize("pad", ["\0", " "])
def test_names_are_padded_to_one_width(pad: str) -> None:
    meter = Meter(answers={"metadata": fake.metadata_v2(fake.LAPTOP, pad=pad)})

    assert [c.device for c in opened(meter).channels] == ["package-0", "dram-0"]


def test_a_meter_of_the_first_version_has_one_channel() -> None:
    answers: dict[str, bytes | OSError] = {
        "version": fake.version(1),
        "metadata": fake.metadata_v1(fake.PKG),
    }
    source = opened(Meter(["one"], [7.2], answers))

    assert found(source) == [(Component.CPU, "package-0")]
    assert list(source.read().values()) == pytest.approx([7.2])


def test_one_picowatt_hour_is_3_6_nanojoules() -> None:
    data = (10**12).to_bytes(8, "little") + bytes(8)

    assert layout.joules(data, 1) == pytest.approx((3600.0,))


@pytest.mark.parametrize(
    "name",
    [
        "RAPL_Package0_PP0", "RAPL_Package0_PP1", "RAPL_Package0_Core7_CORE", "RAPL_Package_PKG", "RAPL_PKG",
        "RAPL_Package0_PSYS", "RAPL_Package²_PKG", "RAPL_Package-1_PKG", "CPU", "", "_PKG", "PKG",
        "xRAPL_Package0_PKG", "RAPL_Package9999999_PKG",
    ],
)  # fmt: skip
def test_another_name_is_no_package(name: str) -> None:
    assert layout.role(name) is None


# ---- a read that fails -----------------------------------------------------------------------------


def test_a_meter_that_does_not_answer_is_absent_and_the_others_go_on() -> None:
    meters = [Meter([f"RAPL_Package{n}_PKG"], [1e5 * (n + 1)]) for n in range(2)]
    source = opened(*meters)
    meters[0].answers["measurement"] = OSError("removed")

    assert source.read() == {"emi:1:0": pytest.approx(2e5)}

    del meters[0].answers["measurement"]

    assert source.read().keys() == {"emi:0:0", "emi:1:0"}


@pytest.mark.parametrize("size", [0, 7, 15, 23])
def test_an_answer_that_is_cut_off_is_no_reading(size: int) -> None:
    meter = Meter([fake.PP0, fake.PKG], [1e5, 2e5])
    source = opened(meter)
    meter.answers["measurement"] = fake.measurement([1e5, 2e5])[:size]

    assert source.read() == {}


def test_each_meter_is_asked_once_for_a_reading() -> None:
    meter = Meter()
    source = opened(meter)
    before = meter.asked
    source.read()

    assert meter.asked == before + 1


def test_a_meter_that_does_not_describe_itself_is_told_and_the_others_go_on() -> None:
    source = opened(Meter(answers={"metadata": b"short"}), Meter(answers={"version": OSError()}), Meter())

    assert found(source) == [(Component.CPU, "package-0"), (Component.RAM, "dram-0")]
    assert [gap.what for gap in source.skipped] == ["emi meter 0", "emi meter 1"]


def test_an_unknown_version_or_unit_is_told() -> None:
    future = Meter(answers={"version": fake.version(3)})
    strange = Meter(answers={"metadata": fake.metadata_v2([fake.PKG], unit=1)})

    assert "version 3" in refused(future).reason
    assert "unit" in refused(strange).reason


def test_meters_without_a_package_are_named() -> None:
    absence = refused(*AMD)

    assert "RAPL_Package0_Core0_CORE" in absence.reason
    assert not absence.expected


def test_no_name_steers_the_terminal() -> None:
    assert "\x1b" not in refused(Meter(["\x1b[2J"])).reason


def test_without_meters_windows_shows_none() -> None:
    assert refused().reason == "Windows shows no energy meter here"


@pytest.mark.skipif(os.name == "nt", reason="here it may be there")
def test_off_windows_its_absence_is_expected() -> None:
    with pytest.raises(Unavailable) as caught:
        open_emi(config.resolve({}, {}, "/"))

    assert caught.value.expected


def test_close_closes_every_meter_once() -> None:
    meters = [Meter(), Meter(["other"])]
    opened(*meters).close()

    assert [meter.closed for meter in meters] == [1, 1]


# ---- laws ------------------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-16-le", exclude_characters="\0"), max_size=40).map(str.strip)


@given(st.lists(names, max_size=20), st.integers(0, 2**32 - 1))
def test_metadata_gives_back_the_names_that_went_in(given_names: list[str], unit: int) -> None:
    data = fake.metadata_v2(given_names, unit, name_bytes=200)

    assert layout.rails(2, data) == tuple(layout.Rail(name, unit) for name in given_names)


@given(st.integers(0, 3), st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_value_error(version: int, data: bytes) -> None:
    for parse in (lambda: layout.version(data), lambda: layout.rails(version, data)):
        try:
            parse()
        except ValueError:
            continue


@given(st.binary(max_size=100), st.integers(0, 2**16))
def test_measurements_are_all_there_or_a_value_error(data: bytes, channels: int) -> None:
    try:
        joules = layout.joules(data, channels)
    except ValueError:
        assert len(data) < 16 * channels
    else:
        assert len(joules) == channels


@given(st.data())
def test_metadata_that_is_cut_off_is_a_value_error(data: st.DataObject) -> None:
    whole = fake.metadata_v2(fake.LAPTOP)
    size = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(ValueError, match="ends"):
        layout.rails(2, whole[:size])


@given(st.text(max_size=6000))
def test_a_name_of_any_text_has_a_role_or_none(name: str) -> None:
    assert layout.role(name) is None or "PKG" in name.upper() or "DRAM" in name.upper()


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=64))
def test_a_meter_of_garbage_is_no_bug(version: bytes, metadata: bytes, measurement: bytes) -> None:
    answers: dict[str, bytes | OSError] = {
        "version": version, "metadata": metadata, "measurement": measurement
    }  # fmt: skip
    source = opened(Meter(answers=answers), Meter())

    assert {"emi:1:0", "emi:1:1"} <= source.read().keys()


# ---- the calls to Windows --------------------------------------------------------------------------


def windows(meters: dict[str, Any], **cfgmgr: Any) -> emi_windows.Windows:
    """The two libraries on these devices."""
    return emi_windows.Windows(fake.Kernel32(meters), fake.CfgMgr32(list(meters), **cfgmgr))


def test_every_device_with_the_interface_is_opened_to_read_and_shared() -> None:
    libraries = windows({r"\\?\ACPI#1": Meter(joules=[5.0, 1.0, 2.0, 1.0]), r"\\?\ACPI#2": Meter(["other"])})
    found = emi_windows.open_meters(libraries)
    source = open_emi(config.resolve({}, {}, "/"), meters=lambda: found)

    assert list(source.read().values()) == pytest.approx([5.0, 1.0])
    assert libraries.kernel32.shared == [(0x80000000, 3)] * 2

    source.close()

    assert libraries.kernel32.opened == {}


def test_the_interface_is_that_of_energy_meters() -> None:
    libraries = windows({"one": Meter()})
    emi_windows.open_meters(libraries)
    wanted = uuid.UUID("45BD8344-7ED6-49CF-A440-C276C933B053").bytes_le

    assert libraries.cfgmgr32.guids == [wanted, wanted]


def test_a_device_that_is_closed_to_us_is_passed_over() -> None:
    assert len(emi_windows.open_meters(windows({"closed": None, "open": Meter()}))) == 1


def test_a_list_that_cannot_be_had_is_empty() -> None:
    assert emi_windows.open_meters(windows({"one": Meter()}, fails=True)) == []
    assert emi_windows.open_meters(windows({})) == []


def test_a_question_that_windows_refuses_is_an_os_error() -> None:
    meter = Meter(answers={"metadata": OSError(), "measurement": OSError()})
    asked = emi_windows.open_meters(windows({"one": meter}))[0]

    with pytest.raises(OSError, match="code 0x224004"):
        asked.metadata()
    with pytest.raises(OSError, match="code 0x22400c"):
        asked.measurement(4)


def test_a_channel_says_what_its_band_is() -> None:
    bands: dict[str, Channel] = {channel.component: channel for channel in opened(Meter()).channels}

    assert bands[Component.CPU].error < bands[Component.RAM].error
    assert bands[Component.CPU].wrap_j is None  # 64 bits of pWh last for 66 GJ
