"""The command's process: forked, held behind a gate, and let go."""

from __future__ import annotations

import os

from energywrap import syscalls
from energywrap.errors import UserError
from energywrap.launch import PYTHON_IGNORES, Launch, become, exact_bytes
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Sequence
else:
    import _signal  # `signal` itself wraps the same functions in enums that take 5 ms to build

UNBLOCKABLE = {*syscalls.numbers("SIGKILL", "SIGSTOP"), 32, 33}  # 32, 33 belong to the C library's threads


@record
class Child:
    """The forked process, waiting behind its gate for `release`."""

    pid: int
    gate: int
    failure: int
    rss_at_fork_bytes: int


class Signals:
    """All signals are blocked in the wrapper from before the fork on; the command gets back what was."""

    def __init__(self) -> None:
        every = set(range(1, _signal.NSIG)) - UNBLOCKABLE
        self.caught = every
        self.mask_before = _signal.pthread_sigmask(_signal.SIG_BLOCK, every)
        self.pending_before = _signal.sigpending() & self.mask_before  # blocked and sent before we were here
        while self.pending_before and _signal.sigtimedwait(self.pending_before, 0) is not None:
            pass  # they are the command's: it gets them back
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # the child must die of it, not raise
        self.ignored_children = _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # else the command's status would be lost

    def restore(self, ignored: frozenset[int]) -> None:
        """In the child: everything as it was when energywrap was started; Python ignores two for itself."""
        for number in PYTHON_IGNORES:
            _signal.signal(number, _signal.SIG_IGN if number in ignored else _signal.SIG_DFL)
        if self.ignored_children:
            _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
        for number in self.pending_before:
            os.kill(os.getpid(), number)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self.mask_before)


def spawn(words: Sequence[str], signals: Signals, run_id: str, *, die_with_parent: bool) -> Child:
    """Fork the command's process and hold it before its exec. Raises UserError if there can be no process."""
    try:
        return _spawn(exact_bytes(words), signals, run_id, die_with_parent)
    except OSError as err:
        raise UserError(f"cannot start the command: {err.strerror or err}") from err


def _spawn(arguments: list[bytes], signals: Signals, run_id: str, die_with_parent: bool) -> Child:
    gate_out, gate_in = os.pipe2(os.O_CLOEXEC)
    failure_out, failure_in = os.pipe2(os.O_CLOEXEC)
    pids = os.getpid(), os.getppid()
    launch = Launch(arguments, *pids, (gate_out, gate_in), failure_in, run_id, die_with_parent)
    rss = _own_peak_rss()
    pid = os.fork()
    if pid == 0:
        become(launch, signals.restore)
    os.close(gate_out)
    os.close(failure_in)
    return Child(pid, gate_in, failure_out, rss)


def release(child: Child) -> None:
    """Let the command start. Whether it did is asked when its process has ended: it may be stopped before."""
    os.close(child.gate)  # to write into it would have the command wait for our CPU, though another is idle


def _own_peak_rss() -> int:
    """In bytes; 0 where the kernel does not tell: then the command's peak is taken at its word."""
    try:
        with open("/proc/self/status", "rb") as file:
            return int(file.read().split(b"VmHWM:", 1)[1].split(None, 1)[0]) * 1024
    except (OSError, ValueError, IndexError):
        return 0
