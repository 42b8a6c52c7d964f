"""What part of the machine is kept for a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from energywrap import allocation


def group(tmp_path: Path, **quotas: str) -> tuple[str, str]:
    """A process's own file and a tree of groups: `a` above `b`, each with the cpu.max given for it."""
    proc = tmp_path / "cgroup"
    proc.write_text("0::/a/b\n")
    for folder in ("", "a", "a/b"):
        (tmp_path / "tree" / folder).mkdir(parents=True, exist_ok=True)
        text = quotas.get(folder.rpartition("/")[2] or "root")
        if text is not None:
            (tmp_path / "tree" / folder / "cpu.max").write_text(text + "\n")
    return str(proc), str(tmp_path / "tree")


def test_nothing_is_reserved_where_nothing_limits(tmp_path: Path) -> None:
    assert allocation.reserved({}, 8, 8, *group(tmp_path, a="max 100000", b="max 100000")) is None


def test_the_smallest_quota_of_the_groups_above_counts(tmp_path: Path) -> None:
    found = allocation.reserved({}, 8, 8, *group(tmp_path, a="150000 100000", b="400000 100000"))

    assert found is not None
    assert (found.cpus, found.part, found.how) == (1.5, 1.5 / 8, "cgroup cpu.max")


def test_a_batch_system_names_its_cpus(tmp_path: Path) -> None:
    found = allocation.reserved({"SLURM_CPUS_ON_NODE": "4"}, 64, 64, *group(tmp_path))

    assert found is not None
    assert (found.part, found.how) == (4 / 64, "SLURM_CPUS_ON_NODE")


def test_a_cpu_set_counts_by_affinity(tmp_path: Path) -> None:
    found = allocation.reserved({}, 64, 16, *group(tmp_path))

    assert found is not None
    assert (found.part, found.how) == (0.25, "CPU affinity")


@pytest.mark.parametrize("text", ["", "max", "x 100000", "100000 0", "-1"])
def test_a_quota_that_is_none_is_passed_over(text: str, tmp_path: Path) -> None:
    assert allocation.reserved({"SLURM_CPUS_ON_NODE": "8(x2)"}, 8, 8, *group(tmp_path, b=text)) is None


def test_without_control_groups_affinity_is_what_there_is(tmp_path: Path) -> None:
    assert allocation.reserved({}, 8, 8, str(tmp_path / "none"), str(tmp_path)) is None


def test_a_quota_of_version_1_counts_as_one_of_version_2(tmp_path: Path) -> None:
    proc = tmp_path / "cgroup"
    proc.write_text("5:cpu,cpuacct:/job/7\n3:memory:/job/7\n0::/\n")
    folder = tmp_path / "tree/cpu,cpuacct/job"
    (folder / "7").mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("250000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    (folder / "7/cpu.cfs_quota_us").write_text("-1\n")
    (folder / "7/cpu.cfs_period_us").write_text("100000\n")
    found = allocation.reserved({}, 8, 8, str(proc), str(tmp_path / "tree"))

    assert found == allocation.Allocation(2.5, 8, "cgroup cpu.cfs_quota_us")


def test_the_least_memory_limit_above_us_counts(tmp_path: Path) -> None:
    proc, tree = group(tmp_path)
    (Path(tree) / "a/memory.max").write_text("4000000000\n")
    (Path(tree) / "a/b/memory.max").write_text("max\n")

    assert allocation.memory_limit_bytes(proc, tree) == 4_000_000_000
    assert allocation.memory_limit_bytes(str(tmp_path / "none"), tree) is None


def test_what_may_be_used_is_said_where_it_is_not_all() -> None:
    kept = allocation.Allocation(2.5, 8, "cgroup cpu.max")

    assert allocation.sentences(kept, 4_000_000_000, 64_000_000_000) == [
        "of the machine's 8 threads 2.5 may be used here (cgroup cpu.max)",
        "of its memory 4 GB may be used here (cgroup)",
    ]
    assert allocation.sentences(None, 1 << 62, 64_000_000_000) == []
