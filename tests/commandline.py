"""What the tests of the command line share: a clean environment, and energywrap as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

SCRIPT = Path(sys.executable).parent / "energywrap"
START: tuple[str, ...] = (str(SCRIPT),) if SCRIPT.exists() else (sys.executable, "-m", "energywrap")
LONGEST_S = 30.0


class Outcome(NamedTuple):
    """How a start of energywrap ended and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on stderr; fails when there is none, more than one, or a traceback."""
        assert "Traceback" not in self.err, self.err
        assert self.err.startswith("energywrap: "), self.err
        assert self.err.endswith("\n"), self.err
        lines = self.err.split("\n")[:-1]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("energywrap: ")


def environment(home: Path, **changes: str | None) -> dict[str, str]:
    """A user's environment with nothing of the machine's own in it; None takes a variable out."""
    base: dict[str, str | None] = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TZ": "Europe/Paris",
    }
    return {name: value for name, value in (base | changes).items() if value is not None}


def energywrap(
    *words: str | bytes,
    cwd: Path,
    changes: Mapping[str, str | None] | None = None,
    start: Sequence[str] = START,
    stdout: IO[Any] | None = None,
) -> Outcome:
    """Start energywrap in `cwd`, which is its user's home as well, and wait for its end."""
    done = subprocess.run(
        [*start, *words],
        cwd=cwd,
        env=environment(cwd, **(changes or {})),
        stdin=subprocess.DEVNULL,
        stdout=stdout if stdout is not None else subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=LONGEST_S,
        check=False,
    )
    out, err = ((stream or b"").decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return Outcome(done.returncode, out, err)


def saved(path: Path) -> dict[str, Any]:
    """A report as the standard library reads it."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
