"""Machines as /proc and /sys show them: the first processor is in a file, the others are made from it."""

from __future__ import annotations

from pathlib import Path

TEXTS = Path(__file__).parent / "cpuinfo"
NAMES = sorted(path.stem for path in TEXTS.glob("*.txt"))


def write_box(
    root: Path,
    name: str,
    threads: int,
    *,
    sockets: int = 1,
    threads_per_core: int | None = None,
    memory_kib: int = 16_393_216,
    vendor: str = "",
    product: str = "",
) -> dict[str, str]:
    """Write proc and sys under `root`; returns them as `describe` takes them.

    `threads_per_core` writes the topology in sysfs too; without it there is none, as in some containers.
    """
    _write(root / "proc/cpuinfo", cpuinfo(name, threads, sockets))
    _write(root / "proc/meminfo", f"MemTotal:       {memory_kib} kB\nMemFree:          123456 kB\n")
    cpus = root / "sys/devices/system/cpu"
    _write(cpus / "online", f"0-{threads - 1}\n" if threads > 1 else "0\n")
    if threads_per_core is not None:
        _write(cpus / "cpu0/topology/package_cpus_list", f"0-{threads // sockets - 1}\n")
        half = threads // threads_per_core
        _write(cpus / "cpu0/topology/core_cpus_list", f"0,{half}\n" if threads_per_core == 2 else "0\n")
    if vendor:
        _write(root / "sys/class/dmi/id/sys_vendor", f"{vendor}\n")
        _write(root / "sys/class/dmi/id/product_name", f"{product}\n")
    return {"proc": str(root / "proc"), "sysfs": str(root / "sys")}


def cpuinfo(name: str, threads: int, sockets: int = 1) -> str:
    """The whole /proc/cpuinfo of a machine with that many threads."""
    first, _, tail = (TEXTS / f"{name}.txt").read_text().partition("\n\n")
    return "".join(_processor(first, n, n * sockets // threads) + "\n\n" for n in range(threads)) + tail


def _processor(first: str, number: int, socket: int) -> str:
    own = {"processor": number, "physical id": socket, "core id": number, "apicid": number}
    lines = []
    for line in first.splitlines():
        name, colon, _ = line.partition(":")
        changed = own.get(name.strip())
        lines.append(line if changed is None else f"{name}{colon} {changed}")
    return "\n".join(lines)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
