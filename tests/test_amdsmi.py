"""AMD GPUs through a scripted `amdsmi`, beside a written /sys."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energywrap import balance, config, energy, plan
from energywrap.balance import Total
from energywrap.config import Settings
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind, Tally
from energywrap.sources import amdgpu, amdsmi
from energywrap.sources.amdgpu import open_amdgpu
from energywrap.sources.amdsmi import Amdsmi, open_amdsmi
from fakes import gpus

MODULE = Path(__file__).parent / "fakes/amdsmi_module"
FIRST, SECOND = "0000:03:00.0", "0000:41:00.0"
ENERGY, POWER = f"amdsmi:{FIRST}:energy", f"amdsmi:{FIRST}:power"
STEP_UJ = 15.259
# Opens the source between two lines of its own, and says how that went on stderr.
PROGRAM = """
import sys
from energywrap import config
from energywrap.errors import Unavailable
from energywrap.sources.amdsmi import open_amdsmi
print("before")
try:
    source = open_amdsmi(config.resolve({"sysfs_root": sys.argv[1]}, {}, "/"), rocm=sys.argv[2])
    print(sorted(source.read()), file=sys.stderr)
except Unavailable as absence:
    print(absence.reason, "|", absence.fix, "|", absence.expected, file=sys.stderr)
print("after")
"""
# As above, where the machine holds one GPU that tells its power.
SCRIPTED = f"""
import amdsmi
amdsmi.script(amdsmi.Gpu("{FIRST}", power={{"average_socket_power": 90}}))
{PROGRAM}
"""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The scripted module, importable for the length of a test."""
    monkeypatch.syspath_prepend(str(MODULE))
    sys.modules.pop("amdsmi", None)
    yield importlib.import_module("amdsmi")
    sys.modules.pop("amdsmi", None)


def settings(root: Path) -> Settings:
    """Settings with another place for /sys."""
    return config.resolve({"sysfs_root": str(root)}, {}, "/")


def opened(root: Path, **environ: str) -> Amdsmi:
    """The source on a written tree, in an environment of its own."""
    return open_amdsmi(settings(root), environ=environ)


def refused(root: Path, rocm: Path) -> Unavailable:
    """Why there is no source."""
    with pytest.raises(Unavailable) as caught:
        open_amdsmi(settings(root), rocm=str(rocm), environ={})
    return caught.value


def joules(joules: float, **odd: Any) -> dict[str, Any]:
    """What the library says of a counter that shows so many J."""
    count = round(joules * 1e6 / STEP_UJ)
    return {"energy_accumulator": count, "counter_resolution": STEP_UJ, "timestamp": 1, **odd}


def watts(average: Any, current: Any = "N/A") -> dict[str, Any]:
    """What the library says of a power."""
    return {"average_socket_power": average, "current_socket_power": current, "gfx_voltage": "N/A"}


def one(library: Any, root: Path, energy: Any = None, power: Any = None) -> Any:
    """A machine with one card; its script can be changed later."""
    gpus.radeon(root, FIRST)
    gpu = library.Gpu(FIRST, energy or joules(1000), power or watts(90))
    library.script(gpu)
    return gpu


def total(source: Amdsmi, readings: list[dict[str, float]]) -> Total:
    """The energy over readings one second apart."""
    tallies = {channel.id: Tally() for channel in source.channels}
    for second, values in enumerate(readings):
        for c in source.channels:
            moment = energy.Moment(float(second))
            tallies[c.id] = energy.add(tallies[c.id], values.get(c.id), c, moment, 3)
    return balance.total(plan.choose(source.channels), tallies, len(readings) - 1)


def counted(source: Amdsmi, gpu: Any, counts_j: list[float], watts_w: float = 100) -> Total:
    """The energy over these states of the counter, the power being steady."""
    readings = []
    for count_j in counts_j:
        gpu.energy, gpu.power = joules(count_j), watts(watts_w)
        readings.append(source.read())
    return total(source, readings)


# ---- what is read ----------------------------------------------------------------------------------


def test_a_gpu_has_an_energy_counter_and_a_power_gauge(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path)
    source = opened(tmp_path)

    assert [(c.id, c.source, c.kind) for c in source.channels] == [
        (ENERGY, "amdsmi energy", Kind.COUNTER),
        (POWER, "amdsmi power", Kind.GAUGE),
    ]
    assert {(c.component, c.device) for c in source.channels} == {(Component.GPU, f"gpu {FIRST}")}
    assert source.read() == {ENERGY: pytest.approx(1000, abs=1e-4), POWER: 90.0}


def test_an_older_library_calls_its_counter_power(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path, energy={"power": 65536, "counter_resolution": 15.3, "timestamp": 1})

    assert opened(tmp_path).read()[ENERGY] == pytest.approx(1.0027008)


def test_newer_chips_tell_the_power_of_the_instant_alone(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path, power=watts("N/A", 750))

    assert opened(tmp_path).read()[POWER] == 750.0


def test_the_library_and_the_kernel_speak_for_one_card_in_turn(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path)
    library.gpus[0].bdf = FIRST.upper()
    channels = [*open_amdgpu(settings(tmp_path), environ={}).channels, *opened(tmp_path).channels]
    leaves = plan.choose(channels).choices[0][0]

    assert [[c.source for c in leaf.channels] for leaf in leaves] == [
        ["amdsmi energy", "amdsmi power", "amdgpu power"]
    ]


def test_both_sources_give_a_card_one_identity(library: Any, tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, unique_id="d5a4c4f2a6a40001")
    library.script(library.Gpu(FIRST, joules(1), watts(9)))

    assert opened(tmp_path).gpus == open_amdgpu(settings(tmp_path), environ={}).gpus


def test_a_library_in_rocms_own_folder_is_found(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)
    (tmp_path / "rocm/share").mkdir(parents=True)
    (tmp_path / "rocm/share/amd_smi").symlink_to(MODULE)
    path = list(sys.path)
    try:
        absence = refused(tmp_path, tmp_path / "rocm")  # it was found, and has no GPU in its script
        assert sys.modules["amdsmi"].__file__ == str(tmp_path / "rocm/share/amd_smi/amdsmi/__init__.py")
    finally:
        sys.modules.pop("amdsmi", None)

    assert absence.reason == f"amdsmi gpu {FIRST}: {amdgpu.SILENT}"
    assert sys.path == path


# ---- a counter that lies ---------------------------------------------------------------------------


def test_a_steady_counter_speaks(library: Any, tmp_path: Path) -> None:
    gpu = one(library, tmp_path)
    found = counted(opened(tmp_path), gpu, [1000, 1100, 1200, 1300])

    assert [part.source for part in found.components] == ["amdsmi energy"]
    assert found.components[0].energy_j == pytest.approx(300, abs=1e-3)


def test_a_counter_that_stands_still_hands_over_to_the_power(library: Any, tmp_path: Path) -> None:
    gpu = one(library, tmp_path)
    found = counted(opened(tmp_path), gpu, [1000, 1000, 1000])

    assert [(part.source, part.energy_j) for part in found.components] == [("amdsmi power", 200.0)]


@pytest.mark.parametrize("factor", [0.01, 15])
def test_a_counter_that_contradicts_the_power_hands_over_to_it(
    factor: float, library: Any, tmp_path: Path
) -> None:
    gpu = one(library, tmp_path)
    found = counted(opened(tmp_path), gpu, [1000 + factor * 100 * second for second in range(4)])

    assert [(part.source, part.energy_j) for part in found.components] == [("amdsmi power", 300.0)]
    assert [gap.what for gap in found.skipped] == [f"amdsmi energy gpu {FIRST}"]


def test_a_counter_that_runs_backwards_never_counts_too_much(library: Any, tmp_path: Path) -> None:
    gpu = one(library, tmp_path)
    found = counted(opened(tmp_path), gpu, [5000, 5100, 50, 150, 250])

    assert found.components[0].energy_j == pytest.approx(350, abs=1e-3)
    assert any("restarted" in warning for warning in found.warnings)


# ---- an answer that is none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        {},
        joules(1, energy_accumulator=0),
        joules(1, energy_accumulator=2**64 - 1),
        joules(1, energy_accumulator="N/A"),
        joules(1, counter_resolution=0),
        joules(1, counter_resolution="N/A"),
        None,
    ],
)
def test_what_is_no_count_is_no_reading(answer: Any, library: Any, tmp_path: Path) -> None:
    gpu = one(library, tmp_path)
    source = opened(tmp_path)
    gpu.energy = answer

    assert source.read() == {POWER: 90.0}


@pytest.mark.parametrize(
    "answer", [{}, watts("N/A"), watts(0, 0), watts(65535), watts(2**32 - 1), watts(-1), None]
)
def test_what_is_no_power_is_no_reading(answer: Any, library: Any, tmp_path: Path) -> None:
    gpu = one(library, tmp_path)
    source = opened(tmp_path)
    gpu.power = answer

    assert source.read().keys() == {ENERGY}


def test_a_gpu_that_is_lost_is_absent_and_leaves_the_others_going(library: Any, tmp_path: Path) -> None:
    gpu = one(library, tmp_path)
    gpus.radeon(tmp_path, SECOND)
    library.gpus.append(library.Gpu(SECOND, joules(7), watts(70)))
    source = opened(tmp_path)
    gpu.energy = gpu.power = library.AmdSmiLibraryException("the device is lost")

    assert source.read().keys() == {f"amdsmi:{SECOND}:energy", f"amdsmi:{SECOND}:power"}


def test_a_gpu_without_a_counter_is_measured_by_its_power(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path, energy=library.AmdSmiLibraryException("not supported"))

    assert [c.id for c in opened(tmp_path).channels] == [POWER]


def test_a_gpu_that_tells_nothing_is_named(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path)
    for address in (SECOND, "0000:c1:00.0"):
        gpus.radeon(tmp_path, address)
    library.gpus.append(library.Gpu(SECOND))
    found = opened(tmp_path).skipped

    assert {gap.what for gap in found} == {f"amdsmi gpu {SECOND}", "amdsmi gpu 0000:c1:00.0"}
    assert not any(gap.expected for gap in found)


def test_a_sleeping_card_is_not_woken_by_being_read(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path)
    card = gpus.Card(tmp_path / "devices/pci0000:00" / FIRST)
    card.sleep()
    source = opened(tmp_path)
    assert [c.id for c in source.channels] == [ENERGY, POWER]
    assert source.read() == {}

    card.sleep("active")

    assert source.read().keys() == {ENERGY, POWER}


# ---- GPUs that are no GPU of their own -------------------------------------------------------------


def test_the_second_gpu_of_an_mi250x_is_in_the_reading_of_the_first(library: Any, tmp_path: Path) -> None:
    for address in (FIRST, SECOND):
        gpus.radeon(tmp_path, address, device=gpus.MI250X)
    library.script(library.Gpu(FIRST, joules(1), watts(90)), library.Gpu(SECOND, joules(0), watts(0)))
    source = opened(tmp_path)

    assert [c.id for c in source.channels] == [ENERGY, POWER]
    assert [(gap.what, gap.why, gap.expected) for gap in source.skipped] == [
        (f"amdsmi gpu {SECOND}", amdgpu.TWIN, True)
    ]


def test_a_partition_is_in_the_reading_of_its_gpu(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path)
    for bdf in ("0000:03:00.1", FIRST):
        library.gpus.append(library.Gpu(bdf, joules(1), watts(90)))
    source = opened(tmp_path)

    assert [c.id for c in source.channels] == [ENERGY, POWER]
    assert {(gap.why, gap.expected) for gap in source.skipped} == {(amdsmi.PARTITION, True)}


def test_a_graphics_core_is_inside_the_package_whatever_the_library_says(
    library: Any, tmp_path: Path
) -> None:
    one(library, tmp_path)
    gpus.Card(tmp_path / "devices/pci0000:00" / FIRST).set(mem_info_vram_total=512 << 20)
    absence = refused(tmp_path, tmp_path)

    assert absence.expected
    assert "package" in absence.reason


def test_a_card_that_the_command_cannot_see_is_none_of_its_energy(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path)
    gpus.node(tmp_path, 0, FIRST)

    assert {c.share for c in opened(tmp_path, ROCR_VISIBLE_DEVICES="").channels} == {0.0}
    assert {c.share for c in opened(tmp_path, ROCR_VISIBLE_DEVICES="0").channels} == {None}


# ---- threads ---------------------------------------------------------------------------------------


def test_nobody_enters_the_library_while_a_thread_hangs_in_it(library: Any, tmp_path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Stuck(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            inside.set()
            go_on.wait(10)
            return 90

    gpu = one(library, tmp_path)
    source = opened(tmp_path)
    gpu.power = Stuck()
    thread = threading.Thread(target=source.read)
    thread.start()
    try:
        assert inside.wait(10)
        assert source.read() == {}
        source.close()
        assert library.calls == ["init"]
    finally:
        go_on.set()
        thread.join(10)


def test_closing_shuts_the_library_down_once(library: Any, tmp_path: Path) -> None:
    one(library, tmp_path)
    source = opened(tmp_path)
    source.close()
    source.close()

    assert library.calls == ["init", "shut down"]
    assert source.read() == {}


# ---- no library ------------------------------------------------------------------------------------


def test_a_machine_without_an_amd_gpu_is_what_is_expected(tmp_path: Path) -> None:
    assert refused(tmp_path, tmp_path).expected


def test_a_gpu_without_rocm_is_left_to_the_kernel(tmp_path: Path) -> None:
    if importlib.util.find_spec("amdsmi"):
        pytest.skip("this machine has amdsmi")
    gpus.radeon(tmp_path, FIRST)
    absence = refused(tmp_path, tmp_path / "rocm")

    assert absence.expected
    assert "pip install amdsmi" in (absence.fix or "")


def test_a_library_that_refuses_names_the_groups_that_open_it(library: Any, tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)
    library.script(refuse=library.AmdSmiLibraryException("no permission"))
    absence = refused(tmp_path, tmp_path)

    assert "no permission" in absence.reason
    assert "render" in (absence.fix or "")
    assert "video" in (absence.fix or "")
    assert not absence.expected


def run(program: str, root: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program that opens the source; its stdout is a pipe: libraries hold back what they print."""
    gpus.radeon(root, FIRST)
    env = {**os.environ, "PYTHONPATH": str(MODULE), "PYTHONUNBUFFERED": "", **environ}
    argv = [sys.executable, "-c", program, str(root), str(root / "rocm")]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=True, timeout=30)


@pytest.mark.parametrize("failure", ["KeyError", "AttributeError", "SystemExit", "OSError"])
def test_an_import_that_fails_is_a_reason_and_prints_nothing(failure: str, tmp_path: Path) -> None:
    ran = run(PROGRAM, tmp_path, FAKE_AMDSMI=failure)

    assert ran.stdout == "before\nafter\n"  # Python's, the C library's and the descriptor's words are gone
    assert failure in ran.stderr
    assert "amd-smi-lib" in ran.stderr


def test_a_library_that_talks_while_it_starts_is_not_heard(tmp_path: Path) -> None:
    ran = run(SCRIPTED, tmp_path)

    assert ran.stdout == "before\nafter\n"
    assert ran.stderr == f"['{POWER}']\n"


def test_a_closed_stdout_is_no_obstacle(tmp_path: Path) -> None:
    ran = run(f"import os, sys\nos.close(1)\nsys.stdout = None\n{SCRIPTED}", tmp_path)

    assert ran.stderr == f"['{POWER}']\n"
