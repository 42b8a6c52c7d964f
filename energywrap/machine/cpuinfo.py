"""What the operating system says about processor and memory, without root; nothing is concluded here."""

from __future__ import annotations

import os

from energywrap.machine import dimms
from energywrap.machine.firmware import is_guest
from energywrap.record import record, replace
from energywrap.units import BYTES_PER_KIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_BYTES = 8192  # more than one processor of any machine; the whole file takes milliseconds on a large one


@record
class Seen:
    """The facts as they were read; None or an empty text: not said."""

    vendor: str = ""  # "GenuineIntel", "AuthenticAMD", "ARM", "Apple"
    family: str = ""  # of ARM: the implementer
    model: str = ""  # of ARM: the part
    stepping: str = ""
    name: str = ""
    board: str = ""
    flags: frozenset[str] = frozenset()
    threads: int = 1
    threads_per_socket: int | None = None
    cores_per_socket: int | None = None
    threads_per_core: int | None = None
    virtual: bool = False
    system_vendor: str = ""
    product: str = ""
    memory_bytes: int | None = None
    memory_kind: str | None = None  # "ddr4", "lpddr"


def linux(proc: str = "/proc", sysfs: str = "/sys") -> Seen:
    """A Linux machine from its files; what cannot be read is not said."""
    seen = parsed(_text(f"{proc}/cpuinfo", FIRST_BYTES))
    cpus = f"{sysfs}/devices/system/cpu"
    vendor, product = (
        _text(f"{sysfs}/class/dmi/id/{name}").strip() for name in ("sys_vendor", "product_name")
    )
    seen = replace(
        seen,
        threads=count(_text(f"{cpus}/online")) or os.cpu_count() or 1,
        board=seen.board or _text(f"{sysfs}/firmware/devicetree/base/model").rstrip("\0\n"),
        virtual=seen.virtual or is_guest(vendor, product) or bool(_text(f"{sysfs}/hypervisor/type").strip()),
        system_vendor=vendor,
        product=product,
        memory_bytes=_memory_bytes(_text(f"{proc}/meminfo", 512)),
        memory_kind=dimms.kind(sysfs),
    )
    return seen if seen.virtual else _with_topology(seen, cpus)


def parsed(cpuinfo: str) -> Seen:
    """The first processor of a /proc/cpuinfo, which may be cut off after it."""
    first, board = _fields(cpuinfo)
    flags = frozenset((first.get("flags") or first.get("Features") or "").split())
    if "CPU implementer" in first:
        implementer, part = first["CPU implementer"], first.get("CPU part", "")
        return Seen(vendor="ARM", family=implementer, model=part, flags=flags, board=board,
                    name=first.get("model name", ""))  # fmt: skip
    siblings, cores = _number(first.get("siblings")), _number(first.get("cpu cores"))
    return Seen(
        vendor=first.get("vendor_id", ""),
        family=first.get("cpu family", ""),
        model=first.get("model", ""),
        stepping=first.get("stepping", ""),
        name=first.get("model name", ""),
        flags=flags,
        threads_per_socket=siblings,
        cores_per_socket=cores,
        threads_per_core=-(-siblings // cores) if siblings and cores else None,
        virtual="hypervisor" in flags,
    )


def count(ranges: str) -> int:
    """How many CPUs a list like "0-3,8" names; 0 for one that cannot be read."""
    total = 0
    for part in ranges.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            return 0
        total += int(last or first) - int(first) + 1
    return total


def _with_topology(seen: Seen, cpus: str) -> Seen:
    """With what the first processor's topology says, where /proc/cpuinfo has not said it."""
    if seen.threads_per_socket and seen.cores_per_socket:
        return seen
    package = count(_text(f"{cpus}/cpu0/topology/package_cpus_list", 4096)) or count(
        _text(f"{cpus}/cpu0/topology/core_siblings_list", 4096)
    )
    core = count(_text(f"{cpus}/cpu0/topology/core_cpus_list")) or count(
        _text(f"{cpus}/cpu0/topology/thread_siblings_list")
    )
    if not core and _text(f"{cpus}/smt/control").strip() in ("off", "forceoff", "notsupported"):
        core = 1
    return replace(
        seen,
        threads_per_socket=package or None,
        threads_per_core=core or None,
        cores_per_socket=package // core if package and core else None,
    )


def _fields(cpuinfo: str) -> tuple[Mapping[str, str], str]:
    """The lines of the first processor, and the board that some ARM kernels name at the end."""
    first: dict[str, str] = {}
    board = ""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        first.setdefault(name.strip(), value.strip())
        if name.strip() == "Model":
            board = value.strip()
    return first, board


def _memory_bytes(meminfo: str) -> int | None:
    name, _, rest = meminfo.partition(":")
    kib = _number(rest.split()[0]) if name == "MemTotal" and rest.split() else None
    return kib * BYTES_PER_KIB if kib else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _text(path: str, most: int = 256) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""
