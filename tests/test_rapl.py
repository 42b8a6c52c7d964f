"""RAPL through powercap: the right counters, each once, and a reason for every one that is silent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from energywrap import balance, config, energy, plan
from energywrap.config import Settings
from energywrap.errors import Unavailable
from energywrap.model import Channel, Component, Kind, Tally
from energywrap.sources.rapl import Rapl, open_rapl
from fakes.powercap import SCENARIOS
from fakes.scenario import Scenario, Zone, load
from fakes.tree import Tree, write_tree

# Opens RAPL as an ordinary user: [ids, skipped, reason, fix].
AS_A_USER = """
import codecs, json, os, sys
from energywrap import config
from energywrap.errors import Unavailable
from energywrap.sources.rapl import open_rapl
settings = config.resolve({"sysfs_root": sys.argv[1]}, {}, "/")
codecs.lookup("ascii")  # now: the interpreter itself may be root's alone
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    rapl = open_rapl(settings)
    found = [[c.id for c in rapl.channels], [[s.what, s.why, s.fix] for s in rapl.skipped], None, None]
except Unavailable as absence:
    found = [[], [], absence.reason, absence.fix]
print(json.dumps(found))
"""


def settings(root: Path) -> Settings:
    """Settings with another place for /sys."""
    return config.resolve({"sysfs_root": str(root)}, {}, "/")


def scenario(name: str) -> Scenario:
    """A scenario by name."""
    return load((SCENARIOS / f"{name}.json").read_text())


def one_package(**attributes: Any) -> Scenario:
    """A machine with a single package."""
    return Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 50]], **attributes)}})


def opened(root: Path) -> Rapl:
    """RAPL on a static tree."""
    return open_rapl(settings(root))


def refused(root: Path) -> Unavailable:
    """Why RAPL cannot be opened."""
    with pytest.raises(Unavailable) as caught:
        open_rapl(settings(root))
    return caught.value


def as_a_user(root: Path) -> Any:
    """What an ordinary user finds in a folder that everybody may enter."""
    argv = [sys.executable, "-c", AS_A_USER, str(root)]
    return json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=30).stdout)


def devices(rapl: Rapl, component: str) -> list[str]:
    """The devices of a component, each once, in order."""
    return list(dict.fromkeys(c.device for c in rapl.channels if c.component == component))


def channel(rapl: Rapl, name: str) -> Channel:
    """A channel by its id."""
    return next(found for found in rapl.channels if found.id == name)


# ---- what is found ---------------------------------------------------------------------------------


def test_a_laptop_has_a_package_its_memory_and_a_counter_of_the_platform(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("laptop"))
    rapl = opened(tmp_path)

    assert {c.id for c in rapl.channels} == {
        "rapl:intel-rapl:0",
        "rapl:intel-rapl:0:1",
        "rapl:intel-rapl:1",
        "rapl:intel-rapl-mmio:0",
    }
    assert devices(rapl, Component.CPU) == ["package-0"]
    assert devices(rapl, Component.MACHINE) == ["platform"]
    assert devices(rapl, Component.RAM) == ["dram-0"]
    assert {c.kind for c in rapl.channels} == {Kind.COUNTER}


def test_the_cores_inside_the_package_are_never_read(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("laptop"))

    assert "rapl:intel-rapl:0:0" not in opened(tmp_path).read()


def test_the_kernels_own_zone_comes_before_its_memory_mapped_copy(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("laptop"))
    packages = [c.source for c in opened(tmp_path).channels if c.component == Component.CPU]

    assert packages == ["rapl", "rapl-mmio"]


def test_a_zone_and_its_copy_are_one_voice_in_the_plan(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("laptop"))
    chosen = plan.choose(opened(tmp_path).channels)
    cpu = chosen.choices[0][0]

    assert [leaf.device for leaf in cpu] == ["package-0"]
    assert [c.source for c in cpu[0].channels] == ["rapl", "rapl-mmio"]


def test_two_sockets_have_two_packages_and_two_memories(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("xeon2"))
    rapl = opened(tmp_path)

    assert devices(rapl, Component.CPU) == ["package-0", "package-1"]
    assert devices(rapl, Component.RAM) == ["dram-0", "dram-1"]
    assert [c.duplicate_of for c in rapl.channels] == [None] * 4


def test_a_second_die_may_be_the_mirror_of_the_first(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("amd_mirror"))
    rapl = opened(tmp_path)

    assert devices(rapl, Component.CPU) == ["package-0-die-0", "package-0-die-1"]
    assert channel(rapl, "rapl:intel-rapl:0").duplicate_of is None
    assert channel(rapl, "rapl:intel-rapl:1").duplicate_of == "rapl:intel-rapl:0"


def test_dies_of_different_packages_are_no_mirrors(tmp_path: Path) -> None:
    zones = {str(i): Zone(f"package-{i // 2}-die-{i % 2}", [[0, 50]]) for i in range(4)}
    write_tree(tmp_path, Scenario({"intel-rapl": zones}))
    rapl = opened(tmp_path)

    assert [c.duplicate_of for c in rapl.channels] == [None, "rapl:intel-rapl:0", None, "rapl:intel-rapl:2"]


def test_eleven_sockets_keep_their_names_apart(tmp_path: Path) -> None:
    zones = {str(i): Zone(f"package-{i}", [[0, 50]], sub={"0": Zone("dram", [[0, 9]])}) for i in range(11)}
    write_tree(tmp_path, Scenario({"intel-rapl": zones}))
    rapl = opened(tmp_path)

    assert set(devices(rapl, Component.CPU)) == {f"package-{i}" for i in range(11)}
    assert set(devices(rapl, Component.RAM)) == {f"dram-{i}" for i in range(11)}


def test_counters_are_read_in_joules_with_their_ranges(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, scenario("laptop"))
    rapl = opened(tmp_path)
    tree.set("intel-rapl:0", 1_500_000)

    assert rapl.read()["rapl:intel-rapl:0"] == 1.5
    assert rapl.read()["rapl:intel-rapl:0:1"] == pytest.approx(65_712.99)
    assert channel(rapl, "rapl:intel-rapl:0").wrap_j == pytest.approx(262_143.328850)
    assert channel(rapl, "rapl:intel-rapl:0:1").wrap_j == pytest.approx(65_712.999613)


def test_a_counter_that_moves_is_seen_to_move(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, one_package(start_uj=10_000_000))
    rapl = opened(tmp_path)
    first = rapl.read()
    tree.set("intel-rapl:0", 60_000_000)
    second = rapl.read()

    assert {name: second[name] - first[name] for name in first} == {"rapl:intel-rapl:0": 50.0}


def test_links_that_lead_nowhere_are_replaced_by_the_device_tree(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("xeon2"))
    for link in (tmp_path / "class/powercap").iterdir():
        link.unlink()
        link.symlink_to("../../nowhere/powercap")
    rapl = opened(tmp_path)

    assert devices(rapl, Component.CPU) == ["package-0", "package-1"]
    assert devices(rapl, Component.RAM) == ["dram-0", "dram-1"]
    assert len(rapl.read()) == 4


def test_a_device_tree_without_a_class_is_enough(tmp_path: Path) -> None:
    write_tree(tmp_path, one_package())
    for link in (tmp_path / "class/powercap").iterdir():
        link.unlink()
    (tmp_path / "class/powercap").rmdir()

    assert devices(opened(tmp_path), Component.CPU) == ["package-0"]


# ---- a read that fails -----------------------------------------------------------------------------


def two_packages(root: Path) -> Tree:
    """Two sockets at 1 J."""
    zones = {str(i): Zone(f"package-{i}", [[0, 50]], start_uj=1_000_000) for i in range(2)}
    return write_tree(root, Scenario({"intel-rapl": zones}))


def test_a_zone_that_cannot_be_read_is_left_out_not_zero(tmp_path: Path) -> None:
    tree = two_packages(tmp_path)
    rapl = opened(tmp_path)
    tree.path("intel-rapl:0", "energy_uj").unlink()

    assert rapl.read() == {"rapl:intel-rapl:1": 1.0}


def test_a_zone_whose_read_fails_is_left_out_and_comes_back(tmp_path: Path) -> None:
    tree = two_packages(tmp_path)
    rapl = opened(tmp_path)
    file = tree.path("intel-rapl:0", "energy_uj")
    file.rename(file.with_name("kept"))
    file.mkdir()  # opens, but every read fails

    assert rapl.read() == {"rapl:intel-rapl:1": 1.0}

    file.rmdir()
    file.with_name("kept").rename(file)

    assert rapl.read() == {"rapl:intel-rapl:0": 1.0, "rapl:intel-rapl:1": 1.0}


@pytest.mark.parametrize("text", ["", "\n", "n/a", "0x10", "12 34", "1e6", "nan", "inf", "\xff\xfe", "--5"])
def test_garbage_in_a_counter_is_no_reading(text: str, tmp_path: Path) -> None:
    tree = two_packages(tmp_path)
    rapl = opened(tmp_path)
    tree.path("intel-rapl:0", "energy_uj").write_bytes(text.encode("latin-1"))

    assert rapl.read() == {"rapl:intel-rapl:1": 1.0}


@pytest.mark.parametrize("text", [None, "", "garbage", "0"])
def test_a_counter_of_unknown_range_is_read_all_the_same(text: str | None, tmp_path: Path) -> None:
    tree = two_packages(tmp_path)
    limit = tree.path("intel-rapl:0", "max_energy_range_uj")
    limit.unlink()
    if text is not None:
        limit.write_text(text)
    rapl = opened(tmp_path)

    assert channel(rapl, "rapl:intel-rapl:0").wrap_j is None
    assert rapl.read()["rapl:intel-rapl:0"] == 1.0


def test_closing_twice_is_no_trouble_and_reading_twice_gives_the_same(tmp_path: Path) -> None:
    two_packages(tmp_path)
    rapl = opened(tmp_path)
    first = rapl.read()

    assert first.keys() == {c.id for c in rapl.channels}
    assert rapl.read() == first
    rapl.close()
    rapl.close()


def test_mirrored_dies_on_a_tree_are_counted_once(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, scenario("amd_mirror"))
    rapl = opened(tmp_path)
    tallies = {c.id: Tally() for c in rapl.channels}
    for second in range(3):
        for die in ("intel-rapl:0", "intel-rapl:1"):
            tree.set(die, 7_000_000 + second * 68_000_000)
        values = rapl.read()
        for c in rapl.channels:
            tallies[c.id] = energy.add(tallies[c.id], values.get(c.id), c, energy.Moment(float(second)), 3)
    found = balance.total(plan.choose(rapl.channels), tallies, 2)

    assert [(part.device, part.energy_j) for part in found.components] == [("package-0-die-0", 136.0)]


# ---- permission ------------------------------------------------------------------------------------


def test_counters_of_root_are_named_with_the_rule_that_opens_them(open_folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file that its ordinary self may not read")
    write_tree(open_folder, scenario("xeon2"))
    ids, _, reason, fix = as_a_user(open_folder)

    assert ids == []
    assert "root only" in reason
    assert 'SUBSYSTEM=="powercap"' in fix
    assert "chmod a+r" not in fix  # a group's: everybody's would let secrets leak (PLATYPUS)


def test_one_closed_counter_leaves_the_others_and_is_named(open_folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file that its ordinary self may not read")
    tree = two_packages(open_folder)
    tree.path("intel-rapl:1", "energy_uj").chmod(0o444)
    ids, skipped, _, _ = as_a_user(open_folder)

    assert ids == ["rapl:intel-rapl:1"]
    assert [what for what, _, _ in skipped] == ["rapl package-0"]
    assert "permission" in skipped[0][1]
    assert "udevadm" in skipped[0][2]


def test_a_closed_range_does_not_close_its_counter(open_folder: Path) -> None:
    tree = write_tree(open_folder, one_package(mode=0o444))
    tree.path("intel-rapl:0", "max_energy_range_uj").chmod(0o200)

    assert as_a_user(open_folder)[0] == ["rapl:intel-rapl:0"]


def test_a_zone_without_a_counter_is_not_a_matter_of_permission(tmp_path: Path) -> None:
    tree = two_packages(tmp_path)
    tree.path("intel-rapl:1", "energy_uj").unlink()
    rapl = opened(tmp_path)

    assert [gap.what for gap in rapl.skipped] == ["rapl package-1"]
    assert "permission" not in rapl.skipped[0].why


# ---- nothing to read -------------------------------------------------------------------------------


def test_a_root_without_powercap_is_named(tmp_path: Path) -> None:
    absence = refused(tmp_path)

    assert str(tmp_path) in absence.reason
    assert absence.fix
    assert not absence.expected


def test_a_masked_tree_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    write_tree(tmp_path, scenario("xeon2")).mask()
    absence = refused(tmp_path)

    assert absence.reason
    assert not absence.expected


def test_an_empty_powercap_class_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "class/powercap").mkdir(parents=True)

    assert refused(tmp_path).reason


def test_a_tree_without_package_or_memory_is_unavailable_with_a_fix(tmp_path: Path) -> None:
    write_tree(tmp_path, Scenario({"intel-rapl": {"0": Zone("psys", [[0, 50]])}}))
    absence = refused(tmp_path)

    assert "package" in absence.reason
    assert absence.fix


def test_other_power_caps_are_not_taken_for_rapl(tmp_path: Path) -> None:
    write_tree(tmp_path, Scenario({"dtpm": {"0": Zone("package-0", [[0, 50]])}}))

    assert refused(tmp_path).reason


def test_a_zone_without_a_name_is_passed_over(tmp_path: Path) -> None:
    tree = two_packages(tmp_path)
    tree.path("intel-rapl:0", "name").unlink()

    assert devices(opened(tmp_path), Component.CPU) == ["package-1"]
