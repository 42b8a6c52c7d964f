"""Commands that measure for long: SIGTERM ends them as Ctrl-C does, and nothing of them is left behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # exit status, as a shell gives it for Ctrl-C


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt meanwhile."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
