"""What the report says of an NVIDIA GPU beside what the driver's own counter says.

    python benchmarks/gpu.py [--seconds 20] [--repeat 1]

Needs PyTorch with CUDA and a GPU with an energy counter (Volta or later); measures GPU 0 only. The counter is
read here right before and right after each run; the report must meet it within 0.5 %, apart from the start
and the end of the interpreter, which the counter sees and the report does not. So the ratio is taken over
the same time: the counter is told by a second reader, at the report's own start and end, from a trace of it
made here 100 times a second. Beside it: the mean of the driver's power polled once a second, which is what
most tools report, and the command's share with a neighbour on the same GPU and without one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

BUSY = """
import sys, time, torch
side, seconds, duty = 8192, float(sys.argv[1]), float(sys.argv[2])
a = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
torch.cuda.synchronize()
end, products, began = time.monotonic() + seconds, 0, time.monotonic()
while time.monotonic() < end:
    begun = time.monotonic()
    for _ in range(10):
        a @ a
    torch.cuda.synchronize()
    products += 10
    time.sleep((time.monotonic() - begun) * (1 - duty) / duty)
print(f"{products / (time.monotonic() - began):.4g}")
"""
ENERGYWRAP = [sys.executable, "-m", "energywrap"]
ROOT = Path(__file__).resolve().parent.parent


def busy(seconds: float, duty: float = 1.0) -> list[str]:
    """Matrix products for so long, that share of the time."""
    return [sys.executable, "-c", BUSY, f"{seconds:g}", f"{duty:g}"]


@dataclass
class Witness:
    """The driver's counter (J) and power (W) of one GPU over the clock of the day (s), read by a thread."""

    library: Any
    handle: Any
    every_s: float = 0.01
    times: list[float] = field(default_factory=list)
    energy_j: list[float] = field(default_factory=list)
    power_w: list[float] = field(default_factory=list)

    def __enter__(self) -> Witness:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.every_s):
            joules = self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1000
            watts = self.library.nvmlDeviceGetPowerUsage(self.handle) / 1000
            self.times.append(time.time())
            self.energy_j.append(joules)
            self.power_w.append(watts)

    def between(self, start_s: float, end_s: float) -> float:
        """J that the counter moved from one time to another, on the line between its readings."""
        return self._at(end_s) - self._at(start_s)

    def _at(self, when_s: float) -> float:
        before = max(i for i, at in enumerate(self.times) if at <= when_s or i == 0)
        after = min(before + 1, len(self.times) - 1)
        span = self.times[after] - self.times[before] or 1.0
        part = min(max((when_s - self.times[before]) / span, 0.0), 1.0)
        return self.energy_j[before] + part * (self.energy_j[after] - self.energy_j[before])

    def polled(self, start_s: float, end_s: float, every_s: float = 1.0) -> float:
        """J by the power that the driver tells once a second, times the time: the usual way."""
        moments = [start_s + every_s * i for i in range(int((end_s - start_s) / every_s) + 1)]
        told = [
            self.power_w[min(range(len(self.times)), key=lambda i: abs(self.times[i] - at))] for at in moments
        ]
        return sum(told) / len(told) * (end_s - start_s)

    def ticks_ms(self) -> float:
        """The median time between two different values of the counter."""
        changed = [
            at for at, a, b in zip(self.times[1:], self.energy_j, self.energy_j[1:], strict=False) if a != b
        ]
        gaps = sorted(b - a for a, b in zip(changed, changed[1:], strict=False))
        return 1000 * gaps[len(gaps) // 2] if gaps else float("nan")


def run(
    job: list[str], options: list[str], folder: Path, environ: dict[str, str]
) -> tuple[dict[str, Any], str]:
    """The report of the job under energywrap, and what the job printed."""
    report = folder / "report.json"
    wrap = [*ENERGYWRAP, "run", "-q", "--no-ledger", "-z", "FR", "-o", str(report), *options, "--", *job]
    done = subprocess.run(wrap, env=environ, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(report.read_text()), done.stdout.strip()


def gpu_of(report: dict[str, Any]) -> float:
    """J of the machine's GPUs."""
    return sum(float(part["energy_j"]) for part in report["components"] if part["component"] == "gpu")


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def line(name: str, witness: Witness, report: dict[str, Any], said: str) -> None:
    start_s = moment(report["started_at"])
    end_s = start_s + report["duration_s"]
    counter, ours = witness.between(start_s, end_s), gpu_of(report)
    shared = [part["shared"] for part in report["components"] if part["component"] == "gpu"]
    print(f"{name:34}{report['duration_s']:8.2f}{counter:11.1f}{ours:11.1f}{ours / counter:8.4f}"
          f"{witness.polled(start_s, end_s) / counter:9.4f}"
          f"{report['scopes']['command']['energy_j']:11.1f}  {said:8}  {shared}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the reports in this folder")
    given = parser.parse_args()
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    print(pynvml.nvmlDeviceGetName(handle), "driver", pynvml.nvmlSystemGetDriverVersion())
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    hidden = {**environ, "CUDA_VISIBLE_DEVICES": ""}
    s = given.seconds
    jobs: list[tuple[str, list[str], list[str], dict[str, str], list[str]]] = [
        (f"sleep {s:g} s", ["sleep", f"{s:g}"], [], environ, []),
        (f"products {s:g} s", busy(s), [], environ, []),
        (f"products {s:g} s, at 10 Hz", busy(s), ["-i", "0.1"], environ, []),
        ("products 1 s", busy(1), [], environ, []),
        (f"half busy {s:g} s", busy(s, 0.5), [], environ, []),
        (f"sleep {s:g} s beside products", ["sleep", f"{s:g}"], [], environ, busy(s + 30)),
        (f"sleep {s:g} s, GPU hidden, beside", ["sleep", f"{s:g}"], [], hidden, busy(s + 30)),
        (f"products {s:g} s beside products", busy(s), [], environ, busy(s + 45)),
    ]
    print(f"{'job':34}{'s':>8}{'driver J':>11}{'report J':>11}{'ratio':>8}{'polled':>9}{'command J':>11}"
          "  products/s, the GPU's share")  # fmt: skip
    for name, job, options, env, beside in jobs * given.repeat:
        neighbour = subprocess.Popen(beside, env=environ, stdout=subprocess.DEVNULL) if beside else None
        if neighbour:
            time.sleep(12)  # until it is at work
        with tempfile.TemporaryDirectory() as folder, Witness(pynvml, handle) as witness:
            time.sleep(0.3)
            report, said = run(job, options, Path(folder), env)
            time.sleep(0.3)
        if neighbour:
            neighbour.kill()
            neighbour.wait()
        line(name, witness, report, said)
        if given.keep:
            (given.keep / (name.replace(" ", "-").replace(",", "") + ".json")).write_text(json.dumps(report))
    bare = subprocess.run(busy(s), env=environ, capture_output=True, text=True, check=True)
    print(f"the same products without energywrap: {bare.stdout.strip()} a second; "
          f"the counter moves every {witness.ticks_ms():.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
