"""RAPL's performance counters and register devices for one that reads them without sysfs, by LD_PRELOAD."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "fake_rapl.c"
LIBRARY = "fake_rapl.so"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
TYPE = 999  # what the fake PMU is called in its `type` file
UNITS_PER_J = 1 << 32
SCALE = "2.3283064365386962890625e-10"  # 2^-32, as the kernel writes it
CODES = {"energy-cores": 1, "energy-pkg": 2, "energy-ram": 3, "energy-gpu": 4, "energy-psys": 5}


def build(folder: Path) -> Path | None:
    """Compile the shim into a folder, once, and give its path; None where there is no way to."""
    library = folder / LIBRARY
    if library.exists() and library.stat().st_mtime >= SOURCE.stat().st_mtime:
        return library
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    shared = ("-fPIC", "-shared", "-o", library, SOURCE, "-ldl")
    subprocess.run([compiler, "-O1", *WARNINGS, *shared], check=True)
    return library


@dataclass(frozen=True)
class Machine:
    """A folder that stands for a machine: /sys, /dev, /proc/cpuinfo and what the shim goes by."""

    root: Path

    @property
    def sys(self) -> Path:
        """Its /sys."""
        return self.root / "sys"

    @property
    def dev(self) -> Path:
        """Its /dev."""
        return self.root / "dev"

    @property
    def cpuinfo(self) -> Path:
        """Its /proc/cpuinfo."""
        return self.root / "cpuinfo"

    @property
    def paranoid(self) -> Path:
        """Its /proc/sys/kernel/perf_event_paranoid."""
        return self.root / "perf_event_paranoid"

    def processor(self, vendor: str, family: int, model: int) -> None:
        """Say what its CPUs are."""
        lines = f"vendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: Fake CPU\n"
        self.cpuinfo.write_text(f"processor\t: 0\n{lines}\nprocessor\t: 1\n{lines}\n")

    def cpu(self, number: int, package: int, die: int = 0, *, mates: str | None = None) -> None:
        """Add an online CPU: its package, its die, and the list of those on its die."""
        folder = self.sys / f"devices/system/cpu/cpu{number}/topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{package}\n")
        (folder / "die_id").write_text(f"{die}\n")
        if mates is not None:
            (folder / "die_cpus_list").write_text(f"{mates}\n")
        online = self.sys / "devices/system/cpu/online"
        known = online.read_text().strip() if online.exists() else ""
        online.write_text(",".join(filter(None, [known, str(number)])) + "\n")

    def pmu(
        self, cpumask: str, *events: str, unit: str = "Joules", scale: str = SCALE, kind: int = TYPE
    ) -> None:
        """Show the `power` PMU with these events."""
        folder = self.sys / "bus/event_source/devices/power"
        (folder / "events").mkdir(parents=True)
        (folder / "type").write_text(f"{kind}\n")
        (folder / "cpumask").write_text(f"{cpumask}\n")
        for name in events:
            (folder / "events" / name).write_text(f"event=0x{CODES[name]:02x}\n")
            (folder / "events" / f"{name}.unit").write_text(f"{unit}\n")
            (folder / "events" / f"{name}.scale").write_text(f"{scale}\n")
        self.allow()

    def allow(self, level: int = 0) -> None:
        """Set perf_event_paranoid."""
        self.paranoid.write_text(f"{level}\n")
        (self.root / "pmu").write_text(f"{TYPE} {level}\n")

    def count(self, cpu: int, event: str, joules: float, watts: float = 0, epoch: float = 0) -> None:
        """What an event shows on a CPU: J, and W more from the CLOCK_MONOTONIC second `epoch` on."""
        self._event(cpu, event, f"{int(joules * UNITS_PER_J)} {watts} {epoch!r}")

    def fail(self, cpu: int, event: str, number: int | None) -> None:
        """Let reads of an event fail with an errno, or end without bytes."""
        self._event(cpu, event, "end" if number is None else f"error {number}")

    def _event(self, cpu: int, event: str, words: str) -> None:
        (self.root / f"cpu{cpu}-event{CODES[event]}").write_text(words + "\n")

    def registers(self, cpu: int, values: Mapping[int, int]) -> None:
        """The registers of a CPU as the shim answers them; all others are EIO."""
        text = "".join(f"{address:x} {value:x}\n" for address, value in values.items())
        self._device(cpu).write_text(text)

    def plain_registers(self, cpu: int, values: Mapping[int, int]) -> None:
        """The registers of a CPU in a plain file, which needs no shim: others are 0, or past its end."""
        with self._device(cpu).open("wb") as file:
            for address, value in sorted(values.items()):
                os.pwrite(file.fileno(), value.to_bytes(8, "little"), address)

    def _device(self, cpu: int) -> Path:
        path = self.dev / f"cpu/{cpu}/msr"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def env(self, shim: Path) -> dict[str, str]:
        """What to add to a process's environment so that it lives on this machine."""
        return {"LD_PRELOAD": str(shim), "FAKE_RAPL": str(self.root)}
