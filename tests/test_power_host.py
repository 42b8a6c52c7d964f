"""Watts of a machine that is known: the published values, and laws that hold for all machines."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from energywrap import power_model
from energywrap.power_model import Described, Power, Watts
from energywrap.power_model.coefficients import ARCHS, CLASSES, SHIPPED, UNSEEN, Coefficients
from energywrap.power_model.interval import BANDS
from energywrap.power_model.products import PRODUCTS
from energywrap.record import replace

NOTHING = Described(threads=4, virtual=True)
RUNNER = Described(
    threads=4,
    virtual=True,
    vendor="amd",
    arch="zen3",
    cpu="epyc 7763",
    tdp_w=280,
    sockets=2,
    cores_per_socket=64,
    threads_per_core=2,
    memory_gb=16,
    client=False,
)


def server(arch: str, cpu: str | None, tdp_w: float, sockets: int, cores: int, memory_gb: float) -> Described:
    """A physical server with two threads per core, all of it known."""
    return Described(
        threads=2 * sockets * cores,
        virtual=False,
        vendor=ARCHS[arch].vendor,
        arch=arch,
        cpu=cpu,
        tdp_w=tdp_w,
        sockets=sockets,
        cores_per_socket=cores,
        threads_per_core=2,
        memory_gb=memory_gb,
        client=ARCHS[arch].client,
    )


# tier, W at 0, 0.1, 0.5 and 1 spread, at 0.5 packed
MACHINES: dict[str, tuple[Described, str, tuple[float, ...]]] = {
    "hosted runner": (RUNNER, "T3m", (2.4645, 4.0025, 6.1779, 10.0354, 8.9091)),
    "two sockets of 2010": (
        server("westmere", None, 95, 2, 6, 24),
        "T1",
        (80.364, 123.0, 177.13, 267.55, 239.71),
    ),
    "two sockets of 2012": (
        server("sandybridge", "xeon e5-2670", 115, 2, 8, 64),
        "T1k",
        (75.248, 103.87, 168.81, 321.84, 285.16),
    ),
    "two sockets of 2019": (
        server("cascadelake", "xeon gold 6230", 125, 2, 20, 192),
        "T1",
        (65.11, 108.25, 172.39, 326.09, 287.27),
    ),
    "one socket of 2019": (
        server("zen2", "epyc 7702p", 200, 1, 64, 128),
        "T1k",
        (68.41, 113.26, 161.76, 230.14, 206.08),
    ),
    "two sockets of 2023": (
        server("sapphirerapids", "xeon platinum 8480+", 350, 2, 56, 512),
        "T1k",
        (204.21, 283.98, 446.84, 854.13, 757.45),
    ),
    "guest of an unnamed product": (
        replace(RUNNER, cpu=None, tdp_w=None, sockets=None, cores_per_socket=None, threads_per_core=None),
        "T4",
        (2.3929, 3.7438, 5.6545, 9.0425, 8.0534),
    ),
    "laptop": (
        replace(server("raptorlake", None, 15, 1, 10, 16), threads=12),
        "T1",
        (15.045, 16.467, 19.41, 26.015, 24.383),
    ),
    "ARM guest": (
        Described(
            threads=8,
            virtual=True,
            vendor="arm",
            arch="neoverse-v1",
            cpu="graviton3",
            tdp_w=200,
            sockets=1,
            cores_per_socket=64,
            threads_per_core=1,
            memory_gb=16,
            client=False,
        ),
        "T3m",
        (13.574, 15.122, 17.649, 23.994, 19.565),
    ),
    "unknown generation": (
        replace(server("zen5", None, 500, 2, 128, 768), arch="zen7", year=2028),
        "T1",
        (263.14, 449.07, 686.33, 1075.2, 954.43),
    ),
    "nothing known": (NOTHING, "T5", (2.52, 4.4619, 9.0129, 13.44, 9.0129)),
}
LEVELS = ((0.0, 0.0), (0.1, 0.0), (0.5, 0.0), (1.0, 0.0), (0.5, 1.0))

loads = st.floats(0, 1)
fractions = st.floats(0, 1)


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """The values, or not known."""
    return st.none() | values


machines = st.builds(
    Described,
    threads=st.integers(1, 1024),
    virtual=st.booleans(),
    vendor=maybe(st.sampled_from(["intel", "amd", "arm"])),
    arch=maybe(st.sampled_from([*ARCHS, *UNSEEN, "zen9", "atom"])),
    cpu=maybe(st.sampled_from([*PRODUCTS, "epyc 9999p"])),
    tdp_w=maybe(st.floats(4, 600)),
    sockets=maybe(st.integers(1, 8)),
    cores_per_socket=maybe(st.integers(1, 288)),
    threads_per_core=maybe(st.integers(1, 2)),
    memory_gb=maybe(st.floats(0.5, 8192)),
    memory_kind=st.none(),
    year=maybe(st.integers(2005, 2028)),
    client=maybe(st.booleans()),
)


def factors(watts: Watts) -> tuple[float, float]:
    """Bounds over the value."""
    return watts.low / watts.value, watts.high / watts.value


def parts(power: Power) -> tuple[Watts, Watts, Watts, Watts]:
    """All that has an interval."""
    return power.total, power.cpu, power.ram, power.rest


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_draws_what_the_published_form_says(name: str) -> None:
    machine, tier, watts = MACHINES[name]

    assert power_model.tier(machine) == tier
    found = tuple(power_model.power(machine, u, packed).total.value for u, packed in LEVELS)
    assert found == pytest.approx(watts, rel=1e-4)


def test_a_hosted_runner_draws_a_few_watts_as_published() -> None:
    found = [round(power_model.power(RUNNER, u, packed).total.value, 1) for u, packed in LEVELS]

    assert found == [2.5, 4.0, 6.2, 10.0, 8.9]


def test_a_known_product_is_told_from_its_kind() -> None:
    known = server("zen3", "epyc 7763", 280, 2, 64, 512)
    kind = replace(known, cpu=None)

    assert (power_model.tier(known), power_model.tier(kind)) == ("T1k", "T1")
    assert power_model.power(known, 0.5).total.value == pytest.approx(
        power_model.power(kind, 0.5).total.value, rel=0.06
    )
    assert power_model.power(known, 0.5).total.value != power_model.power(kind, 0.5).total.value


@given(machine=machines, packed=fractions, a=loads, b=loads)
def test_power_rises_with_load(machine: Described, packed: float, a: float, b: float) -> None:
    lower, higher = (power_model.power(machine, u, packed) for u in sorted((a, b)))

    assert lower.total.value <= higher.total.value * (1 + 1e-12)
    assert lower.cpu.value <= higher.cpu.value * (1 + 1e-12)


@given(machine=machines, packed=fractions, load=st.floats(0.001, 1))
def test_a_busy_machine_draws_more_than_an_idle_one(machine: Described, packed: float, load: float) -> None:
    idle, busy = (power_model.power(machine, u, packed).total.value for u in (0.0, load))

    assert idle < busy


@pytest.mark.parametrize("arch", [*ARCHS, *UNSEEN])
def test_every_curve_rises_all_the_way(arch: str) -> None:
    machine = replace(RUNNER, arch=arch, vendor=None, client=None)
    watts = [power_model.power(machine, u / 200).total.value for u in range(201)]

    assert watts == sorted(watts)
    assert len(set(watts)) == 201


@given(machine=machines, packed=fractions)
def test_all_loads_end_at_the_same_peak(machine: Described, packed: float) -> None:
    spread, other = (power_model.power(machine, 1, p).total.value for p in (0, packed))
    idle, as_idle = (power_model.power(machine, 0, p).total.value for p in (0, packed))

    assert other == pytest.approx(spread, rel=1e-12)
    assert as_idle == pytest.approx(idle, rel=1e-12)


def test_pegged_threads_draw_more_than_the_same_load_spread_out() -> None:
    assert power_model.power(RUNNER, 0.5, 1).total.value > 1.4 * power_model.power(RUNNER, 0.5, 0).total.value


@given(machine=machines, load=loads, packed=fractions, doubt=fractions)
def test_the_parts_add_up_and_lie_in_their_intervals(
    machine: Described, load: float, packed: float, doubt: float
) -> None:
    power = power_model.power(machine, load, packed, doubt)

    assert power.cpu.value + power.ram.value + power.rest.value == pytest.approx(power.total.value)
    for part in parts(power):
        assert 0 < part.low <= part.value * (1 + 1e-12) <= part.high * (1 + 2e-12)


@given(machine=machines, load=loads)
def test_a_part_is_never_surer_than_the_whole(machine: Described, load: float) -> None:
    power = power_model.power(machine, load)

    for part in (power.cpu, power.rest):
        assert factors(part)[0] <= factors(power.total)[0] * (1 + 1e-9)
        assert factors(part)[1] >= factors(power.total)[1] * (1 - 1e-9)


@given(machine=machines, load=loads, packed=fractions, a=fractions, b=fractions)
def test_doubt_only_widens(machine: Described, load: float, packed: float, a: float, b: float) -> None:
    sure, unsure = (power_model.power(machine, load, packed, doubt) for doubt in sorted((a, b)))

    for less, more in zip(parts(sure), parts(unsure), strict=True):
        assert more.value == less.value
        assert more.low <= less.low * (1 + 1e-9)
        assert more.high >= less.high * (1 - 1e-9)


@given(machine=machines, load=loads, packed=fractions, doubt=fractions, at=st.floats(-1, 1))
def test_no_load_within_the_doubt_is_left_out(
    machine: Described, load: float, packed: float, doubt: float, at: float
) -> None:
    whole = power_model.power(machine, load, packed, doubt).total
    possible = power_model.power(machine, load + at * doubt, packed).total

    assert whole.low <= possible.low * (1 + 1e-9)
    assert whole.high >= possible.high * (1 - 1e-9)


FORGETTABLE = ("vendor", "arch", "cpu", "tdp_w", "sockets", "cores_per_socket", "memory_gb", "year", "client")


@given(machine=machines, load=loads, name=st.sampled_from(FORGETTABLE))
def test_knowing_less_never_narrows_an_interval(machine: Described, load: float, name: str) -> None:
    # a guest of which nothing says otherwise is taken to run on a server: to forget what kind it is says so
    assume(not (name == "client" and machine.virtual))
    more, less = (power_model.power(m, load) for m in (machine, replace(machine, **{name: None})))

    low, high = factors(more.total)
    assert factors(less.total)[0] <= low * (1 + 1e-9)
    assert factors(less.total)[1] >= high * (1 - 1e-9)


def test_each_tier_is_at_least_as_wide_as_the_one_before() -> None:
    bands = list(BANDS.values())

    for better, worse in zip(bands, bands[1:], strict=False):
        for (low, high), (lower, higher) in zip(better, worse, strict=True):
            assert lower <= low
            assert higher >= high


@given(vcpus=st.integers(1, 256), times=st.integers(2, 8), load=loads)
def test_the_share_of_a_guest_is_linear_in_its_vcpus(vcpus: int, times: int, load: float) -> None:
    one = power_model.power(replace(RUNNER, threads=vcpus, memory_gb=4.0 * vcpus), load)
    many = power_model.power(replace(RUNNER, threads=vcpus * times, memory_gb=4.0 * vcpus * times), load)

    for small, large in zip(parts(one), parts(many), strict=True):
        assert (large.low, large.value, large.high) == pytest.approx(
            (times * small.low, times * small.value, times * small.high)
        )


def test_a_guest_of_all_threads_is_its_host() -> None:
    host = server("zen3", None, 280, 2, 64, 1024)
    guest = replace(host, virtual=True)

    assert power_model.power(guest, 0.7).total.value == pytest.approx(
        power_model.power(host, 0.7).total.value
    )


def test_the_memory_of_a_guest_is_its_own() -> None:
    guest = replace(RUNNER, memory_gb=4, memory_kind="ddr4")

    assert power_model.power(guest, 1).ram.value == pytest.approx(4 * 0.16)
    assert power_model.power(guest, 1).ram.high == pytest.approx(4 * 0.31)


def test_the_kind_of_memory_moves_watts_between_memory_and_the_rest_and_not_the_total() -> None:
    ddr4, ddr3 = (
        power_model.power(replace(RUNNER, memory_gb=4, memory_kind=kind), 0.5) for kind in ("ddr4", "ddr3")
    )

    assert ddr4.total == ddr3.total
    assert ddr4.cpu == ddr3.cpu
    assert ddr4.ram.value < ddr3.ram.value


def test_memory_draws_at_most_half_of_what_the_processor_leaves() -> None:
    power = power_model.power(replace(RUNNER, memory_gb=64), 0)

    assert power.ram.value == pytest.approx(power.rest.value)


@pytest.mark.parametrize("load", [-1.0, -1e-9, 1 + 1e-9, 7.0])
@pytest.mark.parametrize("machine", [RUNNER, NOTHING])
def test_a_load_that_clocks_misjudged_is_taken_as_none_or_full(machine: Described, load: float) -> None:
    assert power_model.power(machine, load) == power_model.power(machine, 0.0 if load < 0 else 1.0)


@given(machine=machines, load=loads)
def test_the_interval_is_the_tiers_band_and_the_kind_of_work_in_quadrature(
    machine: Described, load: float
) -> None:
    still = replace(SHIPPED, workload_sigma=0.0)
    assume(power_model.tier(machine) != "T5")
    band, whole = (power_model.power(machine, load, coefficients=c).total for c in (still, SHIPPED))
    work = 1.2816 * 0.20 * load

    assert factors(whole)[0] == pytest.approx(exp(-sqrt(log(factors(band)[0]) ** 2 + work**2)))
    assert factors(whole)[1] == pytest.approx(exp(sqrt(log(factors(band)[1]) ** 2 + work**2)))


def test_one_run_of_a_known_server_is_known_to_a_quarter_below_and_a_third_above() -> None:
    total = power_model.power(MACHINES["two sockets of 2019"][0], 1).total

    assert factors(total) == pytest.approx((0.73, 1.36), abs=0.01)


def test_a_generation_that_was_never_seen_is_less_sure_than_its_predecessor() -> None:
    old = server("zen5", None, 500, 2, 128, 768)
    new = replace(old, arch="zen7", year=2028)

    assert factors(power_model.power(new, 0).total)[1] > factors(power_model.power(old, 0).total)[1]


def test_a_generation_without_a_year_is_no_better_known_than_one_without_a_name() -> None:
    assert power_model.tier(replace(RUNNER, arch="zen9")) == "T4"
    assert power_model.tier(replace(RUNNER, arch=None)) == "T4"
    assert power_model.tier(replace(RUNNER, arch=None, tdp_w=None)) == "T5"


def test_a_laptop_is_outside_of_what_is_known_and_as_unsure_as_can_be() -> None:
    laptop = MACHINES["laptop"][0]

    assert "laptops" in (power_model.outside(laptop) or "")
    assert power_model.outside(RUNNER) is None
    load = power_model.power(laptop, 0.2).total
    assert factors(load)[1] == pytest.approx(factors(power_model.power(NOTHING, 0.2).total)[1])


def test_a_desktop_is_less_sure_than_an_entry_server_of_the_same_generation() -> None:
    desktop = server("coffeelake", "core i7-8700k", 95, 1, 6, 32)
    entry = replace(desktop, cpu="xeon e-2186g")

    assert "desktops" in (power_model.outside(desktop) or "")
    assert power_model.outside(entry) is None
    for load in (0.0, 0.5, 1.0):
        loose, tight = (power_model.power(each, load).total for each in (desktop, entry))
        assert loose.value == tight.value
        assert loose.low < tight.low
        assert loose.high > tight.high


def test_other_coefficients_can_be_evaluated() -> None:
    brighter = Coefficients(
        idle=SHIPPED.idle,
        peak=(SHIPPED.peak[0] + log(2), *SHIPPED.peak[1:]),
        tdp=SHIPPED.tdp,
        memory=SHIPPED.memory,
        archs=ARCHS,
        classes=CLASSES,
    )
    kind = replace(MACHINES["two sockets of 2019"][0], cpu=None)

    twice = power_model.power(kind, 1, coefficients=brighter).total.value
    assert twice == pytest.approx(2 * power_model.power(kind, 1).total.value)


@given(pegged=st.integers(1, 63), of=st.integers(64, 256))
def test_threads_that_are_pegged_or_idle_are_packed(pegged: int, of: int) -> None:
    assert power_model.packedness([1.0] * pegged + [0.0] * (of - pegged)) == pytest.approx(1)


@given(u=loads, count=st.integers(1, 256))
def test_a_load_on_all_threads_alike_is_not_packed(u: float, count: int) -> None:
    assert power_model.packedness([u] * count) == pytest.approx(0, abs=1e-9)


@given(st.lists(loads, max_size=64))
def test_packedness_is_a_fraction(utilisations: list[float]) -> None:
    assert 0 <= power_model.packedness(utilisations) <= 1


@given(limit=st.floats(30, 1200), a=loads, b=loads)
def test_a_gpu_draws_from_a_sixth_to_most_of_its_limit(limit: float, a: float, b: float) -> None:
    lower, higher = (power_model.gpu(limit, u) for u in sorted((a, b)))

    assert 0.17 * limit * (1 - 1e-9) <= lower.value <= higher.value <= 0.845 * limit * (1 + 1e-9)
    assert factors(lower) == pytest.approx((0.6, 1.4))


def test_a_busy_h100_draws_as_the_defaults_say() -> None:
    assert power_model.gpu(700, 0.5).value == pytest.approx(700 * (0.17 + 0.75 * 0.9 * 0.5))
