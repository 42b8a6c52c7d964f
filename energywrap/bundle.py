"""A copy of the sysfs files that sources look at, without what identifies the machine."""

from __future__ import annotations

import io
import os
import tarfile

from energywrap.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Folders below sysfs, and the names of files in them that hold readings or say what they are.
FOLDERS = ("class/powercap", "class/hwmon", "class/power_supply", "bus/event_source/devices/power",
           "bus/i2c/drivers/ina3221", "bus/i2c/drivers/ina3221x", "cray/pm_counters")  # fmt: skip
NAMES = {"name", "energy_uj", "max_energy_range_uj", "enabled", "type", "cpumask", "status", "online",
         "power_now", "current_now", "voltage_now", "energy_now", "charge_now", "freshness", "generation",
         "startup", "raw_scan_hz", "power", "energy"}  # fmt: skip
STARTS = ("power", "energy", "in", "curr", "cpu_", "memory_", "accel")
ENDS = ("_input", "_average", "_label", "_oem_info", "_enable", "_interval", "_energy", "_power", ".scale",
        ".unit")  # fmt: skip
DEEPEST, LARGEST = 4, 4096
DOCUMENT = "doctor.json"


def write(path: str, sysfs_root: str, document: str) -> int:
    """Write the archive; the number of files in it. Raises UserError where that cannot be."""
    count = 0
    try:
        with tarfile.open(path, "w:gz") as archive:
            _add(archive, DOCUMENT, document.encode())
            for name in FOLDERS:
                for inside, data in _files(os.path.join(sysfs_root, name), name, DEEPEST):
                    _add(archive, os.path.join("sys", inside), data)
                    count += 1
    except OSError as err:
        raise UserError(f"cannot write the bundle {path}: {err.strerror}") from err
    return count


def _files(folder: str, inside: str, depth: int) -> Iterator[tuple[str, bytes]]:
    """The files below, by their path in the archive; links are followed, as the readers follow them."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            if (depth > 0 and name not in ("subsystem", "device", "power")) or name.startswith("events"):
                yield from _files(path, os.path.join(inside, name), depth - 1)
        elif _is_told(name, os.path.basename(folder)):
            data = _content(path)
            if data is not None:
                yield os.path.join(inside, name), data


def _is_told(name: str, folder: str) -> bool:
    return name in NAMES or folder == "events" or (name.startswith(STARTS) and name.endswith(ENDS))


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST)
    except OSError:
        return None  # what may not be read is missing in the copy as well


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
