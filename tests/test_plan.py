"""One voice per part of the machine, measured before modelled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from energywrap import plan
from energywrap.model import Basis, Channel, Component, Kind
from energywrap.record import replace

RAPL = Channel("rapl:0", Component.CPU, "package-0", "rapl", Kind.COUNTER)
MMIO = replace(RAPL, id="mmio:0", source="rapl-mmio")
OTHER = replace(RAPL, id="rapl:1", device="package-1")
DRAM = replace(RAPL, id="rapl:0:0", component=Component.RAM, device="dram-0")
GPU_J = replace(RAPL, id="nvml:a:energy", component=Component.GPU, device="gpu-0", source="nvml energy")
GPU_W = replace(GPU_J, id="nvml:a:power", kind=Kind.GAUGE, source="nvml power")
CPU_MODEL = replace(RAPL, id="model:cpu", device="cpu", source="model", basis=Basis.MODELLED)
RAM_MODEL = replace(CPU_MODEL, id="model:ram", component=Component.RAM, device="memory")
REST_MODEL = replace(CPU_MODEL, id="model:rest", component=Component.REST, device="board")
METER = replace(RAPL, id="meter", component=Component.MACHINE, device="wall")

EVERYTHING = (RAPL, MMIO, OTHER, DRAM, GPU_J, GPU_W, CPU_MODEL, RAM_MODEL, REST_MODEL, METER)


def names(leaves: tuple[plan.Leaf, ...]) -> list[list[str]]:
    """The channel ids of every leaf."""
    return [[channel.id for channel in leaf.channels] for leaf in leaves]


def test_the_measured_leaves_of_a_component_come_before_its_model() -> None:
    chosen = plan.choose([CPU_MODEL, RAPL, OTHER])

    assert [names(alternative) for alternative in chosen.choices[0]] == [
        [["rapl:0"], ["rapl:1"]],
        [["model:cpu"]],
    ]


def test_channels_of_one_device_are_alternatives_in_the_order_given() -> None:
    chosen = plan.choose([RAPL, GPU_J, GPU_W, MMIO])

    assert names(chosen.choices[0][0]) == [["rapl:0", "mmio:0"]]
    assert names(chosen.choices[1][0]) == [["nvml:a:energy", "nvml:a:power"]]


def test_the_rest_is_no_choice_of_its_own() -> None:
    chosen = plan.choose(EVERYTHING)

    assert names(chosen.rest) == [["model:rest"]]
    components = {leaf.component for options in chosen.choices for leaves in options for leaf in leaves}
    assert components == {Component.CPU, Component.RAM, Component.GPU}


def test_a_meter_of_the_whole_machine_is_never_added_to_its_parts() -> None:
    chosen = plan.choose([METER, RAPL])

    assert [names(leaves) for options in chosen.choices for leaves in options] == [[["rapl:0"]]]


def test_nothing_to_choose_from_is_an_empty_plan() -> None:
    assert plan.choose([]) == plan.Plan((), (), (), ())


@given(st.lists(st.sampled_from(EVERYTHING), unique_by=lambda channel: channel.id))
def test_no_channel_speaks_twice_and_no_alternative_holds_a_device_twice(given: list[Channel]) -> None:
    chosen = plan.choose(given)
    seen = [
        channel.id
        for options in (*chosen.choices, (chosen.rest,))
        for leaves in options
        for leaf in leaves
        for channel in leaf.channels
    ]

    assert sorted(seen) == sorted(channel.id for channel in given if channel is not METER)
    for options in chosen.choices:
        for leaves in options:
            devices = [leaf.device for leaf in leaves]
            assert len(devices) == len(set(devices))
