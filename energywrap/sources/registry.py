"""The list of sources: when each is opened, whether it is worth importing at all, what opens it."""

from __future__ import annotations

import os
import sys

from energywrap import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from energywrap.config import Settings
    from energywrap.sources import Source

    Promising = Callable[[Settings], bool]
    Opener = Callable[[Settings], Source]
    # stage, promising, opener, and the sources beside which it is not needed
    Opening = tuple[str, Promising, Opener, tuple[str, ...]]

QUICK, SLOW, MODEL = "before the command", "on the sampler's thread", "from the snapshots alone"
ROOT_BUS = "0000:00:"
USUAL = (
    ("rapl", "model") if syscalls.LINUX else ("model",)
)  # of the others most machines have none: their absence is worth no line

NAMES = {
    "rapl": "energy counters of CPU and memory (RAPL)",
    "perf": "RAPL through perf",
    "msr": "RAPL through model-specific registers",
    "amd_energy": "energy counters of AMD sockets (amd_energy)",
    "cray": "energy counters of HPE Cray nodes (pm_counters)",
    "nvml": "energy counters of NVIDIA GPUs (NVML)",
    "gaudi": "energy counters of Intel Gaudi accelerators (HLML)",
    "amdsmi": "energy counters of AMD GPUs (amdsmi)",
    "amdgpu": "power sensors of AMD GPUs (kernel driver)",
    "intelgpu": "energy counters of Intel GPUs (xe, i915)",
    "power_meter": "ACPI power meter (whole machine, or the rails of NVIDIA Grace)",
    "jetson": "supply rails of NVIDIA Jetson (INA3221)",
    "ampere": "power of Ampere and X-Gene processors",
    "battery": "battery (whole machine while unplugged)",
    "ioreport": "energy counters of Apple chips (IOReport)",
    "powermetrics": "Apple's powermetrics",
    "emi": "Windows Energy Meter Interface (RAPL)",
    "ipmi": "power of the server's management controller (IPMI DCMI)",
    "plug": "smart plug at the wall",
    "snmp": "metered power strip (SNMP)",
    "thirdparty": "sources of other packages",
    "model": "power model",
}


def label(name: str) -> str:
    """What a person calls the source."""
    return NAMES.get(name, name)


def _exists(*parts: str) -> Promising:
    return lambda settings: os.path.exists(os.path.join(settings.sysfs_root, *parts))


def _opener(module: str, function: str) -> Opener:
    """Import the source's module only when it is opened."""

    def open_it(settings: Settings) -> Source:
        found = __import__(f"energywrap.sources.{module}", fromlist=(function,))
        source: Source = getattr(found, function)(settings)
        return source

    return open_it


def _has_powercap(settings: Settings) -> bool:
    trees = ("class/powercap", "devices/virtual/powercap")
    return any(os.path.isdir(os.path.join(settings.sysfs_root, tree)) for tree in trees)


def _intel_card(settings: Settings) -> bool:
    """Whether one of Intel's drivers has a card of its own, not only the processor's graphics."""
    for driver in ("xe", "i915"):
        try:
            names = os.listdir(os.path.join(settings.sysfs_root, "bus/pci/drivers", driver))
        except OSError:
            continue
        if any(":" in name and not name.startswith(ROOT_BUS) for name in names):
            return True
    return False


def _has_registers(settings: Settings) -> bool:
    return os.path.exists("/dev/cpu/0/msr")


def _has_driver(settings: Settings) -> bool:
    return syscalls.WINDOWS or (syscalls.LINUX and syscalls.library_present("libnvidia-ml.so.1"))


def _always(settings: Settings) -> bool:
    return True


def _has_bmc(settings: Settings) -> bool:
    return any(os.path.exists(path) for path in ("/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0"))


def _named(part: str) -> Promising:
    """Whether the user has named a meter of this kind."""
    return lambda settings: settings.meter is not None and part in settings.meter


def _brought(settings: Settings) -> bool:
    from energywrap.sources import thirdparty  # asked on the sampler's thread only

    return thirdparty.promising(settings)


def _on(platform: str) -> Promising:
    return lambda settings: sys.platform == platform


def _hwmon(*names: str) -> Promising:
    """Whether one of these drivers shows sensors."""

    def shown(settings: Settings) -> bool:
        from energywrap.sources import hwmon  # asked on the sampler's thread only

        return bool(hwmon.devices(settings.sysfs_root, *names))

    return shown


def _any(*checks: Promising) -> Promising:
    return lambda settings: any(check(settings) for check in checks)


def _discharging(settings: Settings) -> bool:
    """Whether a battery of the machine itself is feeding it."""
    from energywrap.sources import battery

    return battery.promising(settings)


def _acpi_meter(settings: Settings) -> bool:
    """Whether the firmware has a power meter, with its driver or without."""
    try:
        names = os.listdir(os.path.join(settings.sysfs_root, "bus/acpi/devices"))
    except OSError:
        return False
    return any(name.startswith("ACPI000D:") for name in names)


OPENERS: Mapping[str, Opening] = {
    "rapl": (QUICK, _has_powercap, _opener("rapl", "open_rapl"), ()),
    "perf": (QUICK, _exists("bus/event_source/devices/power"), _opener("perfrapl", "open_perf"), ("rapl",)),
    "msr": (QUICK, _has_registers, _opener("msr", "open_msr"), ("rapl", "perf")),
    "amd_energy": (
        QUICK,
        _exists("bus/platform/drivers/amd_energy"),
        _opener("amdenergy", "open_amd_energy"),
        ("rapl", "perf", "msr"),
    ),
    "cray": (QUICK, _exists("cray", "pm_counters"), _opener("cray", "open_cray"), ()),
    "nvml": (SLOW, _has_driver, _opener("nvml", "open_nvml"), ()),
    "gaudi": (SLOW, _exists("module", "habanalabs"), _opener("gaudi", "open_gaudi"), ()),
    "amdsmi": (SLOW, _exists("bus/pci/drivers/amdgpu"), _opener("amdsmi", "open_amdsmi"), ()),
    "amdgpu": (SLOW, _exists("bus/pci/drivers/amdgpu"), _opener("amdgpu", "open_amdgpu"), ()),
    "intelgpu": (SLOW, _intel_card, _opener("intelgpu", "open_intel_gpu"), ()),
    "power_meter": (
        SLOW,
        _any(_hwmon("power_meter"), _acpi_meter),
        _opener("powermeter", "open_power_meter"),
        (),
    ),
    "jetson": (
        SLOW,
        _any(
            _exists("bus/i2c/drivers/ina3221"),
            _exists("bus/i2c/drivers/ina3221x"),
            _hwmon("ina3221", "ina3221x"),
        ),
        _opener("jetson", "open_jetson"),
        (),
    ),
    "ampere": (SLOW, _hwmon("apm_xgene", "altra_hwmon", "altra"), _opener("ampere", "open_ampere"), ()),
    "battery": (SLOW, _discharging, _opener("battery", "open_battery"), ()),
    "ioreport": (SLOW, _on("darwin"), _opener("ioreport", "open_ioreport"), ()),
    "powermetrics": (SLOW, _on("darwin"), _opener("powermetrics", "open_powermetrics"), ("ioreport",)),
    "emi": (SLOW, _on("win32"), _opener("emi", "open_emi"), ()),
    "ipmi": (SLOW, _has_bmc, _opener("ipmi", "open_ipmi"), ()),
    "plug": (SLOW, _named("+http"), _opener("plugs", "open_plugs"), ()),
    "snmp": (SLOW, _named("snmp+"), _opener("snmp", "open_snmp"), ()),
    "thirdparty": (SLOW, _brought, _opener("thirdparty", "open_thirdparty"), ()),
    "model": (MODEL, _always, _opener("modelled", "open_model"), ()),
}
