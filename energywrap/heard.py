"""A measured run for a bench: what it last wrote is kept for when it fails, and nothing outlives Ctrl-C."""

from __future__ import annotations

import tempfile

from energywrap import strays
from energywrap.errors import UserError
from energywrap.measured import measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

    from energywrap.model import RunReport

STDERR = 2
TELLING = 400  # of the last bytes of what a command wrote


def heard(
    words: Sequence[str],
    options: Sequence[str],
    *,
    shown: bool,
    folder: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[RunReport, str | None]:
    """The run's report, and its last line on stderr unless all is shown. Raises UserError."""
    before = strays.children()
    try:
        if shown:
            return measured(words, options, folder=folder, environ=environ, stdout=STDERR), None
        with tempfile.TemporaryFile() as file:
            try:
                report = measured(words, options, folder=folder, environ=environ, stderr=file)
            except UserError as failure:
                raise UserError(failure.line(), _last(file)) from failure
            return report, _last(file)
    except KeyboardInterrupt:
        strays.end(before)
        raise


def _last(file: IO[bytes]) -> str | None:
    """The last line of a file that says something."""
    file.seek(max(0, file.seek(0, 2) - TELLING))
    lines = file.read().decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), None)
    return last.removeprefix("energywrap: ") if last else None
