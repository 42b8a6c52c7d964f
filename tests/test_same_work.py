"""What the model makes of a sleep, a burn, two burns and a storm of processes: sensible beside each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from conftest import Energywrap, Ran

SECONDS = 2.0
BURN = f"import time\nwhile time.process_time() < {SECONDS}: pass\n"
TWO = f"""import subprocess, sys
for each in [subprocess.Popen([sys.executable, '-c', {BURN!r}]) for _ in '12']: each.wait()"""
STORM = [str(Path(__file__).with_name("storm.py")), "wait", "100", str(1000 * SECONDS / 100), "1"]
QUIET = 0.35  # of the machine's busy time may be others': then shares say little about the command


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """The four jobs, each under energywrap, with nothing but the model to go by."""
    wrap = Energywrap(tmp_path_factory.mktemp("same-work"))
    python = (sys.executable, "-I", "-S")
    jobs = {
        "sleep": ("sleep", str(SECONDS)),
        "burn": (*python, "-c", BURN),
        "two": (*python, "-c", TWO),
        "storm": (*python, *STORM),
    }
    return {name: wrap(*job) for name, job in jobs.items()}


def command_j(one: Ran) -> float:
    """The command's share of the energy, in J."""
    return float(one.report["scopes"]["command"]["energy_j"])


def cpu_s(one: Ran) -> float:
    """CPU seconds of the command's tree."""
    return float(one.report["tree"]["cpu_s"])


def test_more_work_uses_more_energy(ran: dict[str, Ran]) -> None:
    sleep, burn, two = (command_j(ran[name]) for name in ("sleep", "burn", "two"))

    assert sleep < 0.3 * burn
    assert 1.05 * burn < two


def test_no_process_of_a_storm_is_missed(ran: dict[str, Ran]) -> None:
    assert cpu_s(ran["storm"]) == pytest.approx(cpu_s(ran["burn"]), rel=0.15)


def test_a_storm_uses_about_as_much_as_a_burn_of_equal_cpu_time(ran: dict[str, Ran]) -> None:
    for name in ("storm", "burn"):
        if ran[name].report["scopes"]["command"]["cpu_share"] < 1 - QUIET:
            pytest.skip("other work on this machine decides the shares")
    storm, burn = (command_j(ran[name]) / cpu_s(ran[name]) for name in ("storm", "burn"))

    assert storm == pytest.approx(burn, rel=0.2)


def test_the_machine_uses_at_least_what_it_uses_idle(ran: dict[str, Ran]) -> None:
    idle_w, *busy_w = (
        ran[name].report["scopes"]["machine"]["energy_j"] / ran[name].report["duration_s"]
        for name in ("sleep", "burn", "two", "storm")
    )

    assert all(watts > idle_w for watts in busy_w)
