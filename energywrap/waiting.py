"""While the command runs and when it ends: its signals passed on, its stops and its end made our own."""

from __future__ import annotations

import errno
import os
import time

from energywrap import syscalls
from energywrap.errors import NotStarted
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable

    from energywrap.canary import Canary
    from energywrap.leash import Leash
    from energywrap.runner import Child, Signals
else:
    import _signal

NOT_FOUND, NOT_RUNNABLE = 127, 126
STOPS = syscalls.numbers("SIGTSTP", "SIGTTIN", "SIGTTOU")
CONTINUES = syscalls.numbers("SIGCONT")
TIMERS = syscalls.numbers("SIGALRM", "SIGVTALRM", "SIGPROF")  # they survive an exec, but not a fork
ENDINGS = syscalls.numbers("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
STARTED_AFTER_S = 0.0003  # by then it has got a CPU; to be busy before might take it that one
FOLLOWED_AFTER_S = 0.05  # shorter commands get neither a sampler nor anything else started for them


@record
class Ending:
    """How the command ended: its exit code as a shell shows it, the signal it died of, its resource use."""

    code: int
    signal: int | None
    core_dumped: bool
    cpu_s: float
    max_rss_bytes: int


def _hint(name: str, number: int) -> str:
    """What may have been meant by a command that does not exist."""
    if number == errno.ENOENT and " " in name:
        return "; for a line of shell write: energywrap run sh -c '...'"
    if number == errno.ENOENT and "=" in name:
        return "; to set a variable write: energywrap run env NAME=value COMMAND"
    return ""


def pause(seconds: float) -> None:
    """Sleep before the command is started; a signal that ends programs ends this one."""
    info = _signal.sigtimedwait(ENDINGS, seconds)
    if info is not None:
        _signal.signal(info.si_signo, _signal.SIG_DFL)
        os.kill(os.getpid(), info.si_signo)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {info.si_signo})


def confirm(child: Child, name: str) -> None:
    """Raise NotStarted if the process that has ended could not execute the command."""
    answer = os.read(child.failure, 4)
    os.close(child.failure)
    if answer:
        raise refusal(name, int.from_bytes(answer, "little"))


def refusal(name: str, number: int) -> NotStarted:
    """What to say of a command that cannot be executed, and the status that a shell would give."""
    why = f"{name or repr(name)}: {os.strerror(number)}{_hint(name, number)}"
    return NotStarted(why, NOT_FOUND if number == errno.ENOENT else NOT_RUNNABLE)


def wait(
    child: Child,
    signals: Signals,
    idle: Callable[[], bool],
    when_alive: Callable[[], object],
    leash: Leash | None = None,
) -> Ending:
    """Serve signals until the command has ended.

    `idle` is called again and again while nothing happens, until it has nothing left to do (False); but not
    before the command has surely got a CPU. `when_alive` is called once the command has lived 50 ms. The
    leash is looked after for as long as the command's process number cannot be another's.
    """
    ears, ending, began_s = Ears(), None, time.monotonic()
    busy, young = True, True
    rest_s = leash.rest_s() if leash is not None else 3600.0
    while ending is None:
        due_s = STARTED_AFTER_S if busy else FOLLOWED_AFTER_S if young else rest_s
        since_s = time.monotonic() - began_s if busy or young else 0.0
        info = _signal.sigtimedwait(signals.caught, max(0.0, due_s - since_s))
        if info is None and busy:
            busy = idle()
        elif info is None and young:
            young = False
            ears.open()  # before any thread: a fork copies only the one that calls it
            when_alive()
        elif info is not None and info.si_signo == _signal.SIGCHLD:
            ending = _changed(child, ears)
        elif info is not None and info.si_signo in signals.caught:  # seen once: a number that is no signal's
            to_all = ears.heard(info.si_signo) or _is_continued(info.si_signo, child)
            if not to_all and _is_for_command(info, child):
                _send(child.pid, info.si_signo)
        if leash is not None and ending is None:
            leash.step(child.pid)
    ears.close()
    return ending


class Ears:
    """What tells whether a signal was sent to all: a canary, from the first moment that it may be needed."""

    def __init__(self) -> None:
        self._canary: Canary | None = None
        self._opened = False

    def open(self) -> None:
        """Have the canary listen from now on, if there can be one: without it some signals arrive twice."""
        if not self._opened:
            self._opened = True
            try:
                from energywrap.canary import Canary

                self._canary = Canary()
            except (OSError, ImportError):
                pass  # no process or descriptor to be had

    def heard(self, number: int) -> bool:
        """Whether the signal that was just taken went to the whole process group."""
        try:
            return self._canary is not None and self._canary.heard(number)
        except (OSError, ImportError):
            return False  # no descriptor left to ask it with: rather twice than never

    def close(self) -> None:
        """End the canary."""
        if self._canary is not None:
            self._canary.close()


def _is_continued(number: int, child: Child) -> bool:
    """Whether a continuation needs no passing on: the command has had its own, or a newer signal decides.

    To pass it on late could undo a stop that was sent to all of us meanwhile.
    """
    if number not in CONTINUES:
        return False
    if _signal.sigpending() & (CONTINUES | STOPS):
        return True
    try:
        flags = os.WCONTINUED | os.WNOHANG | os.WNOWAIT  # left as it is: of several copies each shall see it
        return os.waitid(os.P_PID, child.pid, flags) is not None
    except ChildProcessError:
        return True  # it has ended


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


def _changed(child: Child, ears: Ears) -> Ending | None:
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
                ears.open()  # what continues all of us must not be passed on as if it were for us alone
                _follow_stop(child.pid, state.si_status)
                continue
            return _ending(child.pid)
        os.waitid(os.P_PID, state.si_pid, os.WEXITED | os.WSTOPPED | os.WNOHANG)


def _ending(pid: int) -> Ending:
    status, cpu_s, max_rss = _reaped(pid)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    return Ending(
        code=128 + number if number is not None else os.WEXITSTATUS(status),
        signal=number,
        core_dumped=os.WCOREDUMP(status),
        cpu_s=cpu_s,
        max_rss_bytes=max_rss * (1024 if syscalls.LINUX else 1),
    )


def _reaped(pid: int) -> tuple[int, float, int]:
    """The status, the CPU seconds and the peak memory (in the system's unit; 0: unknown) of a child."""
    try:
        import resource  # noqa: F401  (wait4 would look for it with the status in hand, and drop that)
    except (ImportError, OSError):  # no descriptor left to load it with
        before, (_, status), after = os.times(), os.waitpid(pid, 0), os.times()
        user_s, system_s = (after[i] - before[i] for i in (2, 3))
        return status, user_s + system_s, 0
    _, status, usage = os.wait4(pid, 0)
    return status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def _follow_stop(pid: int, number: int) -> None:
    """The command has stopped: stop as well, by the same signal, so that the shell sees a stopped job."""
    while _signal.sigtimedwait(STOPS, 0) is not None:
        pass  # our own copies of the terminal's stop signals have done their work
    if number not in STOPS:
        number = _signal.SIGTSTP  # SIGSTOP cannot be blocked: it might hit us when all have gone on
    os.kill(os.getpid(), number)  # blocked, so still pending; a continuation drops it
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
