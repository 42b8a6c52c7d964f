"""The memory that a command's tree holds: shared pages once, and no process forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from energywrap import procs
from energywrap.accounting import memory
from energywrap.fold import Fold
from energywrap.model import Channel, Component, Kind, Snapshot

MIB = 1 << 20
# Fills so many MiB, forks children that share them, says so, and waits for its standard input to end.
SHARING = """
import os, sys
filled = bytearray(os.urandom(1 << 20) * int(sys.argv[1]))
read, write = os.pipe()
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        os.write(write, b"x")
        sys.stdin.read()
        os._exit(0)
for _ in range(int(sys.argv[2])):
    os.read(read, 1)
print("ready", flush=True)
sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="no smaps_rollup here")


@pytest.fixture
def family(request: pytest.FixtureRequest) -> Iterator[int]:
    """A process that shares 64 MiB with as many children as the test wants."""
    words = [sys.executable, "-I", "-S", "-c", SHARING, "64", str(request.param)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid


@pytest.mark.parametrize("family", [0, 4], indirect=True)
def test_memory_that_processes_share_is_counted_once(family: int) -> None:
    resident = memory.resident_bytes(family)

    assert resident is not None
    assert 64 * MIB <= resident <= 110 * MIB  # five sums of resident sets would be more than 320


@pytest.mark.parametrize("family", [3], indirect=True)
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")
def test_a_tree_is_the_process_and_all_that_descend_from_it(family: int) -> None:
    if not Path(f"/proc/{family}/task/{family}/children").exists():
        pytest.skip("this kernel does not list children")

    assert len(procs.tree(family)) == 4
    assert os.getpid() not in procs.tree(family)


def test_a_process_that_has_ended_holds_nothing_that_is_known() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()

    assert memory.resident_bytes(process.pid) is None


def test_a_process_that_may_not_be_looked_into_counts_by_its_resident_set(tmp_path: Path) -> None:
    (tmp_path / "7" / "task").mkdir(parents=True)
    (tmp_path / "7" / "statm").write_text("1000 250 10 1 0 100 0\n")

    assert memory.resident_bytes(7, str(tmp_path)) == 250 * os.sysconf("SC_PAGE_SIZE")


def test_memory_is_shared_out_by_what_is_held_and_all_else_by_cpu_time() -> None:
    ram = Channel("r", Component.RAM, "dram-0", "rapl", Kind.COUNTER, max_w=1e6)
    cpu = Channel("c", Component.CPU, "package-0", "rapl", Kind.COUNTER, max_w=1e6)
    fold = Fold([ram, cpu], 1.0)
    for second in range(3):
        values = {"r": 10.0 * second, "c": 100.0 * second}
        held = 0.25 if second else None
        fold.add(
            Snapshot(
                second, 0, 0, 1.0 * second, 0.5 * second, values, dict.fromkeys(values, second), held=held
            )
        )

    assert fold.held
    assert fold.tallies["r"].shared_j == pytest.approx(0.25 * 20)
    assert fold.tallies["c"].shared_j == pytest.approx(0.5 * 200)
