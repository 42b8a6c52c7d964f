"""Nobody is asked anything over a network: with none, and dying of any attempt, all works as ever."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import TIMEOUT_S, Energywrap
from fakes import offline

pytestmark = pytest.mark.skipif(offline.why_not() is not None, reason=str(offline.why_not()))

COMMANDS = {
    "help": ("--help",),
    "version": ("--version",),
    "model": ("model", "--cpu", "AMD EPYC 7763"),
    "model of this machine": ("model",),
    "zones": ("zones", "france"),
    "zone": ("zones", "FR"),
    "config": ("config",),
    "recover": ("recover",),
    "nothing calibrated": ("calibrate", "--show"),
}


def run(wrap: Energywrap, folder: Path, *argv: str, cut: bool) -> subprocess.CompletedProcess[str]:
    """A command of energywrap with or without a network."""
    words = [wrap.program, *argv]
    words = offline.command(*words) if cut else words
    return subprocess.run(
        words, env=wrap.env, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_an_attempt_would_not_go_unnoticed() -> None:
    ask = "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run(
        offline.command(sys.executable, "-c", ask), capture_output=True, timeout=TIMEOUT_S, check=False
    )

    assert done.returncode == -31  # SIGSYS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_the_same_without_a_network(name: str, tmp_path: Path) -> None:
    wrap = Energywrap(tmp_path)
    with_it, without = (run(wrap, tmp_path, *COMMANDS[name], cut=cut) for cut in (False, True))

    assert without.returncode == with_it.returncode
    assert without.stdout == with_it.stdout


def test_the_doctor_needs_no_network(tmp_path: Path) -> None:
    done = run(Energywrap(tmp_path), tmp_path, "doctor", cut=True)

    assert done.returncode == 0
    assert done.stdout


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--zone", "FR", "--include", "embodied,network", "--water", "--price", "0.3EUR"),
        ("--per", "request=/served (\\d+)/"),
        ("--region", "aws:eu-west-1"),
    ],
    ids=str,
)
def test_a_run_needs_no_network_and_its_report_is_whole(options: tuple[str, ...], tmp_path: Path) -> None:
    wrap = Energywrap(tmp_path)
    path = tmp_path / "report.json"
    done = run(
        wrap, tmp_path, "run", "-o", str(path), *options, "sh", "-c", "echo served 5; exit 3", cut=True
    )

    assert done.returncode == 3
    assert done.stdout == "served 5\n"
    report = json.loads(path.read_text())
    assert report["scopes"]["machine"]["co2e_g"] is not None
    assert report["carbon"]["live"] is None
    shown = run(wrap, tmp_path, "show", str(path), cut=True)
    assert shown.returncode == 0
    supposed = run(wrap, tmp_path, "what-if", str(path), "--zone", "SE", "--repeat", "1000", cut=True)
    assert supposed.returncode == 0, supposed.stderr
