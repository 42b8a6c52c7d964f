"""What a CI system's runner does: scripts by bash, with the variables and files that GitHub Actions sets."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from commandline import Outcome, environment


def github(folder: Path) -> dict[str, str | None]:
    """The variables of a step whose files are in a folder."""
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_OUTPUT": str(folder / "output.txt"),
    }


def bash(script: Path, folder: Path, changes: Mapping[str, str | None], options: str = "-eo") -> Outcome:
    """Run a script in a folder: with `-eo pipefail`, as an action's steps are, or with `-e` alone."""
    words = ["bash", "--noprofile", "--norc", options, *(["pipefail"] if "o" in options else []), str(script)]
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(folder, **changes),
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
