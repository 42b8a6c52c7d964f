"""The few C calls that Python does not offer, without the 5 ms that importing `ctypes` takes."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable

    Argument = int | bytes

    class _Raw:
        """The part of CPython's `_ctypes` that is used here."""

        RTLD_GLOBAL: int
        dlopen: Callable[[str | None, int], int]
        dlsym: Callable[[int, str], int]
        call_function: Callable[[int, tuple[Argument, ...]], int]
        get_errno: Callable[[], int]

    _raw = _Raw()
else:
    import _ctypes as _raw
    import _signal

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 1, 4, 15, 36
LINUX, WINDOWS = sys.platform.startswith("linux"), sys.platform == "win32"
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # the unit in which wait4(2) tells the peak of memory


def numbers(*names: str) -> set[int]:
    """The numbers of those of the named signals that this system has."""
    return {getattr(_signal, name) for name in names if hasattr(_signal, name)}


def library_present(name: str) -> bool:
    """Whether the dynamic linker finds a shared library; it stays loaded if so."""
    try:
        _raw.dlopen(name, os.RTLD_NOW)
    except (OSError, AttributeError):
        return False
    return True


def prctl(option: int, value: int) -> bool:
    """prctl(2) with one argument; False where it is missing or refused."""
    return LINUX and _call("prctl", option, value, 0, 0, 0) == 0


def rename(name: bytes) -> bool:
    """Set the name of this process (at most 15 bytes count) that ps and pkill go by."""
    return LINUX and _call("prctl", PR_SET_NAME, name + b"\0", 0, 0, 0) == 0


def syscall(number: int, *arguments: Argument) -> int:
    """syscall(2): the result, or -1 (the reason is lost: errno is not kept without ctypes)."""
    return _call("syscall", number, *arguments)


def _call(function: str, *arguments: Argument) -> int:
    try:
        return _raw.call_function(_raw.dlsym(_raw.dlopen(None, os.RTLD_NOW), function), arguments)
    except (OSError, AttributeError):
        return -1
