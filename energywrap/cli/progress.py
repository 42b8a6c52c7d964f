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
        self._since: tuple[int, float] | None = None  # how many were done when

    def tell(self, what: str, done: int, whole: int) -> None:
        """What is on, and how many measurements of how many are done; `whole` is 0 outside of them."""
        if not self._terminal:
            if whole and what and what not in self._told:
                self._told.add(what)
                say(f"measuring {what}")
            return
        if whole and self._since is None:
            self._since = done, time.monotonic()
        line = (
            what if not whole else f"run {min(done + 1, whole)} of {whole}{self._left(done, whole)}: {what}"
        )
        width = _width() - SPARE
        write_stderr(CLEAR + printable(line)[:width].encode("utf-8", "backslashreplace") if what else CLEAR)

    def clear(self) -> None:
        """Take the line away."""
        if self._terminal:
            write_stderr(CLEAR)

    def _left(self, done: int, whole: int) -> str:
        before, since_s = self._since or (done, 0.0)
        if done == before:
            return ""
        left_s = (time.monotonic() - since_s) / (done - before) * (whole - done)
        return f", about {seconds(float(max(1, round(left_s))))} left"


def _width() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
