"""CPU seconds of the whole process tree, however short-lived, orphaned or unreaped its processes are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Energywrap
from energywrap import accounting, syscalls
from energywrap.accounting import cgroup, subreaper

STORM = [sys.executable, "-I", "-S", str(Path(__file__).with_name("storm.py"))]
CLOSE = 0.05  # what starting and ending a process costs is not in the storm's own sum
TIMEOUT_S = 90

# Holds a command at a gate, starts every way of counting, lets it go and reaps all: JSON on stderr.
DRIVER = """
import json, os, sys
from energywrap.accounting import cgroup, perf, subreaper
group, root, *words = sys.argv[1:]
if group:
    with open(os.path.join(group, "cgroup.procs"), "w") as file:
        file.write(str(os.getpid()))
wait_here, let_go = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(let_go)
    os.read(wait_here, 1)
    os.execv(words[0], words)
meters = {
    "perf": perf.watch(pid),
    "cgroup": cgroup.watch(pid, root=root) if group else None,
    "subreaper": subreaper.watch(pid),
}
os.close(let_go)
waited = 0.0
while True:
    try:
        ended, _, usage = os.wait4(-1, 0)
    except ChildProcessError:
        break
    if ended == pid:
        waited = usage.ru_utime + usage.ru_stime
counted = {name: meter.cpu_s() for name, meter in meters.items() if meter}
print(json.dumps({**counted, "waited": waited}), file=sys.stderr)
"""

pytestmark = pytest.mark.skipif(not syscalls.LINUX, reason="the methods are Linux's")


def storm(mode: str, number: int, milliseconds: float, group: str = "", root: str = "") -> dict[str, float]:
    """CPU seconds of a storm by each method that works here, and by its own sum as `truth`."""
    argv = [sys.executable, "-c", DRIVER, group, root, *STORM, mode, str(number), str(milliseconds)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    return {**json.loads(done.stderr), "truth": float(done.stdout)}


def need(counted: dict[str, float], method: str) -> float:
    """What a method counted; skips where it cannot count."""
    if method not in counted:
        pytest.skip(f"{method} is refused here")
    return counted[method]


@pytest.fixture(scope="module")
def many() -> dict[str, float]:
    """Five hundred processes of 20 ms, reaped by their parent."""
    return storm("wait", 500, 20)


@pytest.fixture(scope="module")
def orphans() -> dict[str, float]:
    """Processes that nobody of the command waits for."""
    return storm("daemon", 100, 20)


@pytest.mark.parametrize("method", ["perf", "subreaper", "waited"])
def test_five_hundred_processes_of_20_ms_are_all_counted(method: str, many: dict[str, float]) -> None:
    assert many["truth"] >= 10
    assert need(many, method) == pytest.approx(many["truth"], rel=CLOSE)


@pytest.mark.parametrize("method", ["perf", "subreaper"])
def test_orphans_are_counted(method: str, orphans: dict[str, float]) -> None:
    assert need(orphans, method) == pytest.approx(orphans["truth"], rel=CLOSE)
    assert orphans["waited"] < 0.5 * orphans["truth"]  # that is what a plain wait would have seen


@pytest.mark.parametrize("method", ["perf", "subreaper"])
def test_a_burner_that_forked_twice_is_counted(method: str) -> None:
    counted = storm("daemon", 1, 400)

    assert need(counted, method) == pytest.approx(counted["truth"], rel=CLOSE, abs=0.04)  # of two processes


def test_processes_whose_parent_ignores_their_end_are_counted_by_perf() -> None:
    counted = storm("sigign", 50, 20)

    assert need(counted, "perf") == pytest.approx(counted["truth"], rel=CLOSE)


# ---- a group of our own ----------------------------------------------------------------------------


@pytest.fixture(params=["unified", "cpuacct"])
def group(request: pytest.FixtureRequest) -> Iterator[tuple[Path, Path]]:
    """A fresh control group of either version, and where its hierarchy is mounted."""
    sys_root = Path("/sys/fs/cgroup")
    unified = request.param == "unified"
    roots = [sys_root, sys_root / "unified"] if unified else sys_root.glob("*cpuacct*")
    file = "cgroup.controllers" if unified else "cpuacct.usage"
    root = next((root for root in roots if (root / file).exists()), None)
    if root is None:
        pytest.skip(f"no {request.param} hierarchy is mounted")
    folder = root / f"energywrap-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as err:
        pytest.skip(f"no control group can be made here: {err.strerror}")
    yield folder, root if unified else sys_root
    until = time.monotonic() + 10
    while (folder / "cgroup.procs").read_text() and time.monotonic() < until:
        time.sleep(0.01)  # a process leaves its group a moment after it was reaped
    folder.rmdir()


@pytest.mark.parametrize("mode", ["wait", "daemon", "sigign"])
def test_a_control_group_of_our_own_counts_everything_in_it(mode: str, group: tuple[Path, Path]) -> None:
    folder, root = group
    counted = storm(mode, 25, 20, str(folder), str(root))

    assert need(counted, "cgroup") == pytest.approx(counted["truth"], rel=CLOSE, abs=0.08)


class Files:
    """The files of a control group in an ordinary folder."""

    def __init__(self, folder: Path, line: str, path: str, file: str) -> None:
        self.root, self.proc = folder / "cgroup", folder / "proc"
        self.folder, self._file = self.root / path, file
        self.folder.mkdir(parents=True)
        self.proc.write_text(line)
        self.members(os.getpid(), CHILD)

    def members(self, *pids: int) -> None:
        """Who lives in the group."""
        (self.folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def used(self, text: str) -> None:
        """What the group's clock shows."""
        (self.folder / self._file).write_text(text)

    def watch(self) -> cgroup.OwnGroup | None:
        """The meter on these files."""
        return cgroup.watch(CHILD, str(self.proc), str(self.root))


CHILD = 4_000_000  # no process has this number


@pytest.fixture
def v2(tmp_path: Path) -> Files:
    """A group of version 2."""
    files = Files(tmp_path, "0::/user.slice/job\n", "user.slice/job", "cpu.stat")
    files.used("usage_usec 5000000\nuser_usec 4000000\nsystem_usec 1000000\n")
    return files


@pytest.fixture
def v1(tmp_path: Path) -> Files:
    """A group of version 1."""
    files = Files(tmp_path, "4:cpu,cpuacct:/job\n1:name=systemd:/job\n", "cpu,cpuacct/job", "cpuacct.usage")
    files.used("5000000000\n")
    return files


def test_a_groups_clock_counts_from_where_it_stood(v2: Files) -> None:
    meter = v2.watch()
    assert meter is not None
    v2.used("user_usec 0\nusage_usec 65000000\n")

    assert meter.cpu_s() == pytest.approx(60, abs=1)  # less what we used ourselves since
    meter.close()


def test_version_1_counts_in_nanoseconds(v1: Files) -> None:
    meter = v1.watch()
    assert meter is not None
    v1.used("65000000000\n")

    assert meter.cpu_s() == pytest.approx(60, abs=1)


def test_our_own_cpu_time_is_not_the_commands(v2: Files) -> None:
    meter = v2.watch()
    assert meter is not None
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    v2.used("usage_usec 7000000\n")

    assert meter.cpu_s() == pytest.approx(1.7, abs=0.1)


@pytest.mark.parametrize("text", ["", "usage_usec\n", "usage_usec many\n", "nr_periods 0\n"])
def test_a_clock_that_cannot_be_read_is_none_not_zero(text: str, v2: Files) -> None:
    meter = v2.watch()
    assert meter is not None
    v2.used(text)

    assert meter.cpu_s() is None


def test_a_group_with_strangers_in_it_is_not_ours(v2: Files) -> None:
    v2.members(os.getpid(), CHILD, 1)

    assert v2.watch() is None


def test_a_group_with_groups_below_it_is_not_ours(v2: Files) -> None:
    (v2.folder / "below").mkdir()

    assert v2.watch() is None


def test_a_group_that_cannot_be_listed_is_not_ours(v2: Files) -> None:
    (v2.folder / "cgroup.procs").unlink()

    assert v2.watch() is None


def test_a_group_without_a_clock_is_not_used(v2: Files) -> None:
    (v2.folder / "cpu.stat").unlink()

    assert v2.watch() is None


def test_no_proc_no_group(tmp_path: Path) -> None:
    assert cgroup.watch(CHILD, str(tmp_path / "nowhere"), str(tmp_path)) is None


# ---- choosing, and the report ----------------------------------------------------------------------


def test_without_any_method_waited_for_children_are_counted_and_it_is_said_so() -> None:
    meter = subreaper.Waited()
    subprocess.run([*STORM, "wait", "1", "200"], check=True, capture_output=True)

    assert meter.cpu_s() == pytest.approx(0.2, rel=0.5)
    assert "waited" in meter.method
    assert not meter.live


def test_the_report_has_the_trees_cpu_seconds_and_how_they_were_counted(energywrap: Energywrap) -> None:
    ran = energywrap("--", *STORM, "wait", "50", "20")
    tree = ran.report["tree"]

    assert tree["method"] in {"perf", "cgroup", "subreaper"}
    assert tree["cpu_s"] == pytest.approx(float(ran.stdout), rel=CLOSE, abs=0.03)
    assert tree["rusage_cpu_s"] == pytest.approx(tree["cpu_s"], rel=CLOSE, abs=0.03)
    assert not any("waited for" in warning for warning in ran.report["warnings"])


def test_a_report_whose_two_counts_differ_says_so(energywrap: Energywrap) -> None:
    ran = energywrap("--", *STORM, "daemon", "1", "400")

    assert ran.report["tree"]["cpu_s"] == pytest.approx(float(ran.stdout), rel=CLOSE, abs=0.03)
    assert any("not waited for" in warning for warning in ran.report["warnings"])


def test_storage_that_we_move_ourselves_is_not_the_commands(tmp_path: Path) -> None:
    before = accounting.own_storage_bytes()
    if before is None:
        pytest.skip("/proc/self/io is closed here")
    with (tmp_path / "file").open("wb") as file:
        file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())

    assert accounting.own_storage_bytes() == before
