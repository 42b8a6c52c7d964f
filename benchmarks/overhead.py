"""What wrapping a command costs, side by side with the bare command and with other wrappers.

    python benchmarks/overhead.py [--runs 25] [--seconds 20] [--storm 2000]

Prints one table per question, with ratios to the bare interpreter or the bare command measured in the same
run. Peers are taken from PATH (`pip install codecarbon landauer-gap` in an environment of their own brings
codecarbon and joules); those that are not there are left out and named.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

from energywrap import journal, recover
from energywrap.fold import Fold
from energywrap.model import Channel, Component, JournalHead, Kind, Place, Snapshot

STAMP = r"""
#include <stdio.h>
#include <time.h>
int main(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("%ld.%09ld\n", now.tv_sec, now.tv_nsec);
  return 0;
}
"""
STORM = """
import os
for _ in range({count}):
    pid = os.fork()
    pid or os._exit(0)
    os.waitpid(pid, 0)
"""
BIN = Path(sys.executable).parent
BARE_PYTHON = [sys.executable, "-c", "pass"]
# What energywrap may cost: times as ratios to `python -c pass`, the rest as named
START, WALL, WALL_TABLE, PEAK_MIB, IDLE_1_HZ, IDLE_10_HZ, STORM_RATIO = 1.3, 1.6, 6.5, 14.0, 0.05, 0.3, 1.02

HEAD = JournalHead(
    version=journal.VERSION,
    run_id="week",
    parent_run=None,
    pid=1,
    pid_started="",
    boot_id="",
    words=("train",),
    settings={},
    folder="",
    output=None,
    started_at_s=0.0,
    channels=(),
    skipped=(),
    gpus=(),
    place=Place("FR", "flag"),
    git=None,
    method="perf",
    live=True,
)


def wrappers(folder: Path) -> dict[str, list[str]]:
    """What is put before the command, by name; only what is installed here."""
    report = str(folder / "report.json")
    ours = [str(BIN / "energywrap"), "run", "-z", "FR", "-o", report]
    known = {
        "bare": [],
        "nice": ["nice"],
        "timeout": ["timeout", "1000"],
        "GNU time": ["/usr/bin/time", "-o", str(folder / "time")],
        "perf stat": ["perf", "stat", "-o", str(folder / "perf")],
        "energywrap --quiet": [*ours, "--quiet"],
        "energywrap, table": ours,
        "joules": ["joules", "run", "--no-track", "--"],
        "codecarbon": ["codecarbon", "monitor", "--offline", "--country-iso-code", "FRA", "--no-api", "--"],
    }
    places = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    found = {
        name: (shutil.which(words[0], path=places) if words else "", words) for name, words in known.items()
    }
    return {
        name: [path, *words[1:]] if path else [] for name, (path, words) in found.items() if path is not None
    }


def compile_stamp(folder: Path) -> list[str]:
    """A program that prints the monotonic clock as its first act; Python where there is no C compiler."""
    if shutil.which("cc") is None:
        return [sys.executable, "-S", "-c", "import time; print(time.monotonic())"]
    source, program = folder / "stamp.c", folder / "stamp"
    source.write_text(STAMP)
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    return [str(program)]


def once(argv: Sequence[str]) -> tuple[float, float]:
    """Milliseconds until the command's stamp (0 if it prints none) and until the end."""
    before = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    after = time.monotonic()
    for word in done.stdout.split():  # some wrappers write to the command's output as well
        try:
            stamped = float(word)
        except ValueError:
            continue
        if before < stamped < after:
            return (stamped - before) * 1e3, (after - before) * 1e3
    return 0.0, (after - before) * 1e3


def interleaved(commands: dict[str, list[str]], runs: int) -> dict[str, tuple[float, float]]:
    """Medians of both times per command, the commands taking turns so that a noisy minute hits them all."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, argv in commands.items():
            times[name].append(once(argv))
    return {
        name: (statistics.median(t[0] for t in found), statistics.median(t[1] for t in found))
        for name, found in times.items()
    }


def against(value: float, budget: float, form: str) -> str:
    """A value beside what it may be at most."""
    return f"{value:{form}} of {budget:{form}}{'' if value <= budget else ' (!)'}"


def row(*cells: object) -> None:
    """One line of a table: the first cell wide, the others to the right."""
    print(f"{cells[0]!s:22}" + "".join(f"{cell!s:>22}" for cell in cells[1:]))


def start_and_wall(folder: Path, runs: int) -> None:
    """Time until the command starts, and the wall time added to a command that does nothing."""
    stamp = compile_stamp(folder)
    commands = {name: [*words, *stamp] for name, words in wrappers(folder).items()}
    found = interleaved({"python -c pass": BARE_PYTHON, **commands}, runs)
    python, bare = found["python -c pass"][1], found["bare"][1]
    print(f"Start and wall of a command that does nothing; medians of {runs}, ms; 1 x = python -c pass;")
    print("for energywrap: of its budget, (!) where that is not met")
    row("", "until exec", "ratio", "wall added", "ratio")
    row("python -c pass", "-", "-", f"{python:.1f}", "1.00 x")
    for name, (stamped, wall) in found.items():
        if name in ("python -c pass", "bare"):
            continue
        added = wall - bare
        ratios = [f"{stamped / python:.2f} x", f"{added / python:.2f} x"]
        if name.startswith("energywrap"):
            most = WALL if name.endswith("--quiet") else WALL_TABLE
            ratios = [against(stamped / python, START, ".2f"), against(added / python, most, ".2f")]
        row(name, f"{stamped:.1f}", ratios[0], f"{added:.1f}", ratios[1])
    print()


def while_it_sleeps(folder: Path, seconds: float) -> None:
    """CPU share and peak memory of the wrapper while its command only sleeps."""
    print(f"While the command sleeps for {seconds:.0f} s")
    row("", "CPU of a core", "peak RSS")
    ours = wrappers(folder)["energywrap --quiet"]
    for name, budget, words in (
        ("1 Hz", IDLE_1_HZ, ours),
        ("10 Hz", IDLE_10_HZ, [*ours, "-i", "0.1"]),
    ):
        run = subprocess.Popen([*words, "sleep", str(seconds + 3)], stderr=subprocess.DEVNULL)
        time.sleep(1.5)  # past start-up and the first checkpoint
        before = cpu_s(run.pid)
        time.sleep(seconds)
        used = cpu_s(run.pid) - before
        peak = peak_kib(run.pid) / 1024
        run.wait()
        share = against(100 * used / seconds, budget, ".3f")
        row(f"energywrap, {name}", f"{share} %", f"{against(peak, PEAK_MIB, '.1f')} MiB")
    print()


def week(folder: Path) -> None:
    """Readings of a week, ten seconds apart, taken in at once: memory and files must not grow."""
    print("A week of readings, simulated")
    row("after", "memory in use", "trace slices", "journal")
    channel = Channel("c", Component.CPU, "package-0", "rapl", Kind.COUNTER, wrap_j=262143.0)
    fold = Fold([channel], 10.0)
    written = journal.Journal(str(folder), HEAD)
    tracemalloc.start()
    for count in range(7 * 8640 + 1):
        at_s = count * 10.0
        values = {"c": at_s * 50 % 262143.0}
        now = Snapshot(at_s, 0.0, at_s / 1e4, at_s, at_s / 2, values, {"c": at_s})
        fold.add(now)
        written.write(recover.checkpoint(fold, now))
        if count in (360, 8640, 7 * 8640):
            memory = tracemalloc.get_traced_memory()[0] / 1024
            slices = len(fold.trace.trace({"c": "cpu"}).start_s)
            size = os.path.getsize(written.path) / 1024
            name = {360: "an hour", 8640: "a day", 7 * 8640: "a week"}[count]
            row(name, f"{memory:.0f} KiB", slices, f"{size:.0f} KiB")
    tracemalloc.stop()
    written.remove()
    print()


def storm(folder: Path, count: int, runs: int) -> None:
    """A command that forks and reaps one process after the other, bare and wrapped."""
    words = [sys.executable, "-c", STORM.format(count=count)]
    found = interleaved(
        {"bare": words, "energywrap": [*wrappers(folder)["energywrap --quiet"], *words]}, runs
    )
    bare, wrapped = found["bare"][1], found["energywrap"][1]
    start = interleaved(
        {
            "bare": [sys.executable, "-c", "pass"],
            "energywrap": [*wrappers(folder)["energywrap --quiet"], *BARE_PYTHON],
        },
        runs,
    )
    fixed = start["energywrap"][1] - start["bare"][1]
    print(f"A storm of {count} processes; medians of {runs}, ms")
    row("", "wall", "ratio", "without start")
    row("bare", f"{bare:.0f}", "1.000 x", "1.000 x")
    without = against((wrapped - fixed) / bare, STORM_RATIO, ".3f")
    row("energywrap", f"{wrapped:.0f}", f"{wrapped / bare:.3f} x", without)
    print()


def cpu_s(pid: int) -> float:
    """CPU seconds by the scheduler's own count, of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def peak_kib(pid: int) -> int:
    """Peak resident set of a process, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def main() -> None:
    """Ask every question once."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--storm", type=int, default=2000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        os.chdir(folder)
        here = wrappers(folder)
        missing = [peer for peer in ("GNU time", "perf stat", "joules", "codecarbon") if peer not in here]
        print(f"not installed here: {', '.join(missing)}\n" if missing else "")
        questions: list[Callable[[], None]] = [
            lambda: start_and_wall(folder, given.runs),
            lambda: while_it_sleeps(folder, given.seconds),
            lambda: week(folder),
            lambda: storm(folder, given.storm, max(5, given.runs // 5)),
        ]
        for question in questions:
            question()


if __name__ == "__main__":
    main()
