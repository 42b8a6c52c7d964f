"""The command's share: a part of the whole, never more, and as unsure as the clocks are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import attribution
from energywrap.attribution import Joules, Share
from energywrap.balance import Total
from energywrap.model import Basis, Component, ComponentEnergy, Idle, Tally
from energywrap.record import replace

CPU = ComponentEnergy(Component.CPU, "package-0", 100.0, 90.0, 110.0, Basis.MEASURED, "rapl", 1.0)
RAM = replace(CPU, component=Component.RAM, device="dram-0", energy_j=20.0, low_j=15.0, high_j=25.0)
GPU = replace(CPU, component=Component.GPU, device="gpu-0", energy_j=500.0, low_j=480.0, high_j=520.0)
REST = replace(CPU, component=Component.REST, device="board", energy_j=40.0, low_j=20.0, high_j=80.0)

seconds = st.floats(0, 1e5)


def total(*parts: ComponentEnergy) -> Total:
    """A total in which each part has a channel named as its device."""
    return Total(parts, tuple(part.device for part in parts), (), ())


@given(tree_s=seconds, busy_s=seconds, cpus=st.integers(1, 512))
def test_a_share_is_a_part_and_its_interval_contains_it(tree_s: float, busy_s: float, cpus: int) -> None:
    share = attribution.share(tree_s, busy_s, 0.01, cpus)

    assert share is not None
    assert 0 <= share.low <= share.value <= share.high <= 1


@given(tree_s=seconds, busy_s=seconds)
def test_more_processors_or_a_coarser_clock_only_widen_the_interval(tree_s: float, busy_s: float) -> None:
    sharp = attribution.share(tree_s, busy_s, 0.001, 2)
    coarse = attribution.share(tree_s, busy_s, 0.01, 64)

    assert sharp is not None
    assert coarse is not None
    assert coarse.low <= sharp.low <= sharp.value == coarse.value <= sharp.high <= coarse.high


def test_a_tree_that_used_more_than_the_machine_shows_has_the_whole() -> None:
    share = attribution.share(5.0, 4.9, 0.01, 2)

    assert share is not None
    assert share.value == 1.0
    assert share.high == 1.0


def test_three_of_four_busy_seconds_are_three_quarters() -> None:
    assert attribution.share(3.0, 4.0, 0.0, 2) == Share(0.75, 0.75, 0.75)


def test_an_idle_machine_has_a_share_that_could_be_anything() -> None:
    assert attribution.share(0.0, 0.0, 0.01, 2) == Share(0.0, 0.0, 1.0)


@pytest.mark.parametrize(("tree_s", "busy_s"), [(None, 1.0), (1.0, None), (None, None)])
def test_what_could_not_be_read_has_no_share(tree_s: float | None, busy_s: float | None) -> None:
    assert attribution.share(tree_s, busy_s, 0.01, 2) is None


def test_gpus_go_whole_to_the_command_and_the_others_by_its_share() -> None:
    parts = total(CPU, RAM, GPU, REST)
    half = Share(0.5, 0.5, 0.5)
    found = attribution.command(parts, dict.fromkeys(map(str, parts.channels), Tally()), half, live=False)

    assert (found.value, found.low, found.high) == pytest.approx((580, 542.5, 627.5))


@pytest.mark.parametrize("live", [True, False])
def test_a_gpu_whose_users_are_known_goes_to_the_command_by_its_own_share(live: bool) -> None:
    tallies = {"gpu-0": Tally(joules=500.0, shared_j=300.0)}
    found = attribution.command(total(GPU), tallies, Share(0.5, 0.5, 0.5), live=live)

    assert (found.value, found.low, found.high) == pytest.approx((300, 240, 364))


def test_a_gpu_that_the_command_cannot_see_is_not_charged_to_it() -> None:
    tallies = {"gpu-0": Tally(joules=500.0, shared_j=0.0)}

    assert attribution.command(total(GPU), tallies, Share(1, 1, 1), live=True).high == 0


def test_a_shared_gpu_whose_users_are_hidden_could_be_all_others() -> None:
    tallies = {"gpu-0": Tally(joules=500.0, shared_j=500.0)}
    found = attribution.command(total(replace(GPU, shared="MIG")), tallies, Share(0.5, 0.5, 0.5), live=True)

    assert (found.value, found.low, found.high) == pytest.approx((500, 0, 520))


def test_memory_goes_to_the_command_by_what_it_holds_where_that_was_seen() -> None:
    tallies = {"dram-0": Tally(joules=20.0, shared_j=5.0)}
    half = Share(0.5, 0.5, 0.5)
    seen = attribution.command(total(RAM), tallies, half, live=True, held=True)

    assert (seen.value, seen.low, seen.high) == pytest.approx((5, 0.2 * 15, 0.3 * 25))


def test_what_is_above_idle_needs_a_baseline() -> None:
    tallies = {"package-0": Tally(joules=100.0, shared_j=80.0, covered_s=10.0)}

    assert attribution.above_idle(total(CPU), tallies, {}, Share(1, 1, 1)) is None
    assert attribution.reserved(total(CPU), tallies, {}, 0.5) is None


def test_what_is_above_idle_is_as_unsure_as_the_idle_power() -> None:
    tallies = {"package-0": Tally(joules=100.0, shared_j=50.0, above_j=30.0, covered_s=10.0)}
    idle = {"package-0": Idle(4.0, 3.0, 5.0)}
    found = attribution.above_idle(total(CPU, REST), tallies, idle, Share(0.5, 0.5, 0.5))

    assert found == Joules(30.0, 0.5 * (90 - 50), 0.5 * (110 - 30))


def test_reserved_processors_carry_their_part_of_the_idle_energy() -> None:
    tallies = {"package-0": Tally(joules=100.0, covered_s=10.0)}

    assert attribution.reserved(total(CPU), tallies, {"package-0": Idle(4.0, 3.0, 5.0)}, 0.25) == Joules(
        10.0, 7.5, 12.5
    )


def test_a_live_share_weighs_each_interval_by_its_own_energy() -> None:
    tallies = {"package-0": Tally(joules=100.0, shared_j=80.0)}  # busy while the command ran, idle after
    whole = Share(0.5, 0.4, 0.6)
    live = attribution.command(total(CPU), tallies, whole, live=True)
    late = attribution.command(total(CPU), tallies, whole, live=False)

    assert live.value == pytest.approx(80)
    assert late.value == pytest.approx(50)
    assert live.low == pytest.approx(0.4 * 90)
    assert live.high == pytest.approx(0.8 * 110)


@given(
    shared=st.floats(0, 1),
    low=st.floats(0, 1),
    value=st.floats(0, 1),
    high=st.floats(0, 1),
    live=st.booleans(),
)
def test_the_commands_joules_lie_in_their_interval_and_below_the_machines(
    shared: float, low: float, value: float, high: float, live: bool
) -> None:
    low, value, high = sorted((low, value, high))
    parts = total(CPU, RAM, GPU, REST)
    tallies = {
        part.device: Tally(joules=part.energy_j, shared_j=shared * part.energy_j) for part in parts.components
    }
    found = attribution.command(parts, tallies, Share(value, low, high), live)

    assert found.low <= found.value + 1e-9
    assert found.value <= found.high + 1e-9
    assert 0 <= found.value <= sum(part.energy_j for part in parts.components) + 1e-9
    assert found.high <= sum(part.high_j for part in parts.components) + 1e-9
