"""How far a long measurement is, on stderr: a line that changes for a terminal, a few lines for a pipe."""

from __future__ import annotations

import os
import sys
import time

from energywrap.console import say, write_stderr
from energywrap.errors import printable
from energywrap.formats.quantities import seconds

CLEAR = b"\r\x1b[K"
SPARE = 2  # columns at the end of the line


class Progress:
    """Tells what is on, and the time left by what the measurements have taken so far."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told: set[str] = set()
        self._started_s = time.monotonic()

    def tell(self, what: str, done: int, whole: int) -> None:
        """What is on, and how many measurements of how many are done; `whole` is 0 outside of them."""
        if not self._terminal:
            if whole and what and what not in self._told:
                self._told.add(what)
                say(f"measuring {what}")
            return
        if whole and not done:
            self._started_s = time.monotonic()
        line = what if not whole else f"run {done + 1} of {whole}{self._left(done, whole)}: {what}"
        width = _width() - SPARE
        write_stderr(CLEAR + printable(line)[:width].encode("utf-8", "backslashreplace") if what else CLEAR)

    def clear(self) -> None:
        """Take the line away."""
        if self._terminal:
            write_stderr(CLEAR)

    def _left(self, done: int, whole: int) -> str:
        if not done:
            return ""
        left_s = (time.monotonic() - self._started_s) / done * (whole - done)
        return f", about {seconds(max(1.0, left_s))} left"


def _width() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
