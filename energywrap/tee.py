"""The command's standard output, passed on as it comes and read on the way: only where the user asks."""

from __future__ import annotations

import _thread
import os
import re

PIECE = 65536
LONGEST_LINE = 1 << 20  # bytes of a line that are looked at
GRACE_S = 1.0  # after the command's end, for what it has left in the pipe


class Tee:
    """Takes the place of descriptor 1 until the command has been started, then copies what it prints.

    The command sees a pipe in place of a terminal. A reader that has gone is a reader that has gone for the
    command as well.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)
        _try_a_thread()  # what nobody copies would be lost
        self.found: str | None = None  # the first group of the last match
        self.line: str | None = None
        self._own = os.dup(1)
        self._out, into = os.pipe()
        os.dup2(into, 1)
        os.close(into)
        self._done = _thread.allocate_lock()
        self._done.acquire()

    def started(self) -> None:
        """The command holds the pipe now: take our own output back, and copy."""
        os.dup2(self._own, 1)
        _thread.start_new_thread(self._copy, ())

    def finish(self) -> None:
        """Wait for the rest of the output; what descendants print much later is nobody's any more."""
        if self._done.acquire(timeout=GRACE_S):
            self._done.release()

    def _copy(self) -> None:
        left = b""
        try:
            while piece := os.read(self._out, PIECE):
                self._pass_on(piece)
                *lines, left = (left + piece).split(b"\n")
                for line in lines:
                    self._look(line)
                left = left[-LONGEST_LINE:]
            self._look(left)
        except OSError:
            pass  # our reader has gone
        finally:
            os.close(self._out)  # and with this the command's
            self._done.release()

    def _pass_on(self, piece: bytes) -> None:
        while piece:
            piece = piece[os.write(self._own, piece) :]

    def _look(self, line: bytes) -> None:
        text = line[:LONGEST_LINE].decode("utf-8", "replace")
        match = self._pattern.search(text)
        if match is not None and match.group(1) is not None:
            self.found, self.line = match.group(1), text.strip()


def _try_a_thread() -> None:
    """Raise RuntimeError where none can be had, while nothing has been changed yet."""
    over = _thread.allocate_lock()
    over.acquire()
    _thread.start_new_thread(over.release, ())
    over.acquire()
