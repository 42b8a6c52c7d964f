"""The battery: a meter of the whole machine while, and only while, nothing else feeds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from energywrap import plan
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind
from energywrap.sources.battery import Battery, open_battery
from fakes import meters
from fakes.scenario import Attribute, Scenario

SOURCE = ("energywrap.sources.battery", "open_battery")
ID = "battery:discharge"
FULL: dict[str, str | int] = {"type": "Battery", "present": 1, "status": "Discharging", "scope": "System"}


def battery(root: Path, name: str = "BAT0", **more: str | int) -> Path:
    """A battery that gives 12.5 W."""
    return meters.supply(root, name, {**FULL, "power_now": 12_500_000, **more})


def charger(root: Path, online: str | int, name: str = "AC", kind: str = "Mains") -> Path:
    """A charger or a socket for one."""
    return meters.supply(root, name, {"type": kind, "online": online})


def opened(root: Path) -> Battery:
    """The batteries of a tree."""
    return open_battery(meters.settings(root))


def refused(root: Path) -> Unavailable:
    """Why they are of no use."""
    with pytest.raises(Unavailable) as caught:
        opened(root)
    return caught.value


# ---- watts -----------------------------------------------------------------------------------------


def test_a_discharging_battery_meters_the_whole_machine(tmp_path: Path) -> None:
    battery(tmp_path)
    charger(tmp_path, 0)
    source = opened(tmp_path)
    (channel,) = source.channels

    assert (channel.component, channel.kind) == (Component.MACHINE, Kind.GAUGE)
    assert plan.family(channel) == "battery"
    assert channel.tick_s == 10.0  # seconds pass before it tells another value
    assert source.read() == {ID: 12.5}


def test_two_batteries_that_discharge_in_turn_are_summed(tmp_path: Path) -> None:
    battery(tmp_path)
    battery(tmp_path, "BAT1", power_now=0)
    source = opened(tmp_path)

    assert source.read() == {ID: 12.5}

    battery(tmp_path, power_now=0)
    battery(tmp_path, "BAT1", power_now=9_000_000)

    assert source.read() == {ID: 9.0}


def test_a_battery_that_counts_charge_gives_current_times_voltage(tmp_path: Path) -> None:
    meters.supply(tmp_path, "BAT0", {**FULL, "current_now": 1_500_000, "voltage_now": 12_000_000})

    assert opened(tmp_path).read() == {ID: 18.0}


@pytest.mark.parametrize(
    "values", [{"power_now": -18_000_000}, {"current_now": -1_500_000, "voltage_now": 12_000_000}]
)
def test_a_discharge_with_a_negative_sign_is_a_discharge(values: dict[str, int], tmp_path: Path) -> None:
    meters.supply(tmp_path, "BAT0", {**FULL, **values})

    assert opened(tmp_path).read() == {ID: 18.0}


def test_the_battery_of_a_mouse_is_not_the_machines(tmp_path: Path) -> None:
    battery(tmp_path)
    battery(tmp_path, "hidpp_battery_0", scope="Device", status="Charging", power_now=1_000_000)

    assert opened(tmp_path).read() == {ID: 12.5}


def test_an_empty_bay_is_no_battery(tmp_path: Path) -> None:
    battery(tmp_path)
    battery(tmp_path, "BAT1", present=0, status="Unknown")

    assert opened(tmp_path).read() == {ID: 12.5}


def test_a_battery_may_have_any_name(tmp_path: Path) -> None:
    battery(tmp_path, "macsmc-battery")

    assert opened(tmp_path).read() == {ID: 12.5}


# ---- not on battery alone --------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown", ""])
def test_a_battery_that_does_not_discharge_meters_nothing(status: str, tmp_path: Path) -> None:
    battery(tmp_path)
    battery(tmp_path, "BAT1", status=status)
    absence = refused(tmp_path)

    assert absence.expected
    assert "unplug" in str(absence.fix)


@pytest.mark.parametrize(
    ("name", "kind", "online"),
    [
        ("AC", "Mains", 1),
        ("ucsi-source-psy-1", "USB", 1),
        ("ucsi-source-psy-1", "USB", 2),
        ("pad", "Wireless", 1),
    ],
)
def test_a_battery_that_discharges_beside_a_charger_meters_nothing(
    name: str, kind: str, online: int, tmp_path: Path
) -> None:
    battery(tmp_path)
    charger(tmp_path, online, name, kind)

    assert refused(tmp_path).expected


def test_a_charger_that_is_plugged_in_during_the_run_ends_the_readings_until_it_is_pulled(
    tmp_path: Path,
) -> None:
    battery(tmp_path)
    charger(tmp_path, 0)
    source = opened(tmp_path)
    charger(tmp_path, 1)

    assert source.read() == {}

    charger(tmp_path, 0)

    assert source.read() == {ID: 12.5}


def test_a_charger_whose_state_cannot_be_read_may_be_plugged_in(tmp_path: Path) -> None:
    battery(tmp_path)
    online = charger(tmp_path, 0) / "online"
    source = opened(tmp_path)
    meters.break_reads(online)

    assert source.read() == {}


# ---- readings that fail ----------------------------------------------------------------------------


def test_a_power_that_cannot_be_read_is_left_out_and_comes_back(tmp_path: Path) -> None:
    power = battery(tmp_path) / "power_now"
    source = opened(tmp_path)
    meters.break_reads(power)

    assert source.read() == {}

    meters.mend(power)

    assert source.read() == {ID: 12.5}


def test_half_of_two_batteries_is_no_reading(tmp_path: Path) -> None:
    battery(tmp_path)
    power = battery(tmp_path, "BAT1") / "power_now"
    source = opened(tmp_path)
    meters.break_reads(power)

    assert source.read() == {}


@pytest.mark.parametrize("microwatts", [0, 70_000_000_000])
def test_a_machine_draws_more_than_nothing_and_less_than_a_street(microwatts: int, tmp_path: Path) -> None:
    battery(tmp_path)
    source = opened(tmp_path)
    battery(tmp_path, power_now=microwatts)

    assert source.read() == {}


def test_closing_twice_is_no_trouble(tmp_path: Path) -> None:
    battery(tmp_path)
    source = opened(tmp_path)
    source.close()
    source.close()


# ---- nothing to read -------------------------------------------------------------------------------


def test_a_machine_without_a_battery_lacks_nothing(tmp_path: Path) -> None:
    charger(tmp_path, 1)
    absence = refused(tmp_path)

    assert absence.expected
    assert "no battery" in absence.reason


def test_a_battery_that_tells_only_how_full_it_is_is_of_no_use(tmp_path: Path) -> None:
    meters.supply(tmp_path, "BAT0", {**FULL, "capacity": 80})

    assert "power" in refused(tmp_path).reason


# ---- a live /sys -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("live_sysfs")
def test_the_battery_of_a_live_machine_follows_its_load(tmp_path: Path) -> None:
    supplies: dict[str, dict[str, Attribute]] = {
        "BAT0": {"type": "Battery", "status": "Discharging", "power_now": meters.swinging(8, 20)},
        "AC": {"type": "Mains", "online": "0"},
    }
    seen = meters.live(SOURCE, Scenario({}, power_supply=supplies), tmp_path, 2)

    assert sorted(each[ID] for each in seen) == [8.0, 20.0]
