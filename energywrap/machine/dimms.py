"""Which kind of memory a machine has: by its memory controllers' drivers, or as root by its firmware."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("ddr3", "ddr4", "ddr5")
CONTROLLERS = "devices/system/edac/mc"
TABLES = "firmware/dmi/tables/DMI"
MODULE, END = 17, 127  # of an SMBIOS structure; SMBIOS 3 gives the kind of a module at offset 0x12
KIND_AT = 0x12
SMBIOS = {0x18: "ddr3", 0x1A: "ddr4", 0x22: "ddr5", 0x1D: "lpddr", 0x1E: "lpddr", 0x23: "lpddr"}
MOST = 1 << 20


def kind(sysfs: str = "/sys") -> str | None:
    """One of "ddr3", "ddr4", "ddr5", "lpddr"; None where nobody says, or modules of several kinds do."""
    found = set(_controllers(sysfs)) or set(_modules(_bytes(os.path.join(sysfs, TABLES))))
    return found.pop() if len(found) == 1 else None


def _controllers(sysfs: str) -> Iterator[str]:
    """The kinds that the kernel's error detection has found, readable for everyone: "Registered-DDR4"."""
    folder = os.path.join(sysfs, CONTROLLERS)
    for controller in _listing(folder):
        for module in _listing(os.path.join(folder, controller)):
            path = os.path.join(folder, controller, module, "dimm_mem_type")
            text = _bytes(path).decode("utf-8", "replace").lower() if module[:4] in ("dimm", "rank") else ""
            named = next((kind for kind in KINDS if kind in text.replace("ddr-", "ddr")), None)
            if named:
                yield "lpddr" if "low-power" in text else named


def _modules(table: bytes) -> Iterator[str]:
    """The kinds in an SMBIOS table: a structure is its formatted part, then texts that end with two zeros."""
    at = 0
    while at + 4 <= len(table):
        of, length = table[at], table[at + 1]
        if of == END or length < 4:
            return
        if of == MODULE and length > KIND_AT and at + length <= len(table):
            named = SMBIOS.get(table[at + KIND_AT])
            if named:  # an empty slot has none
                yield named
        after = table.find(b"\0\0", at + length)
        if after < 0:
            return
        at = after + 2


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MOST)
    except OSError:
        return b""
