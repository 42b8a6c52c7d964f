"""The part of /sys that shows GPUs: PCI devices with their drivers' sensors, and ROCm's list of nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MI250X, MI300A = "0x7408", "0x74a0"
GIB = 1 << 30


@dataclass(frozen=True)
class Card:
    """One PCI device in a tree whose root stands for /sys."""

    folder: Path

    def set(self, **attributes: str | int) -> None:
        """Write attributes of the device itself."""
        for name, value in attributes.items():
            (self.folder / name).write_text(f"{value}\n")

    def sensors(self, name: str, **attributes: str | int) -> Path:
        """Add a hwmon device of this name, or change the attributes of the one there is."""
        root = self.folder / "hwmon"
        root.mkdir(exist_ok=True)
        there = [folder for folder in root.iterdir() if (folder / "name").read_text() == f"{name}\n"]
        hwmon = there[0] if there else root / f"hwmon{len(list(root.iterdir())) + 3}"
        hwmon.mkdir(exist_ok=True)
        for attribute, value in {"name": name, **attributes}.items():
            (hwmon / attribute).write_text(f"{value}\n")
        return hwmon

    def sleep(self, status: str = "suspended") -> None:
        """Power the device down, or up again."""
        (self.folder / "power").mkdir(exist_ok=True)
        (self.folder / "power/runtime_status").write_text(f"{status}\n")


def add(root: Path, address: str, driver: str, **attributes: str | int) -> Card:
    """A PCI device that a driver runs, with the links by which sysfs leads to it."""
    folder = root / "devices/pci0000:00" / address
    folder.mkdir(parents=True)
    for place in (f"bus/pci/drivers/{driver}", "bus/pci/devices"):
        link = root / place / address
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("../" * (place.count("/") + 1)) / "devices/pci0000:00" / address)
    (root / "bus/pci/drivers" / driver / "bind").touch()
    card = Card(folder)
    card.set(**attributes)
    return card


def radeon(root: Path, address: str, power_uw: int | None = 50_000_000, **attributes: str | int) -> Card:
    """A discrete AMD GPU with its own memory."""
    card = add(root, address, "amdgpu", **{"device": "0x744c", "mem_info_vram_total": 24 * GIB, **attributes})
    card.sensors("amdgpu", power1_label="PPT")
    if power_uw is not None:
        card.sensors("amdgpu", power1_average=power_uw)
    return card


def node(root: Path, number: int, address: str | None, unique_id: int = 0) -> Path:
    """A node of ROCm's topology: a GPU by its PCI address, or a CPU."""
    folder = root / f"class/kfd/kfd/topology/nodes/{number}"
    folder.mkdir(parents=True)
    domain, bus, place = (address or "0:0:0.0").split(":")
    slot, function = place.split(".")
    location = int(bus, 16) << 8 | int(slot, 16) << 3 | int(function, 16)
    facts = {
        "cpu_cores_count": 0 if address else 16,
        "simd_count": 192 if address else 0,
        "location_id": location,
        "domain": int(domain, 16),
        "unique_id": unique_id,
    }
    properties = folder / "properties"
    properties.write_text("".join(f"{name} {value}\n" for name, value in facts.items()))
    return properties
