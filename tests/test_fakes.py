"""The fakes keep to their scripts, as ordinary readers see them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import nvml, powercap
from fakes.nvml import Gpu
from fakes.scenario import Profile, Scenario, Zone, dump, joules, load
from fakes.tree import write_tree

SCENARIOS = sorted(powercap.SCENARIOS.glob("*.json"))
SHARP_S = 0.0005  # a read that took longer does not tell when its value was current

# Follows every zone for a while: {zone: [[before, after, counter], ...]}, in seconds of the script.
SYSFS_READER = """
import glob, json, os, sys, time
epoch = float(os.environ["FAKE_SYSFS_EPOCH"])
files = {p.split("/")[-2]: open(p) for p in glob.glob("/sys/class/powercap/*:*/energy_uj")}
rows = {zone: [] for zone in files}
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    for zone, file in files.items():
        before = time.monotonic() - epoch
        file.seek(0)
        value = int(file.readline())
        rows[zone].append([before, time.monotonic() - epoch, value])
    time.sleep(0.01)
print(json.dumps(rows))
"""

# At each line of its input looks at GPU 0: [before, after, energy in mJ or error, power in mW or error].
NVML_READER = """
import json, sys, time
import pynvml
pynvml.nvmlInit()
gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
def ask(query):
    try:
        return query(gpu)
    except pynvml.NVMLError as err:
        return type(err).__name__
for _ in sys.stdin:
    before = time.monotonic()
    seen = [ask(pynvml.nvmlDeviceGetTotalEnergyConsumption), ask(pynvml.nvmlDeviceGetPowerUsage)]
    print(json.dumps([before, time.monotonic(), *seen]), flush=True)
"""


class Read(NamedTuple):
    """One read of a counter between two moments of the script."""

    before_s: float
    after_s: float
    value: int


class Look(NamedTuple):
    """One look at a GPU between two moments of the script; a string names the error it gave."""

    before_s: float
    after_s: float
    energy_mj: int | str
    power_mw: int | str


# ---- scripts ---------------------------------------------------------------------------------------


def test_a_script_integrates_exactly_across_its_steps() -> None:
    assert joules([[0, 20], [1, 95], [3, 20]], 0.5, 3.5) == pytest.approx(10 + 190 + 10)


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 10))
def test_the_parts_of_a_window_add_up_to_the_whole(a: float, b: float, c: float) -> None:
    start_s, middle_s, end_s = sorted((a, b, c))
    profile: Profile = [[0, 20], [1, 95], [3.5, 0], [4, 300]]
    parts = joules(profile, start_s, middle_s) + joules(profile, middle_s, end_s)

    assert parts == pytest.approx(joules(profile, start_s, end_s), abs=1e-9)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_survives_being_written_and_read(path: Path) -> None:
    scenario = load(path.read_text())

    assert scenario.zones()
    assert load(dump(scenario)) == scenario


def test_a_misspelt_key_in_a_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="wats"):
        load('{"powercap": {"intel-rapl": {"0": {"wats": []}}}}')


def test_a_counter_wraps_at_its_range_and_restarts_at_a_reset() -> None:
    wrapping = Zone("package-0", [[0, 100]], range_uj=2**32 - 1, lsb_uj=1, start_uj=2**32 - 10)
    reset = Zone("package-0", [[0, 100]], lsb_uj=1, start_uj=10**9, reset_at_s=3)

    assert wrapping.energy_uj(1) == pytest.approx(100e6, rel=0.001)
    assert [reset.energy_uj(moment) for moment in (0, 4)] == [10**9, pytest.approx(100e6, rel=0.001)]


# ---- a plain tree ----------------------------------------------------------------------------------


def test_a_plain_tree_is_laid_out_as_sysfs_and_its_counters_can_be_moved(tmp_path: Path) -> None:
    tree = write_tree(tmp_path, load((powercap.SCENARIOS / "laptop.json").read_text()))
    zone = tmp_path / "class/powercap/intel-rapl:0:1"
    with (zone / "energy_uj").open() as held:
        start = int(held.readline())
        tree.set("intel-rapl:0:1", 7)
        held.seek(0)
        moved = int(held.read())

    assert zone.readlink() == Path("../../devices/virtual/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:1")
    assert (zone / "name").read_text() == "dram\n"
    assert (zone / "device").resolve() == tree.path("intel-rapl:0", "name").parent
    assert (zone / "subsystem").resolve() == tmp_path / "class/powercap"
    assert (start, moved) == (65_712_990_000, 7)


def test_a_masked_tree_leaves_links_to_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path, Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 1]])}})).mask()
    link = tmp_path / "class/powercap/intel-rapl:0"

    assert link.is_symlink()
    assert not link.exists()


# ---- a live /sys -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live_sysfs() -> None:
    """Skips where no private /sys can be shown."""
    if reason := powercap.why_not():
        pytest.skip(reason)


def follow(scenario: Scenario, for_s: float, tmp_path: Path) -> dict[str, list[Read]]:
    """What an ordinary reader in the fake /sys saw of each zone for some seconds."""
    out = run_in(scenario, tmp_path, sys.executable, "-c", SYSFS_READER, str(for_s)).stdout
    return {zone: [Read(*row) for row in rows] for zone, rows in json.loads(out).items()}


def run_in(scenario: Scenario, tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees the scenario."""
    path = tmp_path / "scenario.json"
    path.write_text(dump(scenario))
    argv_in = powercap.command(path, *argv)
    return subprocess.run(argv_in, capture_output=True, text=True, timeout=30, check=False)


def unwrapped_j(reads: Sequence[Read], range_uj: int) -> float:
    """What a reader who knows about wrap-around adds up, in J."""
    values = [read.value for read in reads]
    return sum((b - a) % range_uj for a, b in pairwise(values)) / 1e6


def wraps(reads: Sequence[Read]) -> int:
    """How often a counter went back."""
    values = [read.value for read in reads]
    return sum(b < a for a, b in pairwise(values))


@pytest.mark.usefixtures("live_sysfs")
def test_every_live_zone_gives_its_script_back_within_a_thousandth(tmp_path: Path) -> None:
    scenario = load((powercap.SCENARIOS / "laptop.json").read_text())
    seen = follow(scenario, 2, tmp_path)

    assert seen.keys() == scenario.zones().keys()
    for zone_id, zone in scenario.zones().items():
        sharp = [i for i, read in enumerate(seen[zone_id]) if read.after_s - read.before_s < SHARP_S]
        window = seen[zone_id][sharp[0] : sharp[-1] + 1]
        truth_j = joules(zone.watts, window[0].after_s, window[-1].before_s)
        assert window[-1].before_s - window[0].after_s > 1.5
        assert unwrapped_j(window, zone.range_uj) == pytest.approx(truth_j, rel=0.001), zone_id
    assert wraps(seen["intel-rapl:0"]) == 1
    assert wraps(seen["intel-rapl:0:0"]) == 0


@pytest.mark.usefixtures("live_sysfs")
@pytest.mark.parametrize(("at_s", "fails"), [(5, False), (15, True), (25, False)])
def test_an_error_window_reaches_the_reader_as_eio_and_passes(
    at_s: float, fails: bool, tmp_path: Path
) -> None:
    zone = Zone("package-0", [[0, 50]], start_uj=10**9, errors=[[10, 20, errno.EIO]])
    scenario = Scenario({"intel-rapl": {"0": zone}}, epoch=time.monotonic() - at_s)
    read = "import os; os.read(os.open('/sys/class/powercap/intel-rapl:0/energy_uj', os.O_RDONLY), 99)"
    done = run_in(scenario, tmp_path, sys.executable, "-c", read)

    assert (f"[Errno {errno.EIO}]" in done.stderr) is fails
    assert (done.returncode == 0) is not fails


@pytest.mark.usefixtures("live_sysfs")
def test_a_script_may_begin_in_the_past(tmp_path: Path) -> None:
    zone = Zone("package-0", [[0, 50]], start_uj=10**9, reset_at_s=3.5)
    scenario = Scenario({"intel-rapl": {"0": zone}}, epoch=time.monotonic() - 4)
    done = run_in(scenario, tmp_path, "cat", "/sys/class/powercap/intel-rapl:0/energy_uj")

    assert 24e6 <= int(done.stdout) < 10**9


@pytest.mark.usefixtures("live_sysfs")
def test_gauges_and_batteries_are_shown_next_to_the_real_classes(tmp_path: Path) -> None:
    scenario = load((powercap.SCENARIOS / "laptop.json").read_text())
    show = "cd /sys/class && cat hwmon/hwmon0/power1_average power_supply/BAT0/status && ls"
    watts, status, *classes = run_in(scenario, tmp_path, "sh", "-c", show).stdout.split()

    assert (watts, status) == ("30000000", "Discharging")
    assert set(classes) == {*os.listdir("/sys/class"), "powercap", "hwmon", "power_supply"}


@pytest.mark.usefixtures("live_sysfs")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_counter_is_closed_to_ordinary_users(tmp_path: Path) -> None:
    scenario = Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 50]])}})
    read = "import os; os.setuid(65534); os.open('/sys/class/powercap/intel-rapl:0/energy_uj', os.O_RDONLY)"
    done = run_in(scenario, tmp_path, sys.executable, "-c", read)

    assert "PermissionError" in done.stderr


@pytest.mark.usefixtures("live_sysfs")
def test_nothing_outside_changes_and_nothing_stays(tmp_path: Path) -> None:
    def outside() -> tuple[str, list[str], list[str]]:
        devices = os.listdir("/sys/devices/virtual")
        return Path("/proc/self/mounts").read_text(), sorted(os.listdir("/sys/class")), sorted(devices)

    before = outside()
    scenario = tmp_path / "scenario.json"
    scenario.write_text(dump(Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 1]])}})))
    argv = powercap.command(scenario, "sh", "-c", "echo up; read line")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as inside:
        assert inside.stdout is not None
        assert inside.stdout.readline() == "up\n"
        during = outside()
        inside.communicate("\n", timeout=10)

    assert before == during == outside()
    assert [path.name for path in tmp_path.iterdir()] == ["scenario.json"]


@pytest.mark.usefixtures("live_sysfs")
@pytest.mark.parametrize(
    ("script", "status"), [("exit 7", 7), ("kill -TERM $$", 128 + signal.SIGTERM), ("exit 0", 0)]
)
def test_the_launcher_leaves_with_the_status_of_its_command(script: str, status: int, tmp_path: Path) -> None:
    scenario = Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 1]])}})
    done = run_in(scenario, tmp_path, "sh", "-c", script)

    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


# ---- NVML ------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Where a test writes its GPUs."""
    return tmp_path / "gpus.conf"


class Watcher:
    """The real pynvml on the fake library, in a process that looks at one GPU at any second of its script."""

    def __init__(self, gpu: Gpu, nvml_dir: Path, config: Path) -> None:
        self.gpu, self.config, self.epoch = gpu, config, time.monotonic()
        nvml.write_config(config, [gpu], self.epoch)
        env = {**os.environ, **nvml.env(nvml_dir, config)}
        argv = [sys.executable, "-c", NVML_READER]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, text=True)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: object, trace: TracebackType | None) -> None:
        self._child.communicate(timeout=10)

    def at(self, second: float) -> Look:
        """Move the script to a second and look."""
        self.epoch = time.monotonic() - second
        nvml.write_config(self.config, [self.gpu], self.epoch)
        return self.now()

    def now(self) -> Look:
        """Look, with the script where it is by now."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        before, after, energy, power = json.loads(self._child.stdout.readline())
        return Look(before - self.epoch, after - self.epoch, energy, power)


Watch: TypeAlias = Callable[[Gpu], Watcher]


@pytest.fixture
def watch(nvml_dir: Path, config: Path) -> Iterator[Watch]:
    """Starts watchers that end with the test."""
    with ExitStack() as stack:
        yield lambda gpu: stack.enter_context(Watcher(gpu, nvml_dir, config))


def python(program: str, *, nvml_dir: Path, config: Path) -> Any:
    """What a Python program on the fake library prints as JSON."""
    argv = [sys.executable, "-c", program]
    env = {**os.environ, **nvml.env(nvml_dir, config)}
    return json.loads(subprocess.run(argv, env=env, capture_output=True, check=True, timeout=30).stdout)


def test_the_energy_counter_is_the_integral_up_to_its_last_tick(watch: Watch) -> None:
    gpu = Gpu([[0, 70], [0.4, 500], [0.9, 70]], start_mj=5_000_000_000_000, update_ms=100)
    watcher = watch(gpu)
    for second in (0.02, 0.32, 0.52, 0.92, 5.02, 1000.02):
        look = watcher.at(second)
        low, high = (nvml.truth_j(gpu, 0, t, ticks=True) for t in (look.before_s, look.after_s))
        assert isinstance(look.energy_mj, int)
        assert low - 0.002 <= (look.energy_mj - gpu.start_mj) / 1000 <= high + 0.002


def test_the_energy_counter_moves_by_itself_a_tick_at_a_time(watch: Watch) -> None:
    watcher = watch(Gpu([[0, 100]], update_ms=20))
    look = watcher.at(1)
    energies = [look.energy_mj]
    while look.before_s < 1.2:
        look = watcher.now()
        energies.append(look.energy_mj)

    assert len(set(energies)) > 1
    assert energies == sorted(energies, key=float)
    assert all(isinstance(mj, int) and mj % 2000 in {0, 1999} for mj in energies)  # rounded down to 1 mJ


@pytest.mark.parametrize(
    ("average_ms", "at_s", "watts"), [(0, 0.5, 70), (0, 2, 500), (1000, 1.5, 285), (1000, 5, 500)]
)
def test_power_is_instantaneous_or_a_mean(average_ms: float, at_s: float, watts: float, watch: Watch) -> None:
    look = watch(Gpu([[0, 70], [1, 500]], average_ms=average_ms)).at(at_s)
    slope = 430 if watts == 285 else 0  # the mean climbs while we look

    assert isinstance(look.power_mw, int)
    assert watts - 0.001 <= look.power_mw / 1000 <= watts + slope * (look.after_s - at_s) + 0.001


def test_a_lost_gpu_answers_nothing_but_that_it_is_lost(watch: Watch) -> None:
    watcher = watch(Gpu([[0, 100]], lost_at_s=60))

    assert watcher.at(30).power_mw == 100_000
    assert watcher.at(61)[2:] == ("NVMLError_GpuIsLost", "NVMLError_GpuIsLost")


def test_an_old_gpu_has_power_but_no_energy(watch: Watch) -> None:
    watcher = watch(Gpu([[0, 40]], has_energy=False, arch=4))

    assert watcher.at(1)[2:] == ("NVMLError_NotSupported", 40_000)


def test_the_counter_restarts_when_the_driver_is_reloaded(watch: Watch) -> None:
    watcher = watch(Gpu([[0, 100]], start_mj=9_000_000, reload_at_s=60, update_ms=1000))

    assert watcher.at(30.1).energy_mj == 9_000_000 + 30 * 100_000
    assert watcher.at(62.1).energy_mj == 2 * 100_000


def test_a_transient_error_passes_and_leaves_the_other_query_alone(watch: Watch) -> None:
    gpu = Gpu([[0, 1]], energy_error_s=(10, 20), power_error_s=(30, 40), update_ms=5000)
    watcher = watch(gpu)
    unknown = "NVMLError_Unknown"

    assert watcher.at(6)[2:] == (5000, 1000)
    assert watcher.at(11)[2:] == (unknown, 1000)
    assert watcher.at(21)[2:] == (20000, 1000)
    assert watcher.at(31)[2:] == (30000, unknown)
    assert watcher.at(41)[2:] == (40000, 1000)


def test_a_frozen_counter_stays_while_the_power_is_real(watch: Watch) -> None:
    watcher = watch(Gpu([[0, 100]], start_mj=12345, frozen=True))

    assert {watcher.at(second)[2:] for second in (0, 1, 100)} == {(12345, 100_000)}


@pytest.mark.parametrize(
    ("init_error", "count_error", "name"),
    [(9, 0, "NVMLError_DriverNotLoaded"), (0, 999, "NVMLError_Unknown")],
)
def test_a_driver_may_refuse_to_start_or_to_count(
    init_error: int, count_error: int, name: str, nvml_dir: Path, config: Path
) -> None:
    nvml.write_config(config, [Gpu([[0, 1]])], 0, init_error=init_error, count_error=count_error)
    count = """
import json, pynvml
try:
    pynvml.nvmlInit()
    print(json.dumps(pynvml.nvmlDeviceGetCount()))
except pynvml.NVMLError as err:
    print(json.dumps(type(err).__name__))
"""

    assert python(count, nvml_dir=nvml_dir, config=config) == name


def test_gpus_have_the_identity_and_processes_of_the_config(
    nvml_dir: Path, config: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows"
    rows.write_text("4242 512 60 1\n4343 256 10 1\n")
    gpus = [Gpu([[0, 1]], name="NVIDIA H100", uuid="GPU-a", processes=rows), Gpu([[0, 1]], module_scope=True)]
    nvml.write_config(config, gpus, 0)
    describe = """
import json, pynvml as n
n.nvmlInit()
gpus = [n.nvmlDeviceGetHandleByIndex(i) for i in range(n.nvmlDeviceGetCount())]
instant = [(n.NVML_FI_DEV_POWER_INSTANT, n.NVML_POWER_SCOPE_GPU)]
print(json.dumps([
    [n.nvmlDeviceGetName(g) for g in gpus],
    n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID("GPU-a")),
    [[p.pid, p.usedGpuMemory >> 20] for p in n.nvmlDeviceGetComputeRunningProcesses(gpus[0])],
    n.nvmlDeviceGetUtilizationRates(gpus[0]).gpu,
    [n.nvmlDeviceGetFieldValues(g, instant)[0].nvmlReturn for g in gpus],
]))
"""

    assert python(describe, nvml_dir=nvml_dir, config=config) == [
        ["NVIDIA H100", "NVIDIA Fake GPU"],
        0,
        [[4242, 512], [4343, 256]],
        70,
        [0, 3],
    ]
