"""The processor packages of the machine: who made them, who speaks for each, what their counters are."""

from __future__ import annotations

import os

from energywrap.readings import Channel, Component, Kind
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INTEL, AMD, HYGON = "GenuineIntel", "AuthenticAMD", "HygonGenuine"
CPUINFO, CPUINFO_BYTES = "/proc/cpuinfo", 1024  # the maker and the model of the first CPU come first
CPUS = "devices/system/cpu"
SIBLINGS = ("die_cpus_list", "core_siblings_list")  # the first since Linux 5.3
POWERCAP_COUNTER = "class/powercap/intel-rapl:0/energy_uj"
TICK_S = 0.001  # the hardware updates the counters about every millisecond
PACKAGE, DRAM, PLATFORM = "package", "dram", "platform"
# Component, half-width of the band around a reading (docs/methodology.md#measured-energy), and the W beyond
# which it cannot be true. The platform counter (psys) is calibrated by the maker of the board, if by anybody.
PARTS = {
    PACKAGE: (Component.CPU, 0.02, 1000.0),
    DRAM: (Component.RAM, 0.10, 1000.0),
    PLATFORM: (Component.MACHINE, 0.20, 10_000.0),
}


@record
class Processor:
    """Maker, family and model of the machine's CPUs; "" and 0 where they are not told."""

    vendor: str
    family: int
    model: int


def processor(path: str = CPUINFO) -> Processor:
    """What the first CPU of /proc/cpuinfo is."""
    try:
        lines = text(path, CPUINFO_BYTES).splitlines()
    except OSError:
        lines = []
    pairs = [line.partition(":") for line in lines]
    told = {key.strip(): value.strip() for key, _, value in reversed(pairs)}  # the first CPU's word is last
    family, model = (told.get(key, "") for key in ("cpu family", "model"))
    return Processor(
        told.get("vendor_id", ""),
        int(family) if family.isdecimal() else 0,
        int(model) if model.isdecimal() else 0,
    )


def channel(family: str, part: str, domain: str, wrap_j: float | None = None) -> Channel:
    """The energy counter of one part of a package, its device named as powercap names it."""
    component, error, max_w = PARTS[part]
    return Channel(
        id=f"{family}:{part}-{domain}",
        component=component,
        device=f"{part}-{domain}",
        source=f"psys {family}" if part == PLATFORM else family,
        kind=Kind.COUNTER,
        wrap_j=wrap_j,
        max_w=max_w,
        tick_s=TICK_S,
        error=error,
    )


def domains(cpus: Iterable[int], sys_root: str, cpuinfo: str = CPUINFO) -> dict[str, int]:
    """The CPU that speaks for each domain: "0" for package 0, "0-die-1" where dies count for themselves.

    Intel counts by die, everybody else by package: older kernels ask every die of an AMD package all the
    same, and each answers for the whole of it. A CPU whose place is not told is left out.
    """
    packages: dict[int, dict[int, int]] = {}
    for cpu in cpus:
        package = _number(sys_root, cpu, "physical_package_id")
        if package is not None:
            die = _number(sys_root, cpu, "die_id") or 0
            packages.setdefault(package, {}).setdefault(die, cpu)
    by_die = any(len(dies) > 1 for dies in packages.values()) and processor(cpuinfo).vendor == INTEL
    if by_die:
        return {f"{p}-die-{die}": cpu for p, dies in packages.items() for die, cpu in dies.items()}
    return {str(package): min(dies.values()) for package, dies in packages.items()}


def one_per_die(sys_root: str) -> list[int]:
    """One CPU of every die that is online, without asking all of hundreds."""
    waiting = _listed(sys_root, "online")
    found = []
    while waiting:
        cpu = waiting[0]
        found.append(cpu)
        lists = (_listed(sys_root, f"cpu{cpu}/topology/{name}") for name in SIBLINGS)
        mates = set(next(filter(None, lists), ()))
        waiting = [other for other in waiting[1:] if other not in mates]
    return found


def cpu_list(words: str) -> list[int]:
    """The numbers of a kernel list such as "0-3,8". Raises ValueError for anything else."""
    found: list[int] = []
    for part in filter(None, words.strip().split(",")):
        first, dash, last = part.partition("-")
        found += range(int(first), int(last if dash else first) + 1)
    return found


def counted_by_powercap(sys_root: str) -> bool:
    """Whether powercap shows the first package to this user: then nothing is missing without the others."""
    return os.access(os.path.join(sys_root, POWERCAP_COUNTER), os.R_OK)


def text(path: str, most: int = 4096) -> str:
    """What one read(2) of a small file gives: a kernel file may answer a second one anew. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, most).decode("utf-8", "replace")
    finally:
        os.close(fd)


def names(folder: str) -> Sequence[str]:
    """The sorted names in a folder; none where it cannot be listed."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return ()


def _number(sys_root: str, cpu: int, name: str) -> int | None:
    try:
        return int(text(os.path.join(sys_root, CPUS, f"cpu{cpu}/topology/{name}")))
    except (OSError, ValueError):
        return None


def _listed(sys_root: str, name: str) -> list[int]:
    try:
        return cpu_list(text(os.path.join(sys_root, CPUS, name)))
    except (OSError, ValueError):
        return []
