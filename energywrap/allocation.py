"""How many of the machine's CPUs are kept for this run: by a batch system, a CPU set or a quota."""

from __future__ import annotations

import os

from energywrap.record import record, replace
from energywrap.units import BYTES_PER_GB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CGROUP_ROOT = "/sys/fs/cgroup"
BATCH = ("SLURM_CPUS_ON_NODE", "PBS_NUM_PPN", "NSLOTS", "LSB_DJOB_NUMPROC")  # Slurm, PBS, Grid Engine, LSF


@record
class Allocation:
    """CPUs reserved for this run of those the machine has, and who says so."""

    cpus: float
    of: int
    how: str

    @property
    def part(self) -> float:
        """The part of the machine's CPUs, 0 to 1."""
        return min(1.0, self.cpus / self.of)


def reserved(
    environ: Mapping[str, str],
    total: int,
    affinity: int,
    proc: str = "/proc/self/cgroup",
    root: str = CGROUP_ROOT,
) -> Allocation | None:
    """The smallest of what limits this process to fewer than all `total` CPUs; None where nothing does."""
    found = [Allocation(cpus, total, name) for name, cpus in _batch(environ)]
    found.append(Allocation(float(affinity), total, "CPU affinity"))
    quota = _quota(proc, root)
    if quota is not None:
        found.append(replace(quota, of=total))
    least = min(found, key=lambda each: each.cpus)
    return least if 0 < least.cpus < total else None


def sentences(kept: Allocation | None, memory_bytes: int | None, installed_bytes: int | None) -> list[str]:
    """What of the machine this process may use, where that is not all of it."""
    found = []
    if kept is not None:
        found.append(f"of the machine's {kept.of} threads {kept.cpus:g} may be used here ({kept.how})")
    if memory_bytes and installed_bytes and memory_bytes < installed_bytes:
        found.append(f"of its memory {memory_bytes / BYTES_PER_GB:.4g} GB may be used here (cgroup)")
    return found


def _batch(environ: Mapping[str, str]) -> list[tuple[str, float]]:
    return [(name, float(environ[name])) for name in BATCH if environ.get(name, "").isdecimal()]


def _quota(proc: str, root: str) -> Allocation | None:
    """CPUs that the quota of our control group or of one above it comes to."""
    own = _groups(proc)
    found = [_cpus_of(folder, "cpu.max") for folder in _upwards(root, own.get("", ""))]
    named = [Allocation(cpus, 1, "cgroup cpu.max") for cpus in found if cpus is not None]
    for controllers, path in own.items():
        if "cpu" in controllers.split(","):
            for folder in _upwards(os.path.join(root, controllers), path):
                cpus = _cpus_of(folder, "cpu.cfs_quota_us", "cpu.cfs_period_us")
                if cpus is not None:
                    named.append(Allocation(cpus, 1, "cgroup cpu.cfs_quota_us"))
    return min(named, key=lambda each: each.cpus, default=None)


def memory_limit_bytes(proc: str = "/proc/self/cgroup", root: str = CGROUP_ROOT) -> int | None:
    """The least that our control group or one above it may hold of the machine's memory; None: no limit."""
    own = _groups(proc)
    files = [(folder, "memory.max") for folder in _upwards(root, own.get("", ""))]
    for controllers, path in own.items():
        if "memory" in controllers.split(","):
            files += [
                (folder, "memory.limit_in_bytes")
                for folder in _upwards(os.path.join(root, controllers), path)
            ]
    limits = [_text(os.path.join(folder, name)).strip() for folder, name in files]
    return min((int(limit) for limit in limits if limit.isdecimal()), default=None)


def _groups(proc: str) -> dict[str, str]:
    """Our group by its controllers; that of version 2 has none."""
    parts = [line.split(":", 2) for line in _text(proc).splitlines()]
    return {part[1]: part[2] for part in parts if len(part) == 3}


def _upwards(root: str, group: str) -> list[str]:
    """The folder of a group and of all above it."""
    names = [name for name in group.split("/") if name]
    return [os.path.join(root, *names[:depth]) for depth in range(len(names), -1, -1)]


def _cpus_of(folder: str, *files: str) -> float | None:
    """Quota over period, both in one file or each in its own; None for "max", -1 and what is no number."""
    words = " ".join(_text(os.path.join(folder, name)) for name in files).split()
    if len(words) != 2 or not all(word.isdecimal() for word in words) or not int(words[1]):
        return None
    return int(words[0]) / int(words[1])


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
