"""The caller's open files: kept for the command exactly as they are, let go of by the wrapper."""

from __future__ import annotations

import os

from energywrap import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

WITHOUT_PROC = 256  # how far to look where the kernel does not list them


def inherited() -> list[int]:
    """The descriptors above stderr that we were given; a standard stream that is closed stays unused by us.

    It is filled in for this process alone, so that no file of ours can take its number: an exec closes it.
    """
    found = [fd for fd in _listed() if fd > 2 and _is_open(fd)]
    for fd in (0, 1, 2):
        if not _is_open(fd):
            try:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            except OSError:
                break  # a root without devices
    return found


def let_go(inherited: Sequence[int]) -> None:
    """Free the caller's files and folder: nobody shall wait for the wrapper to close the command's pipe."""
    for fd in inherited:
        os.close(fd)
    try:
        null = os.open(os.devnull, os.O_RDWR)
    except OSError:
        return  # a root without devices: the caller's files stay open a little longer
    for fd in (0, 1):
        os.dup2(null, fd)
    os.close(null)
    try:
        os.chdir("/")
    except OSError:
        pass  # keeping the folder is a discourtesy, not an error


def _listed() -> Sequence[int]:
    if syscalls.WINDOWS:
        return ()  # there they are handles, which the command gets by other ways
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return [int(name) for name in os.listdir(folder)]
        except (OSError, ValueError):
            continue
    return range(WITHOUT_PROC)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
