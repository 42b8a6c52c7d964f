"""Gaudi accelerators through a module in the place of pyhlml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Devices are [uuid, mJ, mW]; "lost" raises, 0 is what versions that swallow errors answer.
PYHLML = """
import json, os
class HLMLError(Exception): pass
def script(): return json.loads(open(os.environ["FAKE_HLML"]).read())
def hlmlInit():
    if script()["init"]: raise HLMLError(script()["init"])
def hlmlShutdown(): pass
def hlmlDeviceGetCount(): return len(script()["devices"])
def hlmlDeviceGetHandleByIndex(index): return index
def value(handle, place):
    found = script()["devices"][handle][place]
    if found == "lost": raise HLMLError("AIP Lost")
    return found
def hlmlDeviceGetUUID(handle): return value(handle, 0).encode()
def hlmlDeviceGetName(handle): return b"HL-225"
def hlmlDeviceGetTotalEnergyConsumption(handle): return value(handle, 1)
def hlmlDeviceGetPowerUsage(handle): return value(handle, 2)
"""
PROGRAM = """
import json, os, sys
from energywrap import config
from energywrap.errors import Unavailable
from energywrap.sources.gaudi import open_gaudi
try:
    source = open_gaudi(config.resolve({"sysfs_root": sys.argv[1]}, {}, "/"))
except Unavailable as absence:
    print(json.dumps([absence.reason, absence.fix, absence.expected]))
    sys.exit()
first = source.read()
os.replace(sys.argv[2], os.environ["FAKE_HLML"])
print(json.dumps({
    "channels": [[c.id, c.device, c.source, c.kind, c.shared] for c in source.channels],
    "gpus": [[gpu.name, gpu.uuid] for gpu in source.gpus],
    "skipped": [gap.what for gap in source.skipped],
    "reads": [first, source.read()],
}))
source.close()
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with the kernel's driver and pyhlml."""
    (tmp_path / "sys/module/habanalabs").mkdir(parents=True)
    (tmp_path / "pyhlml.py").write_text(PYHLML)
    return tmp_path


def opened(machine: Path, *devices: list[Any], later: list[list[Any]] | None = None, init: str = "") -> Any:
    """What the source finds, with one reading of each of two moments."""
    now, then = machine / "now.json", machine / "later.json"
    now.write_text(json.dumps({"devices": devices, "init": init}))
    then.write_text(json.dumps({"devices": later or devices, "init": ""}))
    env = {**os.environ, "FAKE_HLML": str(now), "PYTHONPATH": str(machine)}
    argv = [sys.executable, "-c", PROGRAM, str(machine / "sys"), str(then)]
    done = subprocess.run(argv, env=env, capture_output=True, check=True, timeout=30)
    return json.loads(done.stdout)


def test_every_accelerator_tells_joules_and_watts(machine: Path) -> None:
    found = opened(machine, ["a", 5_000, 90_000], ["b", 7_000, 80_000])

    assert [channel[:4] for channel in found["channels"]] == [
        ["gaudi:a:energy", "gaudi-0", "gaudi energy", "counter"],
        ["gaudi:a:power", "gaudi-0", "gaudi power", "gauge"],
        ["gaudi:b:energy", "gaudi-1", "gaudi energy", "counter"],
        ["gaudi:b:power", "gaudi-1", "gaudi power", "gauge"],
    ]
    assert found["gpus"] == [["HL-225", "a"], ["HL-225", "b"]]
    assert found["reads"][0]["gaudi:a:energy"] == 5
    assert found["reads"][0]["gaudi:b:power"] == 80


def test_nobody_can_tell_who_uses_an_accelerator(machine: Path) -> None:
    assert all(channel[4] for channel in opened(machine, ["a", 5_000, 90_000])["channels"])


@pytest.mark.parametrize("failed", ["lost", 0])
def test_a_failed_reading_is_left_out_not_zero(failed: str | int, machine: Path) -> None:
    later: list[list[Any]] = [["a", failed, failed], ["b", 9_000, 70_000]]
    found = opened(machine, ["a", 5_000, 90_000], ["b", 7_000, 80_000], later=later)

    assert found["reads"][1] == {"gaudi:b:energy": 9, "gaudi:b:power": 70}


@pytest.mark.parametrize("failed", ["lost", 0])
def test_without_an_energy_counter_the_power_speaks(failed: str | int, machine: Path) -> None:
    assert opened(machine, ["a", failed, 90_000])["reads"][0] == {"gaudi:a:power": 90}


def test_one_that_does_not_answer_or_tells_nothing_is_named(machine: Path) -> None:
    found = opened(machine, ["lost", 1, 1], ["b", "lost", "lost"], ["c", 7_000, 80_000])

    assert found["skipped"] == ["gaudi-0", "gaudi-1"]
    assert {channel[1] for channel in found["channels"]} == {"gaudi-2"}


def test_none_that_tells_anything_is_unavailable(machine: Path) -> None:
    reason, _, expected = opened(machine, ["a", "lost", "lost"])

    assert "energy or power" in reason
    assert not expected


def test_a_driver_that_refuses_is_unavailable_with_its_own_words(machine: Path) -> None:
    reason, fix, expected = opened(machine, ["a", 1, 1], init="Driver not loaded")

    assert "Driver not loaded" in reason
    assert fix
    assert not expected


def test_a_driver_without_its_python_module_says_what_to_install(machine: Path) -> None:
    (machine / "pyhlml.py").write_text("raise ImportError")
    reason, fix, expected = opened(machine)

    assert "pyhlml" in reason
    assert "pip install" in fix
    assert not expected


def test_most_machines_have_no_such_driver(machine: Path) -> None:
    (machine / "sys/module/habanalabs").rmdir()

    assert opened(machine)[2] is True
