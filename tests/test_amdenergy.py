"""The amd_energy driver: its sockets, which are RAPL's packages, and none of its cores."""

from __future__ import annotations

from pathlib import Path

import pytest

from energywrap import config, energy, plan
from energywrap.errors import Unavailable
from energywrap.model import Channel, Component, Kind, Tally
from energywrap.sources.amdenergy import AmdEnergy, open_amd_energy
from fakes.opened import Opened
from fakes.scenario import Scenario, Zone
from fakes.tree import write_tree

OPENER = "energywrap.sources.amdenergy:open_amd_energy"
NOBODY = 65534
CORES = 12


def driver(root: Path, *socket_uj: int, name: str = "amd_energy") -> Path:
    """Write the driver's folder: a counter for every core, then one for every socket."""
    other = root / "class/hwmon/hwmon0"
    other.mkdir(parents=True)
    (other / "name").write_text("nvme\n")
    folder = root / "class/hwmon/hwmon3"
    folder.mkdir()
    (folder / "name").write_text(f"{name}\n")
    labels = [f"Ecore{core:03}" for core in range(CORES)] + [f"Esocket{n}" for n in range(len(socket_uj))]
    counters = [7_000_000] * CORES + list(socket_uj)
    for number, (label, counter) in enumerate(zip(labels, counters), 1):
        (folder / f"energy{number}_label").write_text(f"{label}\n")
        (folder / f"energy{number}_input").write_text(f"{counter}\n")
    return folder


def socket_file(folder: Path, socket: int) -> Path:
    """The counter of a socket."""
    return folder / f"energy{CORES + 1 + socket}_input"


def opened(root: Path) -> AmdEnergy:
    """The source on a static tree."""
    return open_amd_energy(config.resolve({"sysfs_root": str(root)}, {}, "/"))


def refused(root: Path) -> Unavailable:
    """Why the source cannot be opened."""
    with pytest.raises(Unavailable) as caught:
        opened(root)
    return caught.value


def test_sockets_are_packages_and_their_cores_are_inside(tmp_path: Path) -> None:
    driver(tmp_path, 1_500_000, 250_000)
    source = opened(tmp_path)

    assert source.read() == {"amd_energy:package-0": 1.5, "amd_energy:package-1": 0.25}
    assert [(c.component, c.device, c.kind, c.source) for c in source.channels] == [
        (Component.CPU, f"package-{n}", Kind.COUNTER, "amd_energy") for n in range(2)
    ]
    assert source.skipped == ()


def test_it_is_the_same_counter_as_powercaps_and_never_added_to_it(tmp_path: Path) -> None:
    driver(tmp_path, 1_500_000)
    rapl = Channel("rapl:0", Component.CPU, "package-0", "rapl", Kind.COUNTER)
    chosen = plan.choose([*opened(tmp_path).channels, rapl])

    assert [[c.source for c in leaf.channels] for leaf in chosen.choices[0][0]] == [["rapl", "amd_energy"]]
    assert len(chosen.choices[0]) == 1


def test_its_64_bits_pass_the_registers_32_without_a_wrap(tmp_path: Path) -> None:
    folder = driver(tmp_path, 65_000_000_000)
    source = opened(tmp_path)
    package = source.channels[0]
    tally = Tally()
    for second, counter in enumerate([65_000_000_000, 65_600_000_000, 66_200_000_000]):
        socket_file(folder, 0).write_text(f"{counter}\n")
        value = source.read()[package.id]
        tally = energy.add(tally, value, package, energy.Moment(float(second)), 3)

    assert package.wrap_j is None
    assert tally.joules == 1200
    assert (tally.wraps, tally.resets) == (0, 0)


def test_a_driver_that_is_loaded_anew_restarts_and_does_not_wrap(tmp_path: Path) -> None:
    folder = driver(tmp_path, 65_000_000_000)
    source = opened(tmp_path)
    before = source.read()["amd_energy:package-0"]
    socket_file(folder, 0).write_text("40000000\n")
    after = source.read()["amd_energy:package-0"]

    assert energy.counter_step(before, after, source.channels[0], 1, False) == energy.Step(40, "reset", False)


@pytest.mark.parametrize("text", ["", "n/a", "1e6"])
def test_garbage_in_a_counter_is_no_reading(text: str, tmp_path: Path) -> None:
    folder = driver(tmp_path, 1_500_000, 250_000)
    source = opened(tmp_path)
    socket_file(folder, 0).write_text(text)

    assert source.read() == {"amd_energy:package-1": 0.25}


def test_a_socket_that_cannot_be_read_is_left_out_not_zero_and_comes_back(tmp_path: Path) -> None:
    folder = driver(tmp_path, 1_500_000, 250_000)
    source = opened(tmp_path)
    file = socket_file(folder, 0)
    file.rename(file.with_name("kept"))
    file.mkdir()  # opens, but every read fails

    assert source.read() == {"amd_energy:package-1": 0.25}

    file.rmdir()
    file.with_name("kept").rename(file)

    assert source.read() == {"amd_energy:package-0": 1.5, "amd_energy:package-1": 0.25}
    source.close()
    source.close()


def test_counters_of_root_are_named_with_the_rule_that_opens_them(open_folder: Path) -> None:
    folder = driver(open_folder, 1_500_000, 250_000)
    for socket in (0, 1):
        socket_file(folder, socket).chmod(0)
    with Opened(OPENER, open_folder, {}, user=NOBODY) as found:
        answer = found.answer

    assert "root only" in answer["reason"]
    assert 'SUBSYSTEM=="hwmon"' in answer["fix"]
    assert 'ATTR{name}=="amd_energy"' in answer["fix"]
    assert f"/sys%p/energy{CORES + 1}_input" in answer["fix"]
    assert f"/sys%p/energy{CORES + 2}_input" in answer["fix"]
    assert "chmod a+r" not in answer["fix"]  # a group's: everybody's would let secrets leak (PLATYPUS)
    assert not answer["expected"]


def test_one_closed_counter_leaves_the_others_and_is_named(open_folder: Path) -> None:
    folder = driver(open_folder, 1_500_000, 250_000)
    socket_file(folder, 0).chmod(0)
    with Opened(OPENER, open_folder, {}, user=NOBODY) as found:
        values = found.read()

    assert values == {"amd_energy:package-1": 0.25}
    assert [(gap["what"], gap["expected"]) for gap in found.answer["skipped"]] == [
        ("amd_energy package-0", False)
    ]


def test_nothing_is_missing_where_powercap_shows_the_same(open_folder: Path) -> None:
    write_tree(open_folder, Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 50]], mode=0o444)}}))
    socket_file(driver(open_folder, 1_500_000), 0).chmod(0)
    with Opened(OPENER, open_folder, {}, user=NOBODY) as found:
        assert found.answer["expected"]


def test_no_driver_is_to_be_expected(tmp_path: Path) -> None:
    assert refused(tmp_path).expected


def test_other_drivers_with_energy_are_not_taken_for_it(tmp_path: Path) -> None:
    driver(tmp_path, 1_500_000, name="xe")

    assert refused(tmp_path).expected


def test_cores_alone_are_no_package(tmp_path: Path) -> None:
    driver(tmp_path)

    assert refused(tmp_path).reason
