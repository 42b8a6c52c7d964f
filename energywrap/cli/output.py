"""Standard output that may fail: a reader that has gone, a full disk."""

from __future__ import annotations

import os
from collections.abc import Callable

from energywrap.console import say


def onto_stdout(write: Callable[[], None]) -> bool:
    """Write to standard output at last; whether it could be, or nobody wants it. A failure is a line."""
    try:
        write()
    except OSError as trouble:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still buffered has to go somewhere
        if not isinstance(trouble, BrokenPipeError):
            say(f"standard output could not be written: {trouble.strerror or trouble}")
            return False
    return True
