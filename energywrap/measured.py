"""One measured run of a command in a process of its own, for what compares many: `bench` and `ci`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from energywrap import reportfile
from energywrap.errors import UserError
from energywrap.formats import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

    from energywrap.model import RunReport

OWN_FAILURE, NOT_RUNNABLE, NOT_FOUND = 125, 126, 127
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# not `-m energywrap`: in a checkout of energywrap itself that would be the checkout's
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from energywrap._entry import main; main()"


def measured(
    words: Sequence[str],
    options: Sequence[str] = (),
    *,
    folder: str | None = None,
    environ: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] | None = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
) -> RunReport:
    """Run `energywrap run OPTIONS -- WORDS` and give its report; the command's stdin is empty.

    Raises UserError where the run made no report: a wrong option, or a command that does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="energywrap-") as kept:
        path = os.path.join(kept, "report.json")
        line = [sys.executable, "-c", START, HERE, "run", "--quiet", *options, "-o", path, "--", *words]
        process = subprocess.Popen(
            line, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
        try:
            status = process.wait()
        except BaseException:
            process.terminate()  # the command gets it as well, and ends as it likes
            process.wait()
            raise
        if not os.path.exists(path):
            raise UserError(f"there is no report of {' '.join(words)!r}: {_why(status)}")
        return document.parse(reportfile.read(path), path)


def _why(status: int) -> str:
    if status in (NOT_RUNNABLE, NOT_FOUND):
        return "the command cannot be run" if status == NOT_RUNNABLE else "there is no such command"
    return "energywrap could not start it" if status == OWN_FAILURE else f"status {status}"
