"""Cray nodes: counters of one scan, the node's own beside those of its parts, only what is in joules."""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

import pytest

from energywrap import balance, energy, plan
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind, Tally
from energywrap.sources.cray import Cray, open_cray
from fakes import meters

STAMP_US = 1_700_061_210_920_464
NODE_J = {"energy": 1000, "cpu_energy": 300, "memory_energy": 80}


def node(root: Path, joules: dict[str, int] | None = None, **more: str | int) -> Path:
    """A node's pm_counters; `more` replaces or adds files."""
    counters = {**NODE_J, **{f"accel{card}_energy": 100 + card for card in range(4)}}
    files: dict[str, str | int] = {
        name: f"{value} J {STAMP_US} us" for name, value in (joules or counters).items()
    }
    files |= {name.replace("energy", "power"): f"250 W {STAMP_US} us" for name in files}
    files |= {"freshness": 41, "generation": 7, "raw_scan_hz": 10, "startup": STAMP_US, "version": 3}
    files |= {"power_cap": f"0 W {STAMP_US} us", "accel0_power_cap": f"0 W {STAMP_US} us"}
    return meters.put(root / "cray/pm_counters", {**files, **more})


def opened(root: Path) -> Cray:
    """The counters of a tree."""
    return open_cray(meters.settings(root))


def refused(root: Path) -> Unavailable:
    """Why there are none."""
    with pytest.raises(Unavailable) as caught:
        opened(root)
    return caught.value


# ---- what is found ---------------------------------------------------------------------------------


def test_a_node_has_its_own_counter_and_those_of_its_parts(tmp_path: Path) -> None:
    node(tmp_path)
    source = opened(tmp_path)

    assert {(c.component, c.device) for c in source.channels} == {
        (Component.MACHINE, "machine"),
        (Component.CPU, "all packages"),
        (Component.RAM, "all memory"),
        *((Component.GPU, f"accel{card}") for card in range(4)),
    }
    assert {(c.kind, plan.family(c), c.tick_s) for c in source.channels} == {(Kind.COUNTER, "cray", 0.1)}
    assert source.read()["cray:energy"] == 1000.0
    assert source.read()["cray:accel3_energy"] == 103.0


def test_the_node_is_not_added_to_what_it_contains(tmp_path: Path) -> None:
    folder = node(tmp_path)
    source = opened(tmp_path)
    tallies = {channel.id: Tally() for channel in source.channels}
    for second in range(3):
        for name, watts in (("energy", 400), ("cpu_energy", 150), ("memory_energy", 50)):
            meters.put(folder, {name: f"{NODE_J[name] + watts * second} J {STAMP_US} us"})
        values = source.read()
        for each in source.channels:
            moment = energy.Moment(float(second))
            tallies[each.id] = energy.add(tallies[each.id], values[each.id], each, moment, 3)
    found = balance.total(plan.choose(source.channels), tallies, 2)

    assert {part.component: part.energy_j for part in found.components} == {
        "cpu": 300,
        "ram": 100,
        "rest": 400,
    }
    assert found.meter is not None
    assert found.meter.energy_j == 800


def test_powers_caps_and_stamps_are_no_counters(tmp_path: Path) -> None:
    node(tmp_path)

    assert {channel.id.partition(":")[2] for channel in opened(tmp_path).channels} == {
        *NODE_J,
        *(f"accel{card}_energy" for card in range(4)),
    }


def test_the_only_accelerator_of_an_older_node_has_no_number(tmp_path: Path) -> None:
    node(tmp_path, {"energy": 900, "accel_energy": 200})

    assert [c.device for c in opened(tmp_path).channels if c.component == Component.GPU] == ["accel"]


def test_the_sum_of_the_accelerators_is_not_added_to_them(tmp_path: Path) -> None:
    node(tmp_path, {"energy": 900, "accel_energy": 400, "accel0_energy": 200, "accel1_energy": 200})
    gpus = [c.device for c in opened(tmp_path).channels if c.component == Component.GPU]

    assert gpus == ["accel0", "accel1"]


@pytest.mark.parametrize(("scans", "tick_s"), [("5", 0.2), ("0", 0.1), ("", 0.1)])
def test_the_node_tells_how_often_it_measures(scans: str, tick_s: float, tmp_path: Path) -> None:
    node(tmp_path, raw_scan_hz=scans)

    assert opened(tmp_path).channels[0].tick_s == tick_s


# ---- readings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "garbage", "12 W 17 us", "nan J 17 us", "-3 J 17 us", "1.5e9 kJ"])
def test_what_is_not_in_joules_is_left_out_not_zero(text: str, tmp_path: Path) -> None:
    folder = node(tmp_path)
    source = opened(tmp_path)
    meters.put(folder, {"cpu_energy": text})
    values = source.read()

    assert "cray:cpu_energy" not in values
    assert values["cray:energy"] == 1000.0


def test_a_counter_that_cannot_be_read_is_left_out_and_comes_back(tmp_path: Path) -> None:
    folder = node(tmp_path)
    source = opened(tmp_path)
    meters.break_reads(folder / "energy")

    assert "cray:energy" not in source.read()

    meters.mend(folder / "energy")

    assert source.read()["cray:energy"] == 1000.0


def test_counters_without_units_and_stamps_are_read_all_the_same(tmp_path: Path) -> None:
    node(tmp_path, energy=4321)

    assert opened(tmp_path).read()["cray:energy"] == 4321.0


def test_a_node_without_freshness_is_read_once(tmp_path: Path) -> None:
    folder = node(tmp_path)
    (folder / "freshness").unlink()

    assert len(opened(tmp_path).read()) == 7


def test_a_scan_in_the_middle_of_a_reading_has_it_read_again(tmp_path: Path) -> None:
    folder = node(tmp_path)
    source = opened(tmp_path)
    pipe = folder / "freshness"
    pipe.unlink()
    os.mkfifo(pipe)  # so that the controller's scan comes exactly between the two looks at it

    def scan() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(b"41\n")
            closed = select.poll()
            closed.register(file, 0)
            closed.poll(30_000)  # until the first look is over
        with pipe.open("wb", buffering=0) as file:  # opens when the first sweep is over
            meters.put(folder, {name: f"{value + 25} J {STAMP_US} us" for name, value in NODE_J.items()})
            file.write(b"42\n")

    controller = threading.Thread(target=scan, daemon=True)
    controller.start()
    values = source.read()
    controller.join()

    assert {name: values[f"cray:{name}"] - value for name, value in NODE_J.items()} == dict.fromkeys(
        NODE_J, 25
    )


def test_a_changed_power_cap_is_noted_once(tmp_path: Path) -> None:
    folder = node(tmp_path)
    source = opened(tmp_path)
    source.read()

    assert source.warnings == []

    meters.put(folder, {"generation": 8})
    source.read()
    source.read()

    assert len(source.warnings) == 1
    assert "power cap" in source.warnings[0]


def test_closing_twice_is_no_trouble(tmp_path: Path) -> None:
    node(tmp_path)
    source = opened(tmp_path)
    source.close()
    source.close()


# ---- nothing to read -------------------------------------------------------------------------------


def test_other_machines_lack_nothing(tmp_path: Path) -> None:
    assert refused(tmp_path).expected


def test_a_node_without_energy_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    meters.put(tmp_path / "cray/pm_counters", {"power": "250 W 17 us", "freshness": 1})
    absence = refused(tmp_path)

    assert not absence.expected
    assert "energy counter" in absence.reason
