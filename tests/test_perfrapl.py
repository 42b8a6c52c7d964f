"""RAPL through performance counters: each package once, in joules, and never more than was counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pytest

from energywrap import config, energy, plan, syscalls
from energywrap.errors import Unavailable
from energywrap.model import Channel, Component, Kind, Tally
from energywrap.sources import perfrapl
from energywrap.sources.perfrapl import open_perf
from energywrap.sources.rapl import open_rapl
from fakes import perf
from fakes.opened import Opened
from fakes.perf import Machine
from fakes.powercap import SCENARIOS
from fakes.scenario import load
from fakes.tree import write_tree

OPENER = "energywrap.sources.perfrapl:open_perf"
NOBODY = 65534
EIO = 5
INTEL_SERVER = ("GenuineIntel", 6, 0x8F)
HALF_RANGE_J = 32768.0  # half of 2^32 units of 2^-16 J

Open: TypeAlias = Callable[..., Opened]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    library = perf.build(tmp_path_factory.mktemp("perf"))
    if library is None:
        pytest.skip("no C compiler, or not Linux")
    return library


@pytest.fixture
def machine(open_folder: Path) -> Machine:
    """A machine with two CPUs in one package; its PMU is for the test to show."""
    found = Machine(open_folder)
    found.processor(*INTEL_SERVER)
    found.cpu(0, 0)
    found.cpu(1, 0)
    return found


@pytest.fixture
def opened(machine: Machine, shim: Path) -> Iterator[Open]:
    """Opens the source on the machine; its processes end with the test."""
    with ExitStack() as stack:

        def start(user: int | None = None) -> Opened:
            places = {"paranoid": str(machine.paranoid), "cpuinfo": str(machine.cpuinfo)}
            found = Opened(OPENER, machine.sys, places, machine.env(shim), user)
            return stack.enter_context(found)

        yield start


def refused(machine: Machine) -> Unavailable:
    """Why the source cannot be opened without the shim."""
    settings = config.resolve({"sysfs_root": str(machine.sys)}, {}, "/")
    with pytest.raises(Unavailable) as caught:
        open_perf(settings, paranoid=str(machine.paranoid), cpuinfo=str(machine.cpuinfo))
    return caught.value


def channels(found: Opened) -> dict[str, Channel]:
    """The channels by their ids."""
    return {told["id"]: Channel(**{**told, "covers": ()}) for told in found.answer["channels"]}


def skipped(found: Opened) -> dict[str, tuple[str, bool]]:
    """Why each part does not speak, and whether that is expected."""
    return {gap["what"]: (gap["why"], gap["expected"]) for gap in found.answer["skipped"]}


def one_package(machine: Machine, joules: float = 0) -> None:
    """A single package counter."""
    machine.pmu("0", "energy-pkg")
    machine.count(0, "energy-pkg", joules)


def folded(channel: Channel, values: list[float], seconds: float) -> Tally:
    """Readings so many seconds apart, added up as in a run."""
    tally = Tally()
    for step, value in enumerate(values):
        tally = energy.add(tally, value, channel, energy.Moment(step * seconds), 3 * seconds)
    return tally


def timed(found: Opened) -> tuple[float, float, float]:
    """The package's J, and the moments before and after they were read."""
    before_s = time.monotonic()
    joules = found.read()["perf:package-0"]
    return joules, before_s, time.monotonic()


# ---- what is found ---------------------------------------------------------------------------------


def test_package_and_memory_are_counted_in_joules(machine: Machine, opened: Open) -> None:
    machine.pmu("0", "energy-pkg", "energy-ram")
    machine.count(0, "energy-pkg", 12.5)
    machine.count(0, "energy-ram", 3.25)
    found = opened()

    assert found.read() == {"perf:package-0": 12.5, "perf:dram-0": 3.25}
    by_id = channels(found)
    assert (by_id["perf:package-0"].component, by_id["perf:package-0"].device) == (Component.CPU, "package-0")
    assert (by_id["perf:dram-0"].component, by_id["perf:dram-0"].device) == (Component.RAM, "dram-0")
    assert {c.kind for c in by_id.values()} == {Kind.COUNTER}


def test_cores_and_graphics_are_inside_the_package_and_not_read(machine: Machine, opened: Open) -> None:
    machine.pmu("0", "energy-pkg", "energy-cores", "energy-gpu")
    for name in ("energy-pkg", "energy-cores", "energy-gpu"):
        machine.count(0, name, 1)
    found = opened()

    assert found.read().keys() == {"perf:package-0"}
    assert {what: expected for what, (_, expected) in skipped(found).items()} == {
        "perf energy-cores": True,
        "perf energy-gpu": True,
    }


def test_the_counters_of_single_amd_cores_are_named_and_not_added(machine: Machine, opened: Open) -> None:
    one_package(machine)
    (machine.sys / "bus/event_source/devices/power_core").mkdir()
    found = opened()

    assert channels(found).keys() == {"perf:package-0"}
    why, expected = skipped(found)["perf power_core"]
    assert "package" in why
    assert expected


def test_psys_contains_the_package_and_is_only_a_meter_beside_it(machine: Machine, opened: Open) -> None:
    machine.pmu("0", "energy-pkg", "energy-psys")
    machine.count(0, "energy-pkg", 1)
    machine.count(0, "energy-psys", 2)
    chosen = plan.choose(channels(opened()).values())

    assert [[c.id for c in leaf.channels] for leaf in chosen.meters] == [["perf:platform-0"]]
    assert [leaf.device for options in chosen.choices for leaves in options for leaf in leaves] == [
        "package-0"
    ]
    assert plan.family(chosen.meters[0].channels[0]) == "psys"


def test_two_sockets_are_each_asked_on_their_own_cpu(machine: Machine, opened: Open) -> None:
    machine.cpu(64, 1)
    machine.pmu("0,64", "energy-pkg", "energy-ram")
    for cpu in (0, 64):
        machine.count(cpu, "energy-pkg", 10 + cpu)
        machine.count(cpu, "energy-ram", 1 + cpu)
    found = opened()

    assert found.read() == {
        "perf:package-0": 10,
        "perf:package-1": 74,
        "perf:dram-0": 1,
        "perf:dram-1": 65,
    }


def test_packages_are_named_by_the_kernel_not_by_their_order(machine: Machine, opened: Open) -> None:
    machine.cpu(2, 3)
    machine.pmu("2,1", "energy-pkg")
    machine.count(1, "energy-pkg", 1)
    machine.count(2, "energy-pkg", 2)

    assert opened().read() == {"perf:package-3": 2, "perf:package-0": 1}


def test_the_dies_of_an_intel_package_count_for_themselves(machine: Machine, opened: Open) -> None:
    machine.cpu(2, 0, 1)
    machine.pmu("0,2", "energy-pkg")
    machine.count(0, "energy-pkg", 1)
    machine.count(2, "energy-pkg", 2)

    assert opened().read() == {"perf:package-0-die-0": 1, "perf:package-0-die-1": 2}


def test_the_dies_of_an_amd_package_mirror_its_counter_and_are_asked_once(
    machine: Machine, opened: Open
) -> None:
    machine.processor("AuthenticAMD", 0x17, 1)
    machine.cpu(2, 0, 1)
    machine.pmu("0,2", "energy-pkg")
    machine.count(0, "energy-pkg", 68)
    machine.count(2, "energy-pkg", 68)

    assert opened().read() == {"perf:package-0": 68}


def test_its_devices_are_those_of_powercap_so_that_nothing_is_counted_twice(
    machine: Machine, opened: Open
) -> None:
    machine.cpu(2, 1)
    machine.pmu("0,2", "energy-pkg", "energy-ram")
    for cpu in (0, 2):
        machine.count(cpu, "energy-pkg", 1)
        machine.count(cpu, "energy-ram", 1)
    write_tree(machine.sys, load((SCENARIOS / "xeon2.json").read_text()))
    rapl = open_rapl(config.resolve({"sysfs_root": str(machine.sys)}, {}, "/"))
    chosen = plan.choose([*channels(opened()).values(), *rapl.channels])

    leaves = [leaf for options in chosen.choices for alternative in options for leaf in alternative]
    assert [leaf.device for leaf in leaves] == ["package-0", "package-1", "dram-0", "dram-1"]
    assert {tuple(c.source for c in leaf.channels) for leaf in leaves} == {("rapl", "perf")}


def test_the_scale_is_the_kernels_own(machine: Machine, opened: Open) -> None:
    machine.pmu("0", "energy-pkg", scale="1.0e-9")
    machine.count(0, "energy-pkg", 1)

    assert opened().read() == {"perf:package-0": pytest.approx(perf.UNITS_PER_J * 1e-9)}


@pytest.mark.parametrize(
    ("unit", "scale"), [("mJ", perf.SCALE), ("", perf.SCALE), ("Joules", "nan"), ("Joules", "0")]
)
def test_an_event_in_another_unit_is_refused_not_guessed(
    unit: str, scale: str, machine: Machine, opened: Open
) -> None:
    machine.pmu("0", "energy-pkg", "energy-ram")
    machine.count(0, "energy-pkg", 1)
    machine.count(0, "energy-ram", 1)
    events = machine.sys / "bus/event_source/devices/power/events"
    (events / "energy-ram.unit").write_text(unit)
    (events / "energy-ram.scale").write_text(scale)
    found = opened()

    assert found.read().keys() == {"perf:package-0"}
    assert not skipped(found)["perf energy-ram"][1]


# ---- counting --------------------------------------------------------------------------------------


def test_a_live_counter_follows_its_watts(machine: Machine, opened: Open) -> None:
    machine.pmu("0", "energy-pkg")
    machine.count(0, "energy-pkg", 0, watts=100, epoch=time.monotonic())
    found = opened()
    first, earliest_s, latest_s = timed(found)
    while time.monotonic() < latest_s + 0.1:
        pass
    last, from_s, to_s = timed(found)

    assert 100 * (from_s - latest_s) <= last - first <= 100 * (to_s - earliest_s)


def test_a_counter_may_pass_what_32_bits_hold(machine: Machine, opened: Open) -> None:
    one_package(machine, 100)
    found = opened()
    values = []
    for joules in (100, 70_000, 263_000):
        machine.count(0, "energy-pkg", joules)
        values.append(found.read()["perf:package-0"])
    package = channels(found)["perf:package-0"]

    assert package.wrap_j is None
    assert folded(package, values, 300).joules == pytest.approx(262_900)


def test_a_step_that_the_kernel_took_for_negative_is_a_restart_and_no_energy(
    machine: Machine, opened: Open
) -> None:
    """A step of 40 kJ, more than half of the hardware's range, arrives as -25.5 kJ."""
    one_package(machine, 100_000)
    found = opened()
    steps = [100_000, 101_000, 101_000 + 40_000 - 2 * HALF_RANGE_J, 76_464]
    values = []
    for joules in steps:
        machine.count(0, "energy-pkg", joules)
        values.append(found.read()["perf:package-0"])
    tally = folded(channels(found)["perf:package-0"], values, 60)

    assert tally.joules == pytest.approx(1_000 + 76_464 - 75_464)
    assert (tally.wraps, tally.resets) == (0, 1)
    assert tally.covered_s == 120


def test_a_count_below_zero_is_never_a_huge_one(machine: Machine, opened: Open) -> None:
    one_package(machine, 10)
    found = opened()
    values = []
    for joules in (10, -30_000, -29_900):
        machine.count(0, "energy-pkg", joules)
        values.append(found.read()["perf:package-0"])

    assert values == [10, 0, 100]
    assert all(after - before <= 100 for before, after in pairwise(values))


@pytest.mark.parametrize("number", [EIO, None], ids=["error", "no bytes"])
def test_an_event_that_cannot_be_read_is_left_out_not_zero_and_comes_back(
    number: int | None, machine: Machine, opened: Open
) -> None:
    machine.pmu("0", "energy-pkg", "energy-ram")
    machine.count(0, "energy-pkg", 5)
    machine.count(0, "energy-ram", 2)
    found = opened()
    machine.fail(0, "energy-pkg", number)

    assert found.read() == {"perf:dram-0": 2}

    machine.count(0, "energy-pkg", 6)

    assert found.read() == {"perf:dram-0": 2, "perf:package-0": 6}


def test_an_event_that_cannot_be_opened_leaves_the_others(machine: Machine, opened: Open) -> None:
    machine.pmu("0", "energy-pkg", "energy-ram")
    machine.count(0, "energy-pkg", 5)
    found = opened()

    assert found.read() == {"perf:package-0": 5}
    assert "perf dram-0" in skipped(found)


def test_the_real_kernel_opens_such_an_event_and_counts_it(machine: Machine) -> None:
    """Its CPU clock, in ns on every CPU, stands in for energy: 1 W."""
    machine.pmu("0", "energy-pkg", scale="1e-9", kind=1)
    (machine.sys / "bus/event_source/devices/power/events/energy-pkg").write_text("event=0x00\n")
    settings = config.resolve({"sysfs_root": str(machine.sys)}, {}, "/")
    try:
        source = open_perf(settings, cpuinfo=str(machine.cpuinfo))
    except Unavailable as absence:
        pytest.skip(absence.reason)
    start_s = time.monotonic()
    first = source.read()["perf:package-0"]
    while time.monotonic() < start_s + 0.05:
        pass
    last = source.read()["perf:package-0"]
    passed_s = time.monotonic() - start_s
    source.close()
    source.close()

    assert 0.05 * 0.9 <= last - first <= passed_s * 1.1
    assert source.read() == {}


# ---- permission ------------------------------------------------------------------------------------


def test_a_paranoid_kernel_is_named_with_the_line_that_opens_it(machine: Machine, opened: Open) -> None:
    one_package(machine)
    machine.allow(2)
    answer = opened(NOBODY).answer

    assert "perf_event_paranoid is 2" in answer["reason"]
    assert "sysctl kernel.perf_event_paranoid=0" in answer["fix"]
    assert not answer["expected"]


def test_a_refusal_that_paranoid_does_not_explain_is_a_containers(machine: Machine, opened: Open) -> None:
    machine.pmu("0", "energy-pkg")  # no counter behind it: the kernel says no whatever the level
    answer = opened().answer

    assert "container" in answer["reason"]
    assert "PERFMON" in answer["fix"]


def test_nothing_is_missing_where_powercap_shows_the_same(machine: Machine, opened: Open) -> None:
    one_package(machine)
    machine.allow(2)
    tree = write_tree(machine.sys, load((SCENARIOS / "xeon2.json").read_text()))
    tree.path("intel-rapl:0", "energy_uj").chmod(0o444)

    assert opened(NOBODY).answer["expected"]


# ---- nothing to read -------------------------------------------------------------------------------


def test_no_such_counters_are_expected_and_say_what_would_help(machine: Machine) -> None:
    absence = refused(machine)

    assert absence.expected
    assert absence.fix == perfrapl.MODULE_FIX


@pytest.mark.parametrize(("name", "words"), [("type", "many"), ("cpumask", "all"), ("cpumask", "0-")])
def test_a_pmu_that_makes_no_sense_is_unavailable(name: str, words: str, machine: Machine) -> None:
    if not syscalls.LINUX:
        pytest.skip("performance counters need Linux")
    one_package(machine)
    (machine.sys / "bus/event_source/devices/power" / name).write_text(words)

    assert "power" in refused(machine).reason


def test_a_pmu_without_package_or_memory_is_unavailable(machine: Machine) -> None:
    machine.pmu("0", "energy-cores")

    assert refused(machine).reason


def test_a_machine_that_does_not_place_its_cpus_is_unavailable(machine: Machine) -> None:
    machine.pmu("7", "energy-pkg")

    assert refused(machine).reason


def test_finding_and_naming_the_counters_takes_next_to_no_time(machine: Machine) -> None:
    machine.cpu(64, 1)
    machine.pmu("0,64", "energy-pkg", "energy-ram", "energy-psys")
    took_s = []
    for _ in range(20):
        start_s = time.perf_counter()
        refused(machine)
        took_s.append(time.perf_counter() - start_s)

    assert min(took_s) < 0.003  # 0.3 ms on a free machine, settings and all
