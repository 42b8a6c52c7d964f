"""Processor and memory as macOS and Windows name them. Not yet seen on real machines."""

from __future__ import annotations

import os
import sys

from energywrap.machine.cpuinfo import Seen
from energywrap.machine.firmware import is_guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SYSCTL = "/usr/sbin/sysctl"
NAMES = (
    "machdep.cpu.brand_string", "machdep.cpu.vendor", "machdep.cpu.family", "machdep.cpu.model",
    "machdep.cpu.stepping", "hw.packages", "hw.physicalcpu", "hw.logicalcpu", "hw.memsize", "hw.model",
    "kern.hv_vmm_present",
)  # fmt: skip
PROCESSOR = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
FIRMWARE = r"HARDWARE\DESCRIPTION\System\BIOS"
TIMEOUT_S = 2.0


def of_sysctl(text: str) -> Seen:
    """A Mac from the lines "name: value" that `sysctl` prints; a name it does not know has no line."""
    values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    threads, cores = _number(values.get("hw.logicalcpu")), _number(values.get("hw.physicalcpu"))
    sockets = _number(values.get("hw.packages")) or 1
    name = values.get("machdep.cpu.brand_string", "").strip()
    return Seen(
        vendor=values.get("machdep.cpu.vendor") or ("Apple" if name.startswith("Apple") else ""),
        family=values.get("machdep.cpu.family", ""),
        model=values.get("machdep.cpu.model", ""),
        stepping=values.get("machdep.cpu.stepping", ""),
        name=name,
        threads=threads or 1,
        threads_per_socket=threads // sockets if threads else None,
        cores_per_socket=cores // sockets if cores else None,
        threads_per_core=-(-threads // cores) if threads and cores else None,
        virtual=values.get("kern.hv_vmm_present", "0").strip() == "1",
        system_vendor="Apple Inc.",
        product=values.get("hw.model", ""),
        memory_bytes=_number(values.get("hw.memsize")),
    )


def of_registry(values: Mapping[str, str], threads: int) -> Seen:
    """A Windows machine from the values of its registry: "Intel64 Family 6 Model 158 Stepping 10"."""
    words = values.get("Identifier", "").split()
    numbers = {name.lower(): number for name, number in zip(words, words[1:])}
    vendor, product = values.get("SystemManufacturer", ""), values.get("SystemProductName", "")
    return Seen(
        vendor=values.get("VendorIdentifier", ""),
        family=numbers.get("family", ""),
        model=numbers.get("model", ""),
        stepping=numbers.get("stepping", ""),
        name=values.get("ProcessorNameString", "").strip(),
        threads=threads,
        virtual=is_guest(vendor, product),
        system_vendor=vendor,
        product=product,
        memory_bytes=_number(values.get("memory")),
    )


def sysctl() -> str:
    """What `sysctl` says to the names above; nothing when it cannot be asked."""
    import subprocess

    try:
        done = subprocess.run(
            [SYSCTL, *NAMES], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")


def registry() -> Mapping[str, str]:
    """The texts under the two keys of the registry, and the memory as psutil knows it, if it is there."""
    values: dict[str, str] = {}
    if sys.platform == "win32":
        try:
            import winreg
        except ImportError:  # an interpreter that was built without it
            return values
        for path in (PROCESSOR, FIRMWARE):
            try:
                with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
                    for index in range(winreg.QueryInfoKey(key)[1]):
                        name, value, _ = winreg.EnumValue(key, index)
                        values[name] = str(value)
            except OSError:
                continue
        try:
            import psutil

            values["memory"] = str(psutil.virtual_memory().total)
        except ImportError:
            pass
    return values


def threads() -> int:
    """How many CPUs the system schedules on."""
    return os.cpu_count() or 1


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None
