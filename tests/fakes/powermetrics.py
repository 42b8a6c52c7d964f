"""A `powermetrics -f plist -i MS` whose documents have the shape of an Apple chip's, scripted by environment.

FAKE_POWERMETRICS        a JSON file of steps; after the last one it stays and says nothing more:
                         {"document": {...}}, {"cut": {...}} (half of one), {"wait": FIFO}, {"exit": status}
FAKE_POWERMETRICS_MW     without steps: milliwatts of CPU, GPU and neural engine, a document each interval
FAKE_POWERMETRICS_LOG    a file that gets a line of JSON with its arguments at each start
FAKE_POWERMETRICS_ALIVE  a FIFO that it holds open for writing as long as it lives
"""

from __future__ import annotations

import datetime
import json
import os
import plistlib
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COMMANDS = Path(__file__).resolve().parent / "commands"
MS_PER_S, NS_PER_S = 1000, 1_000_000_000


def document(
    cpu_mj: float = 500, gpu_mj: float = 200, ane_mj: float = 0, elapsed_s: float = 0.1
) -> dict[str, Any]:
    """One window as recorded on an M2 Pro, its list of cores shortened."""
    clusters = [
        {"name": "E-Cluster", "freq_hz": 1.2e9, "idle_ratio": 0.7, "cpus": []},
        {"name": "P-Cluster", "freq_hz": 3.2e9, "idle_ratio": 0.4, "cpus": []},
    ]
    processor: dict[str, Any] = {"clusters": clusters}
    for name, energy_mj in (("cpu", cpu_mj), ("gpu", gpu_mj), ("ane", ane_mj)):
        processor[f"{name}_energy"] = round(energy_mj)
        processor[f"{name}_power"] = energy_mj / elapsed_s
    processor["combined_power"] = (cpu_mj + gpu_mj + ane_mj) / elapsed_s
    return {
        "is_delta": True,
        "elapsed_ns": round(elapsed_s * NS_PER_S),
        "hw_model": "Mac14,9",
        "processor": processor,
        "gpu": {"freq_hz": 1.0e9, "idle_ratio": 0.9, "gpu_energy": round(gpu_mj)},
        "thermal_pressure": "Nominal",
    }


def written(told: Mapping[str, Any]) -> bytes:
    """A document as it is written, without the NUL that separates it from the next."""
    return plistlib.dumps({**told, "timestamp": datetime.datetime(2024, 1, 1)})


def env(folder: Path, steps: Sequence[Mapping[str, Any]] | None = None, **more: str) -> dict[str, str]:
    """An environment in which `powermetrics` is this one, with its log in `folder`."""
    found = {**os.environ, "PATH": f"{COMMANDS}{os.pathsep}{os.environ['PATH']}", **more}
    found["FAKE_POWERMETRICS_LOG"] = str(folder / "started")
    if steps is not None:
        (folder / "steps.json").write_text(json.dumps(steps))
        found["FAKE_POWERMETRICS"] = str(folder / "steps.json")
    return found


def started(folder: Path) -> list[list[str]]:
    """The arguments of each start so far."""
    return [json.loads(line) for line in (folder / "started").read_text().splitlines()]


def main(words: list[str]) -> None:
    """Be powermetrics."""
    if alive := os.environ.get("FAKE_POWERMETRICS_ALIVE"):
        os.open(alive, os.O_WRONLY)
    if log := os.environ.get("FAKE_POWERMETRICS_LOG"):
        with open(log, "a", encoding="utf-8") as file:
            file.write(json.dumps(words) + "\n")
    try:
        if steps := os.environ.get("FAKE_POWERMETRICS"):
            _follow(json.loads(Path(steps).read_text()))
        _live(int(words[words.index("-i") + 1]) / MS_PER_S)
    except BrokenPipeError:
        os._exit(-signal.SIGPIPE & 0xFF)  # the real one dies of the signal, which Python ignores


def _follow(steps: Sequence[Mapping[str, Any]]) -> None:
    for step in steps:
        match step:
            case {"document": told}:
                _say(written(told) + b"\n\0")
            case {"cut": told}:
                text = written(told)
                _say(text[: len(text) // 2] + b"\0")
            case {"wait": fifo}:
                with open(fifo, "rb") as file:
                    file.read()
            case {"exit": status}:
                sys.exit(status)
    signal.pause()


def _live(interval_s: float) -> None:
    cpu_mw, gpu_mw, ane_mw = map(float, os.environ.get("FAKE_POWERMETRICS_MW", "5000,2000,0").split(","))
    before = time.monotonic()
    while True:
        time.sleep(interval_s)
        now = time.monotonic()
        window_s, before = now - before, now
        told = document(cpu_mw * window_s, gpu_mw * window_s, ane_mw * window_s, window_s)
        _say(written(told) + b"\n\0")


def _say(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
