"""The command: started behind a gate, its signals passed on, its stops and its end made our own."""

from __future__ import annotations

import errno
import os
import time

from energywrap import syscalls
from energywrap.errors import UserError
from energywrap.launch import PYTHON_IGNORES, Launch, become, exact_bytes
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Sequence

    from energywrap.canary import Canary
else:
    import _signal  # `signal` itself wraps the same functions in enums that take 5 ms to build

NOT_FOUND, NOT_RUNNABLE = 127, 126
STOPS = {_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU}
TIMERS = {_signal.SIGALRM, _signal.SIGVTALRM, _signal.SIGPROF}  # they survive an exec, but not a fork
UNBLOCKABLE = {_signal.SIGKILL, _signal.SIGSTOP, 32, 33}  # 32, 33 belong to the C library's threads
FOLLOWED_AFTER_S = 0.05  # shorter commands get neither a sampler nor anything else started for them


@record
class Ending:
    """How the command ended: its exit code as a shell shows it, the signal it died of, its resource use."""

    code: int
    signal: int | None
    core_dumped: bool
    cpu_s: float
    max_rss_bytes: int


@record
class Child:
    """The forked process, waiting behind its gate for `release`."""

    pid: int
    gate: int
    failure: int
    rss_at_fork_bytes: int


class NotStarted(Exception):
    """The command could not be executed: the status a shell would give, and why."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"{name or repr(name)}: {os.strerror(number)}{_hint(name, number)}")
        self.status = NOT_FOUND if number == errno.ENOENT else NOT_RUNNABLE


def _hint(name: str, number: int) -> str:
    """What may have been meant by a command that does not exist."""
    if number == errno.ENOENT and " " in name:
        return "; for a line of shell write: energywrap run sh -c '...'"
    if number == errno.ENOENT and "=" in name:
        return "; to set a variable write: energywrap run env NAME=value COMMAND"
    return ""


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
        import resource  # noqa: F401  (os.wait4 needs it, and might find no descriptor left to load it with)

        return _spawn(exact_bytes(words), signals, run_id, die_with_parent)
    except (OSError, ImportError) as err:
        raise UserError(f"cannot start the command: {getattr(err, 'strerror', None) or err}") from err


def _spawn(arguments: list[bytes], signals: Signals, run_id: str, die_with_parent: bool) -> Child:
    gate_out, gate_in = _pipe()
    failure_out, failure_in = _pipe()
    launch = Launch(arguments, os.getpid(), gate_out, failure_in, run_id, die_with_parent)
    rss = _own_peak_rss()
    pid = os.fork()
    if pid == 0:
        become(launch, signals.restore)
    os.close(gate_out)
    os.close(failure_in)
    return Child(pid, gate_in, failure_out, rss)


def release(child: Child) -> None:
    """Let the command start. Whether it did is asked when its process has ended: it may be stopped before."""
    os.write(child.gate, b"!")
    os.close(child.gate)


def confirm(child: Child, name: str) -> None:
    """Raise NotStarted if the process that has ended could not execute the command."""
    answer = os.read(child.failure, 4)
    os.close(child.failure)
    if answer:
        raise NotStarted(name, int.from_bytes(answer, "little"))


def wait(child: Child, signals: Signals, when_alive: Callable[[], None]) -> Ending:
    """Serve signals until the command has ended; `when_alive` is called once it has lived 50 ms."""
    canary, followed, since_s = None, False, time.monotonic()
    while True:
        timeout = 3600.0 if followed else max(0.0, since_s + FOLLOWED_AFTER_S - time.monotonic())
        info = _signal.sigtimedwait(signals.caught, timeout)
        if info is None:
            if not followed:
                followed = True
                canary = _canary()  # before any thread: a fork copies only the one that calls it
                when_alive()
        elif info.si_signo == _signal.SIGCHLD:
            ending = _changed(child)
            if ending is not None:
                if canary is not None:
                    canary.close()
                return ending
        else:
            to_all = canary is not None and _heard(canary, info.si_signo)
            if not to_all and _is_for_command(info, child):
                _send(child.pid, info.si_signo)


def _heard(canary: Canary, number: int) -> bool:
    try:
        return canary.heard(number)
    except (OSError, ImportError):
        return False  # no descriptor left to ask it with: rather twice than never


def _canary() -> Canary | None:
    try:
        from energywrap.canary import Canary

        return Canary()
    except (OSError, ImportError):
        return None  # no process or descriptor to be had: a signal to the group will arrive twice


def _is_for_command(info: _signal.struct_siginfo, child: Child) -> bool:
    """Whether the command ought to get a signal that was sent to us alone.

    What a process sends is passed on, unless it was the command or ourselves. What the kernel sends (terminal
    keys, hang-up) the command gets as well, except from a timer set before energywrap took the process over,
    and a hang-up if we lead the session: then the kernel tells nobody else.
    """
    if info.si_code > 0:
        hung_up = info.si_signo in (_signal.SIGHUP, _signal.SIGCONT) and os.getsid(0) == os.getpid()
        return hung_up or info.si_signo in TIMERS
    return info.si_pid not in (child.pid, os.getpid())


def let_go(keep: Sequence[int]) -> None:
    """Free the caller's files and folder: nobody shall wait for the wrapper to close the command's pipe."""
    _close_all_but(keep)
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return  # a root without devices: the caller's files stay open a little longer
    for fd in (0, 1):
        os.dup2(null, fd)
    try:
        os.fstat(2)
    except OSError:
        os.dup2(null, 2)
    if null > 2:
        os.close(null)
    try:
        os.chdir("/")
    except OSError:
        pass  # keeping the folder is a discourtesy, not an error


def _close_all_but(keep: Sequence[int]) -> None:
    """Close every inherited descriptor above stderr but `keep`."""
    low = 3
    for fd in sorted(keep):
        os.closerange(low, fd)
        low = fd + 1
    try:
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    except (OSError, ValueError):
        highest = 255
    os.closerange(low, highest + 1)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends lie above 2: a closed standard stream must stay closed for the command."""
    ends = os.pipe2(os.O_CLOEXEC)
    if min(ends) > 2:
        return ends
    import fcntl

    lifted = tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in ends)
    for fd in ends:
        os.close(fd)
    return lifted[0], lifted[1]


def _own_peak_rss() -> int:
    """In bytes; 0 where the kernel does not tell: then the command's peak is taken at its word."""
    try:
        with open("/proc/self/status", "rb") as file:
            return int(file.read().split(b"VmHWM:", 1)[1].split(None, 1)[0]) * 1024
    except (OSError, ValueError, IndexError):
        return 0


def _changed(child: Child) -> Ending | None:
    """Take in every change of state among our children; the ending if the command has ended."""
    flags = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT
    while True:
        try:
            state = os.waitid(os.P_ALL, 0, flags)
        except ChildProcessError:
            return None
        if state is None:
            return None
        if state.si_pid == child.pid:
            if state.si_code in (os.CLD_STOPPED, os.CLD_TRAPPED):
                os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOHANG)
                _follow_stop(child.pid, state.si_status)
                continue
            return _ending(child.pid)
        os.waitid(os.P_PID, state.si_pid, os.WEXITED | os.WSTOPPED | os.WNOHANG)


def _ending(pid: int) -> Ending:
    _, status, usage = os.wait4(pid, 0)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return Ending(
        code=128 + number if number is not None else os.WEXITSTATUS(status),
        signal=number,
        core_dumped=os.WCOREDUMP(status),
        cpu_s=usage.ru_utime + usage.ru_stime,
        max_rss_bytes=usage.ru_maxrss * (1024 if syscalls.LINUX else 1),
    )


def _follow_stop(pid: int, number: int) -> None:
    """The command has stopped: stop as well, by the same signal, so that the shell sees a stopped job."""
    while _signal.sigtimedwait(STOPS, 0) is not None:
        pass  # our own copies of the terminal's stop signals have done their work
    if number not in STOPS:
        if _is_stopped(pid):
            os.kill(os.getpid(), _signal.SIGSTOP)
        return
    os.kill(os.getpid(), number)  # blocked, so still pending
    if not _is_stopped(pid):
        _signal.sigtimedwait({number}, 0)
        return
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})  # here we stop, and go on when continued
    _signal.pthread_sigmask(_signal.SIG_BLOCK, {number})


def _is_stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] in (b"T", b"t")
    except OSError:
        return True


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended, or became another user's: nothing left to forward to
