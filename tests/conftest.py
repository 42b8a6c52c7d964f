"""What several test files share: the installed command in its own home, a fake NVML, a live fake /sys."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from fakes import nvml, powercap

TIMEOUT_S = 60  # nothing here takes a tenth of it on a free machine
OTHERS = ("ENERGYWRAP_", "GITHUB_")  # settings, and the files of the CI run that runs the tests

settings.register_profile("energywrap", deadline=None)  # a busy machine is no failing law
settings.load_profile("energywrap")


@pytest.fixture(scope="session", autouse=True)
def ordinary_dispositions() -> None:
    """A suite in the background of a script has INT and QUIT ignored, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class Ran:
    """How a run of energywrap ended; `report` is None where none was written."""

    status: int
    stdout: str
    stderr: str
    report: Any

    def energy_j(self, component: str) -> dict[str, float]:
        """The joules of a component by device."""
        found = self.report["components"]
        return {part["device"]: part["energy_j"] for part in found if part["component"] == component}

    def notes(self) -> str:
        """All that was not measured, as one text."""
        return "\n".join(f"{gap['what']}: {gap['why']}" for gap in self.report["not_measured"])


@dataclass(frozen=True)
class Started:
    """A run of energywrap that goes on."""

    process: subprocess.Popen[str]
    report_path: Path

    def end(self) -> Ran:
        """Wait for the run and take in what it left."""
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        text = self.report_path.read_text() if self.report_path.exists() else "null"
        return Ran(self.process.returncode, out, err, json.loads(text))


class Energywrap:
    """The installed command, with a home, settings and reports of its own below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports = 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
        homes = {
            f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "STATE", "CACHE", "DATA")
        }
        self.env = {**kept, **homes, "HOME": str(folder), "COLUMNS": "100"}
        program = Path(sysconfig.get_path("scripts")) / "energywrap"
        found = str(program) if program.exists() else shutil.which("energywrap")
        assert found is not None, "energywrap is not installed"
        self.program = found

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, scenario: Path | None = None
    ) -> Started:
        """Start `energywrap run WORDS...`, on a scenario's live /sys if one is given."""
        self.reports += 1
        report = self.folder / f"report-{self.reports}.json"
        argv: Sequence[str] = (self.program, "run", "--output", str(report), *words)
        pipe = subprocess.PIPE
        return Started(
            subprocess.Popen(
                powercap.command(scenario, *argv) if scenario else argv,
                env={**self.env, **(env or {})},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=pipe,
                stderr=pipe,
                text=True,
            ),
            report,
        )

    def __call__(
        self, *words: str, env: Mapping[str, str] | None = None, scenario: Path | None = None
    ) -> Ran:
        """Run `energywrap run WORDS...` to its end."""
        started = self.start(*words, env=env, scenario=scenario)
        try:
            return started.end()
        finally:
            started.process.kill()


@pytest.fixture
def energywrap(tmp_path: Path) -> Energywrap:
    """Runs the installed command, isolated from the user's settings and reports."""
    return Energywrap(tmp_path)


@pytest.fixture(scope="session")
def live_sysfs() -> None:
    """Skips where no private /sys can be shown."""
    if reason := powercap.why_not():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def nvml_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the compiled fake NVML library."""
    pytest.importorskip("pynvml")
    folder = nvml.build(tmp_path_factory.mktemp("nvml"))
    if folder is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler, or not Linux")
    return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="energywrap-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
