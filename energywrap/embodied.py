"""What making this machine and its GPUs has cost: as given, or the usual figure of their kind."""

from __future__ import annotations

import os

from energywrap import power_model, tables
from energywrap.model import Made, Making
from energywrap.readings import Basis
from energywrap.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.config import Settings
    from energywrap.model import Gpu
    from energywrap.power_model import Described

TABLE = "embodied"
# SMBIOS' kinds of chassis: portable ones, those on or under a desk, those in a rack
PORTABLE, DESK, RACK = (
    {8, 9, 10, 14, 30, 31, 32},
    {3, 4, 5, 6, 7, 13, 15, 16, 24, 34, 35, 36},
    {17, 23, 25, 28, 29},
)
LAPTOP_TDP_W = 45  # of client parts where the chassis is not told
# A rack server without its memory: the table's machine with two sockets and 256 GB, less the memory
SERVER, SERVER_SOCKETS, SERVER_GB = "server-2s", 2, 256
RANGE_OF = "server-base"  # whose low and high, over its value, are the range of a server without memory
# Words of a GPU's name, and the rows that know it: several where publishers are far apart
GPUS = {
    "h100": ("gpu-h100-nvidia", "gpu-h100-boavizta"),
    "a100": ("gpu-a100",),
    "l4": ("gpu-l4",),
    "b200": ("gpu-b200",),
    "a4500": ("gpu-rtx-a4500",),
    "1080": ("gpu-gtx1080ti",),
}
UNKNOWN_GPU = "gpu-unknown"


def resolve(
    settings: Settings, machine: Described, gpus: Sequence[Gpu], reserved: float, sysfs: str = "/sys"
) -> Making:
    """The machine and its GPUs as things that were made."""
    sockets, memory_gb, part = power_model.physical(machine)
    kind = _kind(machine, sysfs)
    found = _server(sockets, memory_gb) if kind == "server" else _row(kind)
    return Making(
        machine=given(found, settings.embodied_kg, settings, "embodied_kg"),
        part=part,
        reserved=reserved,
        gpus=tuple(
            given(_gpu(gpu.name), settings.gpu_embodied_kg, settings, "gpu_embodied_kg") for gpu in gpus
        ),
    )


def _kind(machine: Described, sysfs: str) -> str:
    """A key of the table: "laptop", "desktop", or "server", which is put together."""
    if machine.virtual:
        return "server"
    try:
        with open(os.path.join(sysfs, "class/dmi/id/chassis_type"), encoding="ascii") as file:
            chassis = int(file.read())
    except (OSError, ValueError):
        chassis = 0
    for kind, types in (("laptop", PORTABLE), ("desktop", DESK), ("server", RACK)):
        if chassis in types:
            return kind
    if not machine.client:
        return "server"
    return "laptop" if machine.tdp_w is None or machine.tdp_w < LAPTOP_TDP_W else "desktop"


def _server(sockets: int, memory_gb: float) -> Made:
    """A rack server: chassis, board, supplies, processors, and its memory by size."""
    whole, socket, ram, spread = (_row(key) for key in (SERVER, "server-extra-cpu", "ram-gb", RANGE_OF))
    bare_kg = whole.kg - SERVER_GB * ram.kg + (sockets - SERVER_SOCKETS) * socket.kg
    plural = "s" if sockets > 1 else ""
    return Made(
        what=f"server with {sockets} socket{plural} and {memory_gb:.0f} GB of memory",
        kg=bare_kg + memory_gb * ram.kg,
        low_kg=bare_kg * spread.low_kg / spread.kg + memory_gb * ram.low_kg,
        high_kg=bare_kg * spread.high_kg / spread.kg + memory_gb * ram.high_kg,
        years=whole.years,
        basis=Basis.ASSUMED,
        source=f"{whole.source}, {ram.source}, {spread.source}",
    )


def _gpu(name: str) -> Made:
    """By a word of its name: the geometric mean of what publishers say, with their range."""
    words = name.lower().replace("-", " ").split()
    keys = next((keys for word, keys in GPUS.items() if word in words), (UNKNOWN_GPU,))
    rows = [_row(key) for key in keys]
    value = 1.0
    for row in rows:
        value *= row.kg ** (1 / len(rows))
    return Made(
        what=name if keys != (UNKNOWN_GPU,) else f"{name}, taken for an average card",
        kg=value,
        low_kg=min(row.low_kg for row in rows),
        high_kg=max(row.high_kg for row in rows),
        years=min(row.years for row in rows),
        basis=Basis.ASSUMED,
        source=", ".join(row.source for row in rows),
    )


def _row(key: str) -> Made:
    row = tables.find(TABLE, key)
    if row is None:
        tables.damaged(TABLE, f"it has no row {key}")
    kg = tables.number(row, "kg_co2e")
    return Made(
        what=row["item"],
        kg=kg,
        low_kg=tables.number(row, "low", kg),
        high_kg=tables.number(row, "high", kg),
        years=tables.number(row, "lifetime_years", 4.0),
        basis=Basis.ASSUMED,
        source=row["source_id"],
    )


def given(usual: Made, kg: float | None, settings: Settings, name: str) -> Made:
    """With what the user has said of it in place of the usual."""
    if settings.lifetime_years is not None:
        usual = replace(usual, years=settings.lifetime_years)
    if kg is None:
        return usual
    return replace(usual, kg=kg, low_kg=kg, high_kg=kg, source=f"given ({settings.origin[name]})")
