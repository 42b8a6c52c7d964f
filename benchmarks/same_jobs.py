"""The same jobs under energywrap and its peers: what each says that they used.

    python benchmarks/same_jobs.py [--seconds 5]

A sleep, a burn of one core, two burns side by side, and a storm of short processes of as much CPU time as
the one burn. Peers are taken from PATH (codecarbon, joules); those that are not there are left out. The
storm's figure over the burn's shows who misses short processes.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

BIN = Path(sys.executable).parent
BURN = "import time\nwhile time.process_time() < {seconds}: pass"
BOTH = "import os\npid = os.fork()\n" + BURN + "\npid and os.waitpid(pid, 0)"
STORM = Path(__file__).resolve().parent.parent / "tests" / "storm.py"
PIECE_S = 0.02  # of CPU time for each process of the storm


def jobs(seconds: float) -> dict[str, list[str]]:
    """The commands by what they do."""
    python = [sys.executable, "-I", "-S"]
    count = str(round(seconds / PIECE_S))
    return {
        f"sleep {seconds:g} s": ["sleep", f"{seconds:g}"],
        f"burn {seconds:g} s": [*python, "-c", BURN.format(seconds=seconds)],
        "two burns": [*python, "-c", BOTH.format(seconds=seconds)],
        "storm": [sys.executable, str(STORM), "wait", count, f"{1000 * PIECE_S:g}", "1"],
    }


def quietly(argv: list[str], folder: Path) -> None:
    """Run to the end; what it prints is of no interest."""
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}
    subprocess.run(
        argv, cwd=folder, env=environ, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def ours(scope: str) -> Callable[[list[str], Path], float]:
    """J of one scope of our report."""

    def run(job: list[str], folder: Path) -> float:
        report = folder / "report.json"
        quietly([str(BIN / "energywrap"), "run", "-q", "-z", "FR", "-o", str(report), *job], folder)
        return float(json.loads(report.read_text())["scopes"][scope]["energy_j"])

    return run


def codecarbon(program: str) -> Callable[[list[str], Path], float]:
    """J of codecarbon's file."""

    def run(job: list[str], folder: Path) -> float:
        told = folder / "emissions.csv"
        told.unlink(missing_ok=True)
        options = ["monitor", "--offline", "--country-iso-code", "FRA", "--no-api", "--"]
        quietly([program, *options, *job], folder)
        *_, last = csv.DictReader(told.open())
        return float(last["energy_consumed"]) * 3.6e6

    return run


def joules(program: str) -> Callable[[list[str], Path], float]:
    """J of the result that joules writes."""

    def run(job: list[str], folder: Path) -> float:
        told = folder / "joules.json"
        quietly([program, "run", "--no-track", "--out", str(told), "--", *job], folder)
        return float(json.loads(told.read_text())["totals"]["devices_j"])

    return run


def main() -> None:
    """One table: a row a job, a column a tool, in J."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    tools = {"energywrap, machine": ours("machine"), "energywrap, command": ours("command")}
    for name, make in (("codecarbon", codecarbon), ("joules", joules)):
        program = shutil.which(name)
        if program is None:
            print(f"not installed here: {name}")
        else:
            tools[name] = make(program)
    print("What the same jobs used, in J")
    print(f"{'':16}" + "".join(f"{name:>22}" for name in tools))
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, job in jobs(given.seconds).items():
            found[name] = [run(job, Path(folder)) for run in tools.values()]
            print(f"{name:16}" + "".join(f"{value:>22.2f}" for value in found[name]))
    burn, storm = (found[name] for name in found if name.startswith("burn") or name == "storm")
    print(f"{'storm / burn':16}" + "".join(f"{s / b:>22.2f}" for s, b in zip(storm, burn)))


if __name__ == "__main__":
    main()
