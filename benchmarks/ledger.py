"""How fast a ledger of many runs answers.

    python benchmarks/ledger.py [--runs 1000000] [--report-bytes 3000] [--ledger FILE|postgresql://...]

Generated runs of three years, 40 projects and 500 labels, each with a report of the usual packed size (its
bytes are random); no peer keeps such a history, so the ratio is to the second that an answer may take. The
commands are whole ones, from their start to their end.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from energywrap import ledger
from energywrap.config import resolve
from energywrap.ledger.entry import Entry
from energywrap.ledger.sql import Filter
from energywrap.ledger.store import Store

LIMIT_S = 1.0
BUNCH = 20_000
COMMANDS = (
    "history",
    "history --command 77777",
    "total --by month",
    "total --by stage",
    "trend",
    "trend --by month",
)
START_S, YEARS_S = 1_700_000_000.0, 3 * 365.25 * 86400


def generated(count: int) -> Iterator[Entry]:
    """Runs at random times."""
    rng = random.Random(1)
    for number in range(count):
        energy_j = rng.lognormvariate(6, 2)
        yield Entry(
            run_id=f"{number:016x}",
            started_at_s=START_S + rng.random() * YEARS_S,
            duration_s=energy_j / 50,
            project=f"project {rng.randrange(40)}",
            label=f"label {rng.randrange(500)}",
            stage=rng.choice(("training", "tuning", "inference", None)),
            command=f"python train.py --seed {number}",
            branch="main",
            commit_id=None,
            host=f"{rng.randrange(4):016x}",
            exit_code=0,
            complete=True,
            energy_j=energy_j,
            energy_low_j=0.8 * energy_j,
            energy_high_j=1.3 * energy_j,
            command_j=0.9 * energy_j,
            co2e_g=1e-4 * energy_j,
            co2e_low_g=None,
            co2e_high_g=None,
            command_co2e_g=9e-5 * energy_j,
            cpu_s=None,
            basis="modelled",
            zone="FR",
            intensity=41.45,
            boundary="lifecycle",
            grade="B",
        )


def fill(store: Store, count: int, report_bytes: int) -> None:
    """Take the runs in, as many as one likes in each transaction."""
    began_s, bunch, rng = time.monotonic(), [], random.Random(2)
    for entry in generated(count):
        bunch.append((entry, rng.randbytes(report_bytes)))
        if len(bunch) == BUNCH:
            store.add(bunch)
            bunch = []
    store.add(bunch)
    took_s = time.monotonic() - began_s
    print(f"{count:,} runs taken in, {1e6 * took_s / count:.0f} us each\n")


def command(words: str, url: str) -> Callable[[], object]:
    """A whole command on the ledger."""
    line = [sys.executable, "-m", "energywrap", *words.split(), "--ledger", url]
    return lambda: subprocess.run(line, stdout=subprocess.DEVNULL, check=True)


def main() -> int:
    """Fill a ledger and ask it; 1 if an answer takes too long."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--report-bytes", type=int, default=3000, help="size of a packed report")
    parser.add_argument("--ledger", help="an empty one; a new file by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.ledger or str(Path(folder) / "ledger.db")
        store = ledger.open_store(resolve({"ledger": url}, {}, "/nonexistent"), {})
        fill(store, given.runs, given.report_bytes)
        middle_s = START_S + YEARS_S / 2
        questions: dict[str, Callable[[], object]] = {
            "history, the newest 20": lambda: store.history(Filter(), 20),
            "history of a project": lambda: store.history(Filter(project="project 7"), 20),
            "history of a label in a month": lambda: store.history(
                Filter(label="label 7", since_s=middle_s, until_s=middle_s + 30 * 86400), 20
            ),
            "history by a part of the command": lambda: store.history(Filter(command="--seed 77777"), 20),
            "total by project": lambda: store.totals("project", Filter()),
            "total by month": lambda: store.totals("month", Filter()),
            "total by label of a project": lambda: store.totals("label", Filter(project="project 7")),
            "the days of a year": lambda: store.totals("day", Filter(since_s=middle_s)),
            **{f"energywrap {words}": command(words, url) for words in COMMANDS},
            "a run by its id": lambda: store.named(f"{given.runs // 2:016x}"),
        }
        print(f"{'question':36}{'s':>10}{'of a second':>14}")
        slow = 0
        for name, question in questions.items():
            began_s = time.monotonic()
            question()
            took_s = time.monotonic() - began_s
            slow += took_s > LIMIT_S
            print(f"{name:36}{took_s:>10.3f}{took_s / LIMIT_S:>12.2f} x{' (!)' if took_s > LIMIT_S else ''}")
        store.close()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
