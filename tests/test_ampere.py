"""Ampere and X-Gene: the rails of a socket as its power, the counters of its cores where there is no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from energywrap import plan
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind
from energywrap.sources import hwmon
from energywrap.sources.ampere import open_ampere
from fakes import meters

SOURCE = ("energywrap.sources.ampere", "open_ampere")


def xgene(root: Path, number: int = 0, cpu_w: int = 90, io_w: int = 30) -> Path:
    """The controller of a socket as the kernel's xgene-hwmon shows it."""
    rails: dict[str, str | int] = {"power1_label": "CPU power", "power1_input": cpu_w * 10**6}
    rails |= {"power2_label": "IO power", "power2_input": io_w * 10**6}
    return meters.hwmon(root, number, {"name": "apm_xgene", "temp1_input": 50_000, **rails})


def altra(root: Path, number: int = 1, cores_j: tuple[int, ...] = (10, 20, 30)) -> Path:
    """The counters of a socket's cores as Ampere's own driver shows them."""
    attributes: dict[str, str | int] = {"name": "altra_hwmon", "energy99_label": "DIMM Energy 000"}
    for core, joules in enumerate(cores_j):
        attributes |= {f"energy{core + 1}_label": f"Core Energy {core:03}"}
        attributes |= {f"energy{core + 1}_input": joules * 10**6}
    return meters.hwmon(root, number, attributes)


def opened(root: Path) -> hwmon.Meter:
    """The sockets of a tree."""
    return open_ampere(meters.settings(root))


def refused(root: Path) -> Unavailable:
    """Why there are none."""
    with pytest.raises(Unavailable) as caught:
        opened(root)
    return caught.value


def test_the_power_of_a_socket_is_that_of_its_cores_and_of_the_rest_of_its_chip(tmp_path: Path) -> None:
    xgene(tmp_path)
    source = opened(tmp_path)
    (channel,) = source.channels

    assert (channel.component, channel.device, channel.covers) == (Component.CPU, "package-0", ())
    assert (channel.kind, plan.family(channel)) == (Kind.GAUGE, "xgene")
    assert source.read() == {channel.id: 120.0}


def test_a_socket_that_tells_its_cores_alone_is_read_all_the_same(tmp_path: Path) -> None:
    folder = xgene(tmp_path)
    (folder / "power2_label").unlink()

    assert list(opened(tmp_path).read().values()) == [90.0]


def test_each_socket_is_a_package_of_its_own(tmp_path: Path) -> None:
    xgene(tmp_path, 2)
    xgene(tmp_path, 10)

    assert [channel.device for channel in opened(tmp_path).channels] == ["package-0", "package-1"]


def test_the_counters_of_the_cores_are_one_counter(tmp_path: Path) -> None:
    altra(tmp_path)
    source = opened(tmp_path)
    (channel,) = source.channels

    assert (channel.component, channel.device) == (Component.CPU, "package-0")
    assert (channel.kind, plan.family(channel)) == (Kind.COUNTER, "altra")
    assert source.read() == {channel.id: 60.0}


def test_power_and_counters_of_a_socket_are_alternatives_and_never_added(tmp_path: Path) -> None:
    xgene(tmp_path)
    altra(tmp_path)
    (leaf,) = plan.choose(opened(tmp_path).channels).choices[0][0]

    assert {plan.family(channel) for channel in leaf.channels} == {"xgene", "altra"}


@pytest.mark.parametrize("attribute", ["power1_input", "power2_input"])
def test_a_socket_of_which_a_rail_cannot_be_read_is_left_out_and_comes_back(
    attribute: str, tmp_path: Path
) -> None:
    folder = xgene(tmp_path)
    source = opened(tmp_path)
    meters.break_reads(folder / attribute)

    assert source.read() == {}

    meters.mend(folder / attribute)

    assert list(source.read().values()) == [120.0]


def test_a_controller_that_does_not_answer_shows_0_which_is_no_reading(tmp_path: Path) -> None:
    xgene(tmp_path, cpu_w=0)

    assert opened(tmp_path).read() == {}


def test_a_core_that_cannot_be_read_leaves_the_sum_out(tmp_path: Path) -> None:
    folder = altra(tmp_path)
    source = opened(tmp_path)
    meters.break_reads(folder / "energy2_input")

    assert source.read() == {}


def test_other_processors_lack_nothing(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"name": "coretemp"})

    assert refused(tmp_path).expected


def test_a_controller_without_a_processors_power_is_none(tmp_path: Path) -> None:
    meters.hwmon(tmp_path, 0, {"name": "apm_xgene", "temp1_input": 50_000})

    assert refused(tmp_path).expected


def test_closed_counters_are_named_with_the_line_that_opens_them_to_a_group(open_folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file that its ordinary self may not read")
    xgene(open_folder)
    for counter in altra(open_folder).glob("energy*_input"):
        counter.chmod(0o400)
    found = meters.as_a_user(SOURCE, open_folder)

    assert found["ids"] == ["ampere:power-0"]
    assert [what for what, _, _ in found["skipped"]] == ["altra package-0"]
    assert "chmod g+r" in found["skipped"][0][2]  # a group's: everybody's would let secrets leak
