"""RAPL by the processor's registers: the right unit for every model, every package once, wraps undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from energywrap import config, energy, plan
from energywrap.errors import Unavailable
from energywrap.model import Channel, Component, Kind, Tally
from energywrap.sources import msr, topology
from energywrap.sources.msr import INTEL_DRAM, INTEL_PACKAGE, INTEL_PLATFORM, INTEL_UNIT, Msr, open_msr
from energywrap.sources.topology import Processor
from fakes import perf
from fakes.opened import Opened
from fakes.perf import Machine
from fakes.scenario import Scenario, Zone
from fakes.tree import write_tree

OPENER = "energywrap.sources.msr:open_msr"
NOBODY = 65534
UNITS = 0xA0E03  # what most Intel processors have in 0x606: power 2^-3 W, energy 2^-14 J, time 2^-10 s
UNIT_J = 2.0**-14
CLIENT, SERVER, SAPPHIRE = ("GenuineIntel", 6, 0x9E), ("GenuineIntel", 6, 0x6A), ("GenuineIntel", 6, 0x8F)
ROME = ("AuthenticAMD", 0x17, 0x31)
AMD_UNITS = 0xA1003  # 2^-16 J
MICROJOULE = 1e-6

Open: TypeAlias = Callable[..., Opened]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim, without which a register cannot fail."""
    library = perf.build(tmp_path_factory.mktemp("perf"))
    if library is None:
        pytest.skip("no C compiler, or not Linux")
    return library


@pytest.fixture
def machine(open_folder: Path) -> Machine:
    """A server with two CPUs in one package; its registers are for the test to fill."""
    found = Machine(open_folder)
    found.processor(*SERVER)
    found.cpu(0, 0, mates="0-1")
    found.cpu(1, 0, mates="0-1")
    return found


@pytest.fixture
def opened(machine: Machine, shim: Path) -> Iterator[Open]:
    """Opens the source behind the shim; its processes end with the test."""
    with ExitStack() as stack:

        def start(user: int | None = None) -> Opened:
            places = {"dev_root": str(machine.dev), "cpuinfo": str(machine.cpuinfo)}
            return stack.enter_context(Opened(OPENER, machine.sys, places, machine.env(shim), user))

        yield start


def here(machine: Machine) -> Msr:
    """The source on plain files."""
    settings = config.resolve({"sysfs_root": str(machine.sys)}, {}, "/")
    return open_msr(settings, dev_root=str(machine.dev), cpuinfo=str(machine.cpuinfo))


def refused(machine: Machine) -> Unavailable:
    """Why the source cannot be opened."""
    with pytest.raises(Unavailable) as caught:
        here(machine)
    return caught.value


def channel(source: Msr, name: str) -> Channel:
    """A channel by its id."""
    return next(found for found in source.channels if found.id == name)


def folded(counter: Channel, values: Sequence[float], seconds: float) -> Tally:
    """Readings so many seconds apart, added up as in a run."""
    tally = Tally()
    for step, value in enumerate(values):
        tally = energy.add(tally, value, counter, energy.Moment(step * seconds), 3 * seconds)
    return tally


def units_j(vendor: str, family: int, model: int, exponent: int = 14) -> dict[str, float]:
    """J per unit of each part of a processor."""
    return {
        register.part: register.unit_j for register in msr.layout(Processor(vendor, family, model), exponent)
    }


# ---- units -----------------------------------------------------------------------------------------


def test_package_and_memory_come_in_joules(machine: Machine) -> None:
    machine.processor(*CLIENT)
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 3 << 14, INTEL_DRAM: 1 << 13})
    source = here(machine)

    assert source.read() == {"msr:package-0": 3, "msr:dram-0": 0.5}
    assert channel(source, "msr:package-0").component == Component.CPU
    assert channel(source, "msr:dram-0").component == Component.RAM
    assert {found.kind for found in source.channels} == {Kind.COUNTER}
    source.close()


@pytest.mark.parametrize("exponent", [3, 10, 14, 16, 18])
def test_the_unit_is_what_the_processor_says(exponent: int, machine: Machine) -> None:
    machine.processor(*CLIENT)
    machine.plain_registers(0, {INTEL_UNIT: 0xA0003 | exponent << 8, INTEL_PACKAGE: 1000})
    source = here(machine)

    assert source.read()["msr:package-0"] == 1000 / 2**exponent
    source.close()


@pytest.mark.parametrize(
    "model",
    [0x3F, 0x4F, 0x56, 0x55, 0x6A, 0x6C, 0x57, 0x85],
    ids=["hsx", "bdx", "bdx-d", "skx", "icx", "icx-d", "knl", "knm"],
)
def test_memory_of_older_servers_counts_in_a_unit_of_its_own(model: int) -> None:
    units = units_j("GenuineIntel", 6, model)

    assert units["dram"] == pytest.approx(15.3 * MICROJOULE)
    assert units["package"] == UNIT_J


@pytest.mark.parametrize(
    "model", [0x8F, 0xCF, 0x9E, 0x97, 0x2D, 0x3E], ids=["spr", "emr", "kbl", "adl", "snb-ep", "ivb-ep"]
)
def test_memory_of_all_others_counts_in_the_usual_unit(model: int) -> None:
    assert units_j("GenuineIntel", 6, model)["dram"] == UNIT_J


@pytest.mark.parametrize(
    ("model", "unit_j"), [(0x8F, 1.0), (0xCF, 1.0), (0xAD, 1.0), (0x9E, UNIT_J), (0x6A, UNIT_J)]
)
def test_the_platform_of_sapphire_rapids_counts_in_whole_joules(model: int, unit_j: float) -> None:
    assert units_j("GenuineIntel", 6, model)["platform"] == unit_j


@pytest.mark.parametrize("model", [0x37, 0x4A, 0x4C, 0x5A], ids=["slm", "slm-mid", "amt", "amt-mid"])
def test_silvermont_and_airmont_say_microjoules_and_know_their_package_only(model: int) -> None:
    assert units_j("GenuineIntel", 6, model, 5) == {"package": pytest.approx(32 * MICROJOULE)}


def test_a_model_number_means_something_within_its_family_only() -> None:
    assert units_j("GenuineIntel", 19, 0x6A)["dram"] == UNIT_J


@pytest.mark.parametrize("vendor", ["AuthenticAMD", "HygonGenuine"])
def test_amd_counts_the_package_and_no_memory(vendor: str, machine: Machine) -> None:
    machine.processor(vendor, *ROME[1:])
    machine.plain_registers(0, {msr.AMD_UNIT: AMD_UNITS, msr.AMD_PACKAGE: 5 << 16})
    source = here(machine)

    assert source.read() == {"msr:package-0": 5}
    assert channel(source, "msr:package-0").wrap_j == 65536  # every 164 s at 400 W
    source.close()


# ---- 32 bits ---------------------------------------------------------------------------------------


def test_only_the_low_half_of_a_register_counts(machine: Machine) -> None:
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 0xDEADBEEF_00004000})
    source = here(machine)

    assert source.read() == {"msr:package-0": 1}
    source.close()


def test_a_counter_that_wraps_around_loses_nothing(machine: Machine) -> None:
    source = readings(machine, [0xFFFF_0000, 0x4000])

    assert folded(source[0], source[1], 1).joules == 5  # 65536 units of 2^-14 J before, 16384 after
    assert folded(source[0], source[1], 1).wraps == 1


def test_a_counter_that_restarts_is_not_taken_for_one_that_wraps(machine: Machine) -> None:
    package, values = readings(machine, [0x8000_0000, 0x4000])
    tally = folded(package, values, 1)

    assert tally.joules == 1
    assert (tally.wraps, tally.resets) == (0, 1)


def readings(machine: Machine, raws: Sequence[int]) -> tuple[Channel, list[float]]:
    """The package's channel, and its readings as its register takes these values."""
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: raws[0]})
    source = here(machine)
    values = []
    for raw in raws:
        machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: raw})
        values.append(source.read()["msr:package-0"])
    source.close()
    return channel(source, "msr:package-0"), values


# ---- packages --------------------------------------------------------------------------------------


def test_every_package_is_asked_on_one_of_its_cpus(machine: Machine) -> None:
    machine.cpu(2, 1, mates="2-3")
    machine.cpu(3, 1, mates="2-3")
    for cpu in (0, 2):  # the others have no device: to open them would fail
        machine.plain_registers(cpu, {INTEL_UNIT: UNITS, INTEL_PACKAGE: (cpu + 1) << 14})
    source = here(machine)

    assert source.read() == {"msr:package-0": 1, "msr:package-1": 3}
    assert [gap.what for gap in source.skipped if not gap.expected] == []
    source.close()


def test_the_dies_of_an_intel_package_count_for_themselves(machine: Machine) -> None:
    machine.cpu(2, 0, 1, mates="2")
    for cpu in (0, 2):
        machine.plain_registers(cpu, {INTEL_UNIT: UNITS, INTEL_PACKAGE: (cpu + 1) << 14})
    source = here(machine)

    assert source.read() == {"msr:package-0-die-0": 1, "msr:package-0-die-1": 3}
    source.close()


def test_the_dies_of_an_amd_package_show_one_counter_which_is_read_once(machine: Machine) -> None:
    machine.processor(*ROME)
    machine.cpu(2, 0, 1, mates="2")
    for cpu in (0, 2):
        machine.plain_registers(cpu, {msr.AMD_UNIT: AMD_UNITS, msr.AMD_PACKAGE: 5 << 16})
    source = here(machine)

    assert source.read() == {"msr:package-0": 5}
    source.close()


def test_a_package_whose_device_is_missing_is_named_beside_the_others(machine: Machine) -> None:
    machine.cpu(2, 1, mates="2")
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14})
    source = here(machine)

    assert source.read() == {"msr:package-0": 1}
    assert [gap.what for gap in source.skipped if not gap.expected] == ["msr package-1"]
    source.close()


def test_older_kernels_list_the_cpus_of_a_package_instead_of_a_die(machine: Machine) -> None:
    for number in range(2, 6):
        machine.cpu(number, 1)
        folder = machine.sys / f"devices/system/cpu/cpu{number}/topology"
        (folder / "core_siblings_list").write_text("2-5\n")

    assert topology.one_per_die(str(machine.sys)) == [0, 2]


def test_without_any_list_every_cpu_is_looked_at_and_every_package_found_once(machine: Machine) -> None:
    machine.cpu(2, 1)
    machine.cpu(3, 1)

    assert topology.one_per_die(str(machine.sys)) == [0, 2, 3]
    assert topology.domains([0, 2, 3], str(machine.sys), str(machine.cpuinfo)) == {"0": 0, "1": 2}


@pytest.mark.parametrize(
    ("words", "numbers"), [("0", [0]), ("0-3,8\n", [0, 1, 2, 3, 8]), ("", []), ("\n", []), ("0,64", [0, 64])]
)
def test_the_kernels_lists_of_cpus_are_understood(words: str, numbers: list[int]) -> None:
    assert topology.cpu_list(words) == numbers


def test_its_devices_are_those_of_powercap_so_that_nothing_is_counted_twice(machine: Machine) -> None:
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14, INTEL_DRAM: 1 << 14})
    source = here(machine)
    rapl = [Channel("rapl:0", Component.CPU, "package-0", "rapl", Kind.COUNTER)]
    chosen = plan.choose([*source.channels, *rapl])

    assert [c.id for c in chosen.choices[0][0][0].channels] == ["rapl:0", "msr:package-0"]
    assert len(chosen.choices[0]) == 1
    source.close()


def test_psys_contains_the_package_and_is_only_a_meter_beside_it(machine: Machine) -> None:
    machine.processor(*SAPPHIRE)
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14, INTEL_PLATFORM: 300})
    source = here(machine)
    chosen = plan.choose(source.channels)

    assert source.read()["msr:platform-0"] == 300
    assert [[c.source for c in leaf.channels] for leaf in chosen.meters] == [["psys msr"]]
    assert plan.family(channel(source, "msr:platform-0")) == "psys"
    source.close()


# ---- a read that fails -----------------------------------------------------------------------------


def test_a_client_without_a_memory_counter_is_a_normal_machine(machine: Machine, opened: Open) -> None:
    machine.processor(*CLIENT)
    machine.registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14})  # EIO for the others
    found = opened()

    assert found.read() == {"msr:package-0": 1}
    assert [(gap["what"], gap["expected"]) for gap in found.answer["skipped"]] == [
        ("msr dram-0", True),
        ("msr platform-0", True),
    ]


def test_a_memory_counter_that_shows_nothing_is_not_zero_joules(machine: Machine, opened: Open) -> None:
    machine.registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14, INTEL_DRAM: 0})

    assert opened().read() == {"msr:package-0": 1}


def test_a_register_that_cannot_be_read_is_left_out_not_zero_and_comes_back(
    machine: Machine, opened: Open
) -> None:
    machine.processor(*CLIENT)
    both = {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14, INTEL_DRAM: 2 << 14}
    machine.registers(0, both)
    found = opened()
    machine.registers(0, {INTEL_UNIT: UNITS, INTEL_DRAM: 2 << 14})

    assert found.read() == {"msr:dram-0": 2}

    machine.registers(0, both)

    assert found.read() == {"msr:package-0": 1, "msr:dram-0": 2}


# ---- nothing to read -------------------------------------------------------------------------------


def test_registers_of_root_are_named_with_a_better_way(machine: Machine, opened: Open) -> None:
    machine.registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14})
    (machine.dev / "cpu/0/msr").chmod(0)
    answer = opened(NOBODY).answer

    assert "root" in answer["reason"]
    assert "intel_rapl_msr" in answer["fix"]
    assert "setcap" not in answer["fix"]  # on an interpreter it would open every register to every program
    assert not answer["expected"]


def test_nothing_is_missing_where_powercap_shows_the_same(machine: Machine, opened: Open) -> None:
    write_tree(machine.sys, Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 50]], mode=0o444)}}))
    machine.registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14})
    (machine.dev / "cpu/0/msr").chmod(0)

    assert opened(NOBODY).answer["expected"]


def test_no_register_devices_are_expected_and_say_what_would_help(machine: Machine) -> None:
    absence = refused(machine)

    assert absence.expected
    assert absence.fix == msr.MODULE_FIX


@pytest.mark.parametrize(
    "values",
    [{}, {INTEL_UNIT: UNITS}, {INTEL_UNIT: 0, INTEL_PACKAGE: 0}, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 0}],
)
def test_a_virtual_machine_that_answers_nothing_or_zero_has_no_counter(
    values: dict[int, int], machine: Machine, opened: Open
) -> None:
    machine.registers(0, values)
    answer = opened().answer

    assert answer["expected"]
    assert "virtual machine" in answer["reason"]


@pytest.mark.parametrize(
    ("vendor", "family", "model"), [("", 0, 0), ("CentaurHauls", 7, 1), ("AuthenticAMD", 0x15, 2)]
)
def test_other_processors_are_left_alone(vendor: str, family: int, model: int, machine: Machine) -> None:
    machine.processor(vendor, family, model)
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14})

    assert refused(machine).expected


@pytest.mark.parametrize("text", [None, "", "Hardware : BCM2835\n", "cpu family : six\nmodel : x\n"])
def test_a_processor_that_is_not_told_is_left_alone(text: str | None, machine: Machine) -> None:
    machine.cpuinfo.unlink()
    if text is not None:
        machine.cpuinfo.write_text(text)

    assert topology.processor(str(machine.cpuinfo)) == Processor("", 0, 0)
    assert refused(machine).expected


def test_a_machine_that_does_not_place_its_cpus_is_unavailable(machine: Machine) -> None:
    for number in (0, 1):
        (machine.sys / f"devices/system/cpu/cpu{number}/topology/physical_package_id").unlink()

    assert "package" in refused(machine).reason


def test_closing_twice_is_no_trouble_and_a_closed_source_reads_nothing(machine: Machine) -> None:
    machine.plain_registers(0, {INTEL_UNIT: UNITS, INTEL_PACKAGE: 1 << 14})
    source = here(machine)
    source.close()
    source.close()

    assert source.read() == {}
