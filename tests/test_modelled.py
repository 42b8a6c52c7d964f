"""The model as a source: the same sums however often it is looked at, by what was recognised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import power_model
from energywrap.machine.identify import Identified
from energywrap.model import Component
from energywrap.power_model import Described
from energywrap.readings import Snapshot
from energywrap.record import replace
from energywrap.sources.modelled import Modelled

UNKNOWN = Described(threads=2, virtual=False, memory_gb=8.0)
SERVER = Described(
    threads=128, virtual=False, vendor="amd", arch="zen3", cpu="epyc 7763", tdp_w=280.0,
    sockets=1, cores_per_socket=64, threads_per_core=2, memory_gb=256.0,
)  # fmt: skip


def model(machine: Described = UNKNOWN, *, rest: bool = True) -> Modelled:
    """The model of a machine."""
    return Modelled(Identified(machine, (), ()), rest=rest)


def half_loaded(at_s: float) -> Snapshot:
    """A moment at which two processors have been busy for half of the time, as the kernel's ticks show it."""
    return Snapshot(at_s, 0.0, 0.0, int(at_s * 100) / 100, None, {}, {})


@given(period_s=st.floats(0.01, 0.7))
def test_the_model_says_the_same_however_often_it_is_looked_at(period_s: float) -> None:
    often, seldom = model(), model()
    steps = int(4 / period_s)
    for step in range(steps):
        often.reckon(half_loaded(step * period_s), final=False)
    seldom.reckon(half_loaded(0), final=False)
    many, few = (m.reckon(half_loaded(steps * period_s), final=True) for m in (often, seldom))

    assert many is not None
    assert few is not None
    for name in few:
        assert many[name] == pytest.approx(few[name], rel=0.1), name


def test_a_step_too_short_to_know_the_load_is_reckoned_only_where_its_sums_are_wanted() -> None:
    made = model()
    made.reckon(half_loaded(0), final=False)

    assert made.reckon(half_loaded(0.1), final=False) is None
    shown = made.reckon(half_loaded(0.2), final=True)
    settled = made.reckon(half_loaded(1.0), final=False)
    assert shown is not None
    assert settled is not None
    assert 0 < shown["model:cpu"] < settled["model:cpu"]


def test_no_sum_of_the_model_ever_falls() -> None:
    made = model()
    made.reckon(Snapshot(0, 0, 0, 0, None, {}, {}), final=True)
    high = made.reckon(Snapshot(0.01, 0, 0, 0.02, None, {}, {}), final=True)
    low = made.reckon(Snapshot(0.02, 0, 0, 0.02, None, {}, {}), final=True)

    assert high is not None
    assert low is not None
    assert all(low[name] >= high[name] for name in high)


def test_without_the_machines_clocks_the_model_says_nothing() -> None:
    assert model().reckon(Snapshot(0, 0, 0, None, None, {}, {}), final=True) == {}


def lines(*busy_s: float) -> bytes:
    """The kernel's lines about CPUs of which each has been busy for so long."""
    each = [f"cpu{n} {round(s * 100)} 0 0 0 0 0 0 0 0 0" for n, s in enumerate(busy_s)]
    return "\n".join([f"cpu  {round(sum(busy_s) * 100)} 0 0 0 0 0 0 0 0 0", *each]).encode()


def joules(made: Modelled, *busy_s: float) -> dict[str, float]:
    """What ten seconds come to in which each CPU was busy for so long."""
    made.reckon(Snapshot(0, 0, 0, 0.0, None, {}, {}, lines(*[0.0] * len(busy_s))), final=True)
    found = made.reckon(Snapshot(10, 0, 0, sum(busy_s), None, {}, {}, lines(*busy_s)), final=True)
    assert found is not None
    return found


def test_a_recognised_machine_has_its_own_watts() -> None:
    known, unknown = joules(model(SERVER), *[10.0] * 128), joules(model(), 10.0, 10.0)

    assert known["model:cpu"] / 10 > 200
    assert unknown["model:cpu"] / 10 < 10


def test_threads_that_are_pegged_draw_more_than_the_same_load_spread_over_all() -> None:
    pegged = joules(model(SERVER), *[10.0] * 64, *[0.0] * 64)
    spread = joules(model(SERVER), *[5.0] * 128)

    assert pegged["model:cpu"] > 1.1 * spread["model:cpu"]


def test_the_label_says_what_was_recognised_and_how_much() -> None:
    assert {channel.source for channel in model(SERVER).channels} == {"model: epyc 7763, T1k"}
    assert {channel.component: channel.source for channel in model().channels} == {
        Component.CPU: "model: vCPU count only",
        Component.RAM: "model: W per GB",
        Component.REST: "model: vCPU count only",
        Component.MACHINE: "model: vCPU count only",
    }


def test_the_rest_of_the_machine_can_be_left_out() -> None:
    assert [channel.component for channel in model(rest=False).channels] == [Component.CPU, Component.RAM]


def wandering(at_s: float, running: int) -> Snapshot:
    """Two processors, each half busy whenever one looks, and how many threads ran just then."""
    ticks = int(at_s * 50)
    line = f"{ticks} 0 0 0 0 0 0 0 0 0"
    stat = f"cpu  {2 * ticks} 0 0 0 0 0 0 0 0 0\ncpu0 {line}\ncpu1 {line}".encode()
    return Snapshot(at_s, 0.0, 0.0, 2 * ticks / 100, None, {}, {}, stat, None, running)


def test_one_thread_that_wanders_draws_as_much_as_one_that_stays() -> None:
    server = replace(SERVER, threads=2, cores_per_socket=1)
    wandering_j, staying_j, independent_j = (
        sums(server, stat) for stat in ("wandering", "staying", "independent")
    )

    assert wandering_j == pytest.approx(staying_j, rel=0.02)
    assert independent_j < 0.9 * staying_j


def sums(machine: Described, how: str) -> float:
    """J of a minute of one thread's work on two processors, by how it lies on them."""
    made = model(machine)
    shown = None
    for at_s in range(61):
        running = {"wandering": 1, "staying": 1, "independent": (0, 1, 2, 1)[at_s % 4]}[how]
        now = wandering(at_s, running)
        if how == "staying":
            busy = f"{at_s * 100} 0 0 0 0 0 0 0 0 0"
            idle = "0 0 0 0 0 0 0 0 0 0"
            now = replace(now, stat=f"cpu  {busy}\ncpu0 {busy}\ncpu1 {idle}".encode())
        shown = made.reckon(now, final=False)
    assert shown is not None
    return shown["model:cpu"]


def test_of_a_load_that_nobody_has_looked_at_the_processors_means_tell() -> None:
    concentration = power_model.Concentration()

    assert concentration.step(0.5, 2, settled=True) == 0
    concentration.see(1, 2)
    assert concentration.step(0.5, 2, settled=True) == 1


@given(st.lists(st.integers(0, 100), min_size=1, max_size=50), st.floats(0, 1), st.integers(1, 64))
def test_concentration_is_a_fraction(seen: list[int], mean: float, threads: int) -> None:
    concentration = power_model.Concentration()
    for running in seen:
        concentration.see(running, threads)

    assert 0 <= concentration.step(mean, threads, settled=False) <= 1
