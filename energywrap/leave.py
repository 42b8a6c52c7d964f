"""The end of the wrapper: exactly as the command ended."""

from __future__ import annotations

import os

from energywrap import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from energywrap.waiting import Ending
else:
    import _signal

UNBLOCKABLE = {*syscalls.numbers("SIGKILL", "SIGSTOP"), 32, 33}


def leave_as(ending: Ending) -> None:
    """End this process exactly as the command ended. Does not return."""
    if ending.signal is not None:
        _die_of(ending.signal)
    os._exit(_as_int(ending.code))


def _as_int(code: int) -> int:
    """The same 32 bits as the signed number that exit(3) takes: a crash on Windows has the highest set."""
    return code - (1 << 32) if code >= 1 << 31 else code


def _die_of(number: int) -> None:
    """Die of the command's signal, leaving no core of our own; return only if the system will not have it."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (ImportError, OSError, ValueError):
        pass  # then a core may be left; the status counts more
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    if number not in UNBLOCKABLE:
        _signal.signal(number, _signal.SIG_DFL)
    os.kill(os.getpid(), number)
    if number not in UNBLOCKABLE:
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})
