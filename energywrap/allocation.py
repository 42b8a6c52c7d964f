"""How many of the machine's CPUs are kept for this run: by a batch system, a CPU set or a quota."""

from __future__ import annotations

import os

from energywrap.record import record

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
        found.append(Allocation(quota, total, "cgroup cpu.max"))
    least = min(found, key=lambda each: each.cpus)
    return least if 0 < least.cpus < total else None


def _batch(environ: Mapping[str, str]) -> list[tuple[str, float]]:
    return [(name, float(environ[name])) for name in BATCH if environ.get(name, "").isdecimal()]


def _quota(proc: str, root: str) -> float | None:
    """CPUs that the quota of our control group or of one above it comes to (version 2)."""
    try:
        with open(proc, encoding="utf-8", errors="surrogateescape") as file:
            own = next(line for line in file if line.startswith("0::")).strip()[3:]
    except (OSError, StopIteration):
        return None
    least = None
    parts = [part for part in own.split("/") if part]
    for depth in range(len(parts), -1, -1):
        cpus = _cpus_of(os.path.join(root, *parts[:depth], "cpu.max"))
        if cpus is not None and (least is None or cpus < least):
            least = cpus
    return least


def _cpus_of(path: str) -> float | None:
    try:
        with open(path, encoding="ascii") as file:
            quota, period = file.read().split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # also "max": no quota
        return None
