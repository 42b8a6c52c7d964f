"""Energy of an Apple chip from macOS's own counters (IOReport), through zeus-apple-silicon: needs no root.

Not yet seen on real hardware. The values are Apple's estimates, as those of `powermetrics` are.
"""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Gpu, Kind
from energywrap.record import record
from energywrap.sources.powermetrics import ERROR, FACTS, MAX_W
from energywrap.units import joules_from_millijoules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from energywrap.config import Settings
    from energywrap.readings import Skipped

TICK_S = 0.6  # an M1 Ultra moved its mJ counters every 0.3 to 0.6 s; the GPU's is the faster one
# What adds up to a device. cpu_total_mj holds all cores, clusters and their managers; the SRAM of a GPU is
# no part of gpu_mj.
DEVICES = {
    "cpu": (Component.CPU, "cpu", ("cpu_total_mj",)),
    "dram": (Component.RAM, "dram", ("dram_mj",)),
    "gpu": (Component.GPU, "gpu-apple", ("gpu_mj", "gpu_sram_mj")),
    "ane": (Component.GPU, "ane", ("ane_mj",)),
}


@record
class Mac:
    """What kind of machine this is: its architecture, the name of its chip, whether it is a virtual one."""

    machine: str
    chip: str
    virtual: bool


class IoReport:
    """The chip's growing sums; a part that it does not tell is absent, as all are when the call fails."""

    name = "ioreport"
    skipped: tuple[Skipped, ...] = ()

    def __init__(self, monitor: Any) -> None:
        self._monitor = monitor
        told = self._sums()
        self.channels = tuple(_channel(name) for name in DEVICES if name in told)
        self.gpus = (Gpu("Apple GPU", "gpu-apple", FACTS),) if "gpu" in told else ()

    def _sums(self) -> dict[str, float]:
        told = self._monitor.get_cumulative_energy()
        found = {}
        for name, (_, _, keys) in DEVICES.items():
            values_mj = [getattr(told, key, None) for key in keys]
            if values_mj[0] is not None:
                found[name] = joules_from_millijoules(sum(value for value in values_mj if value is not None))
        return found

    def read(self) -> dict[str, float]:
        """Joules by channel id."""
        try:
            sums = self._sums()
        except (RuntimeError, ValueError):  # what its C++ throws
            return {}
        return {c.id: sums[name] for c in self.channels if (name := c.id.partition(":")[2]) in sums}

    def close(self) -> None:
        """Let go of the subscription."""
        self._monitor = None


def open_ioreport(settings: Settings, *, mac: Mac | None = None) -> IoReport:
    """Subscribe to the chip's counters. Raises Unavailable off Apple's chips or without the package."""
    mac = mac or this_mac()
    if mac.machine != "arm64":
        raise Unavailable("this is no Mac with a chip of Apple's own", expected=True)
    if mac.virtual:  # without these counters the library does not fail, it crashes, and us with it
        raise Unavailable("a virtual Mac has no energy counters")
    if "Ultra" in mac.chip:  # its two dies report apart, and version 1.1.0 keeps the last one only
        raise Unavailable("zeus-apple-silicon tells one of the two dies of an Ultra only")
    try:
        from zeus_apple_silicon import AppleEnergyMonitor  # type: ignore[import-not-found]
    except ImportError as err:
        raise Unavailable("zeus-apple-silicon is not installed", "pip install zeus-apple-silicon") from err
    try:
        source = IoReport(AppleEnergyMonitor())
    except (RuntimeError, ValueError) as err:
        raise Unavailable(f"macOS tells no energy: {err}") from err
    if not source.channels:
        raise Unavailable("macOS tells no energy of this chip")
    return source


def this_mac() -> Mac:
    """This machine; anything but a Mac has no architecture here."""
    if not hasattr(os, "uname") or os.uname().sysname != "Darwin":
        return Mac("", "", virtual=True)
    import ctypes

    libc = ctypes.CDLL(None)
    virtual = sysctl(libc, b"kern.hv_vmm_present").rstrip(b"\0") != b""
    chip = sysctl(libc, b"machdep.cpu.brand_string").rstrip(b"\0").decode("utf-8", "replace")
    return Mac(os.uname().machine, chip, virtual)


def sysctl(libc: Any, name: bytes) -> bytes:
    """A value of the kernel by name, as it lies in memory; empty where there is none."""
    import ctypes

    size = ctypes.c_size_t(256)
    value = ctypes.create_string_buffer(size.value)
    if libc.sysctlbyname(name, value, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return b""
    return value.raw[: size.value]


def _channel(name: str) -> Channel:
    component, device, _ = DEVICES[name]
    return Channel(
        id=f"ioreport:{name}",
        component=component,
        device=device,
        source="ioreport estimate",
        kind=Kind.COUNTER,
        max_w=MAX_W,
        tick_s=TICK_S,
        error=ERROR,
    )
