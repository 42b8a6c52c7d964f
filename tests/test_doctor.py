"""What the doctor sees, what it advises, and the copy of a machine's files that it makes for others."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from conftest import Energywrap
from energywrap import bundle, checkup
from energywrap.checkup import Checkup
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.sources import open_all
from fakes import powercap
from fakes.scenario import Scenario, Zone, dump
from fakes.tree import write_tree

LAPTOP = Scenario(
    {
        "intel-rapl": {
            "0": Zone("package-0", [[0, 10]], sub={"0": Zone("core", [[0, 5]]), "1": Zone("dram", [[0, 2]])})
        }
    }
)


def examine(sysfs: Path) -> Checkup:
    """A checkup of a machine whose files stand still."""
    return checkup.examine(resolve({"sysfs_root": str(sysfs)}, {}, "/"), {})


def doctor(tmp_path: Path, *words: str, scenario: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`energywrap doctor`, on a live /sys if a scenario is given."""
    wrap = Energywrap(tmp_path)
    argv = [wrap.program, "doctor", *words]
    return subprocess.run(
        powercap.command(scenario, *argv) if scenario else argv,
        env=wrap.env, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(powercap.why_not() is not None, reason=str(powercap.why_not()))
def test_a_live_counter_is_shown_with_its_power_its_unit_and_its_rate(tmp_path: Path) -> None:
    scenario = tmp_path / "laptop.json"
    scenario.write_text(dump(LAPTOP))
    found = json.loads(doctor(tmp_path, "--json", scenario=scenario).stdout)
    package = next(channel for channel in found["channels"] if channel["source"] == "rapl")

    assert (package["component"], package["device"], package["unit"]) == ("cpu", "package-0", "J")
    assert package["power_w"] == pytest.approx(10, rel=0.2)
    assert package["updates_per_s"] > 5
    assert package["used"] is True


def test_a_counter_that_stands_still_is_not_used_and_the_reason_is_given(tmp_path: Path) -> None:
    write_tree(tmp_path / "sys", LAPTOP)
    found = examine(tmp_path / "sys")
    package = next(channel for channel in found.channels if channel.source == "rapl")

    assert package.used is False
    assert "did not move" in package.why
    assert next(channel for channel in found.channels if channel.source.startswith("model")).used


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_counter_for_root_only_has_a_fix_for_a_group_and_what_that_would_gain(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "sys", LAPTOP)
    for zone in ("intel-rapl:0", "intel-rapl:0:1"):
        tree.path(zone, "energy_uj").chmod(0)
    found = examine(tmp_path / "sys")
    gap = next(gap for gap in found.missing if "readable by root only" in gap.why)

    assert gap.fix is not None
    assert "chgrp energy" in gap.fix
    assert "a+r" not in gap.fix
    assert gap.gain is not None
    assert "shrinks from x0." in gap.gain


def test_the_document_holds_all_that_is_shown(tmp_path: Path) -> None:
    found = json.loads(doctor(tmp_path, "--json").stdout)

    assert set(found) == {
        "channels", "missing", "unread", "accounting", "accounting_fix", "place", "intensity", "facility",
    }  # fmt: skip
    assert found["channels"]
    assert all(gap["why"] for gap in found["missing"])


def unpacked(archive: Path, folder: Path) -> Path:
    """The sysfs of a bundle, on disk."""
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            data = packed.extractfile(member)
            assert data is not None
            target.write_bytes(data.read())
    return folder / "sys"


def test_a_bundle_is_a_machine_that_the_readers_can_be_run_on(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "sys", LAPTOP)
    done = doctor(tmp_path, "--sysfs-root", str(tree.root), "--bundle", "machine.tar.gz")
    copy = unpacked(tmp_path / "machine.tar.gz", tmp_path / "copy")

    def channels(root: Path) -> list[str]:
        return sorted(c.id for c in open_all(resolve({"sysfs_root": str(root)}, {}, "/")).channels)

    assert "in machine.tar.gz" in done.stderr
    assert "rapl:intel-rapl:0" in channels(copy)
    assert channels(copy) == channels(tree.root)
    document: Any = json.loads((tmp_path / "copy" / "doctor.json").read_text())
    assert document["channels"]


def test_a_bundle_holds_nothing_that_names_the_machine(tmp_path: Path) -> None:
    hwmon = tmp_path / "sys" / "class" / "hwmon" / "hwmon0"
    hwmon.mkdir(parents=True)
    for name, text in (("name", "power_meter"), ("power1_average", "5"), ("power1_serial_number", "SECRET"),
                       ("uevent", "SECRET"), ("serial_number", "SECRET")):  # fmt: skip
        (hwmon / name).write_text(text)
    battery = tmp_path / "sys" / "class" / "power_supply" / "BAT0"
    battery.mkdir(parents=True)
    (battery / "serial_number").write_text("SECRET")
    (battery / "power_now").write_text("7")
    count = bundle.write(str(tmp_path / "b.tar.gz"), str(tmp_path / "sys"), "{}")

    with tarfile.open(tmp_path / "b.tar.gz") as packed:
        files = {member.name: packed.extractfile(member) for member in packed.getmembers()}
        texts = [file.read() for file in files.values() if file is not None]
    assert count == 3
    assert set(files) == {
        "doctor.json",
        "sys/class/hwmon/hwmon0/name",
        "sys/class/hwmon/hwmon0/power1_average",
        "sys/class/power_supply/BAT0/power_now",
    }
    assert not any(b"SECRET" in text for text in texts)


def test_a_bundle_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write the bundle"):
        bundle.write(str(tmp_path / "none" / "b.tar.gz"), str(tmp_path), "{}")

    done = doctor(tmp_path, "--bundle", "none/b.tar.gz")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
