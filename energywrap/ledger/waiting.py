"""The inbox of a ledger: reports that wait as files, taken in by one process at a time."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

AGAIN_S = 0.02
LOOKS = 4  # who reports faster than we take in is not waited for


def bunches(folder: str, size: int) -> Iterator[list[str]]:
    """The paths of what waits, the first ones first; then of what has come meanwhile, a few times."""
    seen: set[str] = set()
    for _ in range(LOOKS):
        try:
            names = {name for name in os.listdir(folder) if name.endswith(".json") and name[0] != "."}
        except OSError:
            return
        fresh = sorted(names - seen)
        seen.update(fresh)
        for start in range(0, len(fresh), size):
            yield [os.path.join(folder, name) for name in fresh[start : start + size]]


@contextmanager
def alone(folder: str, patience_s: float) -> Iterator[bool]:
    """Whether no other process is at this inbox, for as long as the context lasts.

    Reports are counted once whoever takes them in: without the lock the same work is only done twice.
    """
    try:
        import fcntl

        fd = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # not on Windows; nothing waits in a folder that there is not
        yield True
        return
    try:
        until_s = time.monotonic() + patience_s
        while not (held := _locked(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)) and time.monotonic() < until_s:
            time.sleep(AGAIN_S)
        yield held
    finally:
        os.close(fd)


def _locked(fd: int, how: int) -> bool:
    import fcntl

    try:
        fcntl.flock(fd, how)
    except OSError:
        return False
    return True
