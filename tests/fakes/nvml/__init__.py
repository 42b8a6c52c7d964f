"""An NVML library whose GPUs follow a script, for the real nvidia-ml-py."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fakes.scenario import Profile, joules

SOURCE = Path(__file__).resolve().parent / "fake_nvml.c"
LIBRARY = "libnvidia-ml.so.1"
UNSUPPORTED, ROWS, NOT_FOUND, EMPTY, RUBBISH = range(5)  # what a GPU says about its use by process
WARNINGS = ("-Wall", "-Wextra", "-Werror")
SHARED = ("-fPIC", "-shared", "-fvisibility=hidden", "-pthread", f"-Wl,-soname,{LIBRARY}")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One scripted GPU; times are seconds after the epoch, windows are (from_s, to_s)."""

    watts: Profile
    name: str = "NVIDIA Fake GPU"
    uuid: str | None = None
    arch: int = 9  # NVML_DEVICE_ARCH_HOPPER
    start_mj: int = 0
    update_ms: float = 100  # 0: the counter moves without ticks
    average_ms: float = 0  # 0: PowerUsage is instantaneous
    limit_w: float = 400
    memory_mib: int = 81920
    has_energy: bool = True
    has_power: bool = True
    frozen: bool = False  # the energy counter never moves
    mig: bool = False
    module_scope: bool = False  # power fields answer for the module, as on Grace Hopper
    slices: Sequence[tuple[str, int, int] | None] = ()  # (uuid, MiB, compute slices); None: a gap
    fields: bool = True  # the power fields 185 (a mean over 1 s) and 186 (instantaneous)
    lost_at_s: float | None = None
    lost_code: int = 15  # GPU_IS_LOST; 16: a reset is required
    reload_at_s: float | None = None  # the energy counter restarts at 0
    power_error_s: tuple[float, float] | None = None
    energy_error_s: tuple[float, float] | None = None
    processes: Path | None = None  # a file of "pid MiB sm% mem%" lines, read at every call
    graphics: Path | None = None  # the same of processes that draw
    lists: bool = True  # the driver lists processes
    use: int = ROWS  # what it says about the use by process
    celsius: int = 40
    sm_mhz: int = 1980
    throttle: int = 0
    persistence: bool = True
    bus: int | None = None  # PCI bus; None: in the order of the indices


def build(folder: Path, *, old: bool = False) -> Path | None:
    """Compile the library (of an old driver) into a folder, once; None without a C compiler."""
    library = folder / LIBRARY
    if library.exists() and library.stat().st_mtime >= SOURCE.stat().st_mtime:
        return folder
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    flags = ("-DOLD",) if old else ()
    subprocess.run([compiler, "-O1", *flags, *WARNINGS, *SHARED, "-o", library, SOURCE], check=True)
    return folder


def write_config(
    path: Path, gpus: Sequence[Gpu], epoch: float, *, init_error: int = 0, count_error: int = 0
) -> None:
    """Write the script, whole or not at all; a running program follows from its next call on."""
    head = [f"epoch {epoch!r}", f"init_error {init_error}", f"count_error {count_error}"]
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text("\n".join([*head, *(" ".join(["gpu", *_settings(gpu)]) for gpu in gpus), ""]))
    os.replace(fresh, path)


def env(library_dir: Path, config: Path) -> dict[str, str]:
    """What to add to a process's environment so that it loads the fake and reads the config."""
    folders = [str(library_dir), os.environ.get("LD_LIBRARY_PATH", "")]
    return {"LD_LIBRARY_PATH": ":".join(filter(None, folders)), "FAKE_NVML": str(config)}


def truth_j(gpu: Gpu, start_s: float, end_s: float, *, ticks: bool) -> float:
    """The script's exact energy in J; with ticks, as far as a sound counter shows it at both moments."""
    if ticks and gpu.update_ms > 0:
        start_s, end_s = (_shown_s(gpu, moment) for moment in (start_s, end_s))
    return joules(gpu.watts, start_s, end_s)


def _shown_s(gpu: Gpu, at_s: float) -> float:
    tick_s = gpu.update_ms / 1000
    return int(at_s / tick_s) * tick_s


def _settings(gpu: Gpu) -> Iterator[str]:
    yield f"name={gpu.name.replace(' ', '_')}"
    yield "profile=" + ",".join(f"{step[0]}:{step[1]}" for step in gpu.watts)
    yield f"arch={gpu.arch} e0_mj={gpu.start_mj} update_ms={gpu.update_ms} avg_ms={gpu.average_ms}"
    yield f"limit_w={gpu.limit_w} mem_mb={gpu.memory_mib} mig={gpu.mig:d} frozen={gpu.frozen:d}"
    yield f"energy={gpu.has_energy:d} power={gpu.has_power:d}"
    yield f"scope={'module' if gpu.module_scope else 'gpu'} fields={gpu.fields:d} lost_code={gpu.lost_code}"
    yield f"lists={gpu.lists:d} util={gpu.use} persistence={gpu.persistence:d}"
    yield f"temp={gpu.celsius} clock={gpu.sm_mhz} throttle={gpu.throttle}"
    if gpu.bus is not None:
        yield f"bus={gpu.bus}"
    if gpu.slices:
        yield "slices=" + ",".join(":".join(map(str, part)) if part else "" for part in gpu.slices)
    if gpu.graphics is not None:
        yield f"graphics={gpu.graphics}"
    if gpu.uuid is not None:
        yield f"uuid={gpu.uuid}"
    if gpu.processes is not None:
        yield f"procs={gpu.processes}"
    for key, moment_s in (("lost_at", gpu.lost_at_s), ("reload_at", gpu.reload_at_s)):
        if moment_s is not None:
            yield f"{key}={moment_s}"
    for key, window_s in (("power_error", gpu.power_error_s), ("energy_error", gpu.energy_error_s)):
        if window_s is not None:
            yield f"{key}_from={window_s[0]} {key}_to={window_s[1]}"
