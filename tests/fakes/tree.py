"""A plain copy of a scenario's /sys under any folder: it stands still until a test sets a counter."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fakes.fuse import File, Node
from fakes.layout import POWERCAP, classes, devices, zone_path
from fakes.scenario import Scenario

COUNTER_WIDTH = 16  # digits and line ends: with one width, a reader in another thread sees no half number


@dataclass(frozen=True, slots=True)
class Tree:
    """A static sysfs; `root` stands for /sys."""

    root: Path

    def path(self, zone_id: str, attribute: str) -> Path:
        """The real file of a zone's attribute, not the link to it in class/powercap."""
        return self.root / POWERCAP / zone_path(zone_id) / attribute

    def set(self, zone_id: str, energy_uj: int) -> None:
        """Move a counter, in place: an open file sees the new value."""
        with self.path(zone_id, "energy_uj").open("r+b") as file:
            os.pwrite(file.fileno(), str(energy_uj).encode().ljust(COUNTER_WIDTH, b"\n"), 0)

    def mask(self) -> None:
        """Empty devices/virtual/powercap as Docker does, so that every link in the class dangles."""
        shutil.rmtree(self.root / POWERCAP)
        (self.root / POWERCAP).mkdir()


def write_tree(root: Path, scenario: Scenario) -> Tree:
    """Write the scenario as it is at its first moment, each counter at its exact start, in µJ."""
    _write(root / POWERCAP, devices(scenario, lambda: 0.0))
    for name, group in classes(scenario, lambda: 0.0).items():
        _write(root / "class" / name, group)
    tree = Tree(root)
    for zone_id, zone in scenario.zones().items():
        tree.set(zone_id, zone.start_uj)
    return tree


def _write(path: Path, node: Node) -> None:
    match node:
        case File():
            path.write_bytes(_first_bytes(node))
            path.chmod(node.mode | 0o200)  # the owner must be able to move the counter
        case str():
            path.symlink_to(node)
        case dict():
            path.mkdir(parents=True)
            for name, child in node.items():
                _write(path / name, child)


def _first_bytes(file: File) -> bytes:
    try:
        return file.data()
    except OSError:  # a script that starts inside an error window
        return b"\n"
