"""Who speaks for what: meters of the whole machine, readings that hold several parts, counters that lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import balance, plan
from energywrap.balance import Total
from energywrap.model import Basis, Channel, Component, Kind, Tally
from energywrap.record import replace

SECONDS = 10.0
RAPL = Channel("rapl:0", Component.CPU, "package-0", "rapl", Kind.COUNTER, error=0.02)
PERF = replace(RAPL, id="perf:0", source="perf")
OTHER_NAME = replace(RAPL, id="x:0", device="socket 0", source="powermetrics")
DRAM = replace(RAPL, id="rapl:0:0", component=Component.RAM, device="dram-0")
GPU = replace(RAPL, id="nvml:a:energy", component=Component.GPU, device="gpu-0", source="nvml energy")
GPU_W = replace(GPU, id="nvml:a:power", source="nvml power", kind=Kind.GAUGE)
AMD = replace(GPU, id="amdsmi:b", device="gpu 0000:03:00.0", source="amdsmi energy")
MODULE = replace(GPU, id="nvml:m", source="nvml module energy", covers=(Component.CPU, Component.RAM))
CRAY_GPU = replace(GPU, id="cray:accel0", device="accel0", source="cray")
IPMI = Channel("ipmi:0", Component.MACHINE, "node", "ipmi dcmi", Kind.GAUGE, error=0.05)
PLUG = replace(IPMI, id="plug:0", device="wall", source="plug shelly")
PSYS = replace(RAPL, id="rapl:psys", component=Component.MACHINE, device="psys", source="psys")
CPU_MODEL = replace(RAPL, id="model:cpu", device="cpu", source="model", basis=Basis.MODELLED)
REST_MODEL = replace(CPU_MODEL, id="model:rest", component=Component.REST, device="board")


def tally(joules: float) -> Tally:
    """What a channel adds up to over the run."""
    return Tally(joules=joules, covered_s=SECONDS, readings=11, first=1.0, last=2.0, last_at_s=SECONDS)


def total(joules: dict[Channel, float]) -> Total:
    """The balance of a run in which the channels showed so much."""
    tallies = {channel.id: tally(each) for channel, each in joules.items()}
    return balance.total(plan.choose(joules), tallies, SECONDS)


def energies(found: Total) -> dict[str, float]:
    return {f"{part.component} {part.device}": part.energy_j for part in found.components}


def why(found: Total, source: str) -> str:
    return next(each.why for each in found.spoken if each.source == source)


def test_a_meter_is_not_added_and_what_it_saw_beyond_the_parts_is_the_rest() -> None:
    found = total({RAPL: 500, DRAM: 100, IPMI: 1000})

    assert energies(found) == {"cpu package-0": 500, "ram dram-0": 100, "rest all else": 400}
    assert found.meter is not None
    assert (found.meter.energy_j, found.meter.source) == (1000, "ipmi dcmi")
    assert found.components[-1].basis == Basis.MEASURED


def test_the_rest_beside_modelled_parts_is_modelled_and_the_models_own_rest_is_silent() -> None:
    found = total({CPU_MODEL: 300, REST_MODEL: 200, IPMI: 1000})

    assert energies(found) == {"cpu cpu": 300, "rest all else": 700}
    assert found.components[-1].basis == Basis.MODELLED


def test_the_best_meter_speaks_and_the_others_are_named() -> None:
    found = total({RAPL: 500, PSYS: 700, IPMI: 900, PLUG: 1000})

    assert found.meter is not None
    assert found.meter.source == "plug shelly"
    assert [each.used for each in found.spoken if each.component == Component.MACHINE] == [True, False, False]


def test_a_platform_counter_that_shows_less_than_its_package_is_not_believed() -> None:
    found = total({RAPL: 500, DRAM: 100, PSYS: 550})

    assert found.meter is None
    assert "less than the package" in why(found, "psys")


def test_a_platform_counter_that_holds_package_and_memory_is() -> None:
    found = total({RAPL: 500, DRAM: 100, PSYS: 650})

    assert found.meter is not None
    assert energies(found)["rest all else"] == pytest.approx(50)


def test_a_meter_that_cannot_have_seen_the_machine_is_left_out_with_a_warning() -> None:
    found = total({RAPL: 500, IPMI: 440})

    assert found.meter is None
    assert energies(found) == {"cpu package-0": 500}
    assert any("less than the parts" in warning for warning in found.warnings)


def test_a_meter_a_little_below_its_parts_leaves_nothing_over_and_says_so() -> None:
    found = total({RAPL: 1000, IPMI: 990})

    assert energies(found)["rest all else"] == 0
    assert found.components[-1].high_j > 0
    assert any("a little less" in warning for warning in found.warnings)


@given(cpu=st.floats(1, 1e6), gpu=st.floats(1, 1e6), rest=st.floats(0, 1e6))
def test_parts_and_rest_add_up_to_the_meter(cpu: float, gpu: float, rest: float) -> None:
    found = total({RAPL: cpu, GPU: gpu, IPMI: cpu + gpu + rest})

    assert found.meter is not None
    assert sum(part.energy_j for part in found.components) == pytest.approx(found.meter.energy_j)
    for part in found.components:
        assert 0 <= part.low_j <= part.energy_j + 1e-6
        assert part.energy_j <= part.high_j + 1e-6


def test_a_module_that_holds_the_processor_leaves_it_no_line_of_its_own() -> None:
    found = total({MODULE: 6000, RAPL: 500, DRAM: 50})

    assert energies(found) == {"gpu gpu-0": 6000}
    assert "inside that of nvml module energy" in why(found, "rapl")


def test_a_later_family_fills_in_for_the_same_device_only() -> None:
    frozen = {"rapl:0": replace(tally(0), first=1.0, last=1.0), "perf:0": tally(70), "x:0": tally(80)}
    found = balance.total(plan.choose([RAPL, PERF, OTHER_NAME]), frozen, SECONDS)

    assert energies(found) == {"cpu package-0": 70}
    assert "did not move" in why(found, "rapl")


def test_families_that_name_a_processor_differently_are_never_added() -> None:
    assert energies(total({RAPL: 500, OTHER_NAME: 490})) == {"cpu package-0": 500}


def test_gpus_of_several_makers_add_up() -> None:
    assert energies(total({GPU: 100, AMD: 200})) == {"gpu gpu-0": 100, "gpu gpu 0000:03:00.0": 200}


def test_a_node_that_counts_its_own_gpus_does_not_add_them_to_the_drivers() -> None:
    assert energies(total({GPU: 100, CRAY_GPU: 110})) == {"gpu gpu-0": 100}
    assert energies(total({CRAY_GPU: 110})) == {"gpu accel0": 110}


@pytest.mark.parametrize("counted", [2000.0, 9.0])
def test_a_counter_ten_times_off_its_own_power_is_demoted_with_the_reason(counted: float) -> None:
    found = total({GPU: counted, GPU_W: 100.0})

    assert energies(found) == {"gpu gpu-0": 100}
    assert "times what its power says" in why(found, "nvml energy")


def test_a_counter_that_its_own_power_bears_out_is_used() -> None:
    assert energies(total({GPU: 100, GPU_W: 90})) == {"gpu gpu-0": 100}


def test_a_machine_that_is_modelled_throughout_has_the_interval_of_the_whole() -> None:
    memory = replace(CPU_MODEL, id="model:ram", component=Component.RAM, device="memory")
    parts = {CPU_MODEL: 300.0, memory: 50.0, REST_MODEL: 100.0}
    whole = replace(CPU_MODEL, id="model:machine", component=Component.MACHINE, device="all parts")
    found = total({**parts, whole: 450.0})

    assert found.whole is not None
    assert found.whole.energy_j == 450
    assert sum(part.energy_j for part in found.components) == 450
    assert total({**parts, whole: 450.0, RAPL: 200.0}).whole is None
    assert total({**parts, whole: 450.0, IPMI: 900.0}).whole is None


def test_every_channel_is_named_once_with_its_reason() -> None:
    given = {RAPL: 500.0, PERF: 501.0, DRAM: 100.0, GPU: 50.0, GPU_W: 51.0, IPMI: 900.0, PSYS: 700.0}
    found = total(given)

    assert sorted(each.source for each in found.spoken) == sorted(channel.source for channel in given)
    assert {each.source for each in found.spoken if each.used} == {"rapl", "nvml energy", "ipmi dcmi"}
    assert all(each.why for each in found.spoken)
