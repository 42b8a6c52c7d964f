"""A sibling process that tells whether a signal was sent to us alone or to the whole process group.

A signal to the group reaches the command by itself; passing our copy on would deliver it twice. The canary
lives in the same group with every signal blocked, so what was sent to all is pending there as well.
"""

from __future__ import annotations

import os
import time

from energywrap import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

NAME = b"signal-canary"
ARRIVES_WITHIN_S = 0.004  # the kernel serves a group one member after the other
ANSWERS_WITHIN_MS = 1000
NOTHING: set[int] = set()
# A pending stop is dropped by the kernel when a continuation arrives, and a pending continuation by a stop.
STOPS, CONTINUES = syscalls.numbers("SIGTSTP", "SIGTTIN", "SIGTTOU"), syscalls.numbers("SIGCONT")
UNDONE_BY: dict[int, set[int]] = {
    **dict.fromkeys(CONTINUES, STOPS),
    **dict.fromkeys(STOPS, CONTINUES),
}
OWED_FOR_S = 0.2  # signals of one broadcast reach us together


class Canary:
    """The sibling, and what it has seen of broadcasts whose copies we have not yet taken ourselves."""

    def __init__(self) -> None:
        """Fork it. Raises OSError where there can be no further process."""
        self._answers, answer = os.pipe2(os.O_CLOEXEC)
        question, self._questions = os.pipe2(os.O_CLOEXEC)
        self._owed: dict[int, int] = {}
        self._owed_until_s = 0.0
        wrapper = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._questions)  # so that it hears when we are gone
            _sing(wrapper, question, answer)
        os.close(question)
        os.close(answer)

    def heard(self, number: int) -> bool:
        """Whether the signal that we have just taken was sent to the whole group."""
        if self._owed.get(number, 0) > 0 and time.monotonic() < self._owed_until_s:
            self._owed[number] -= 1
            if self._has(number):
                self._drain(number)  # else it would be taken for news later
            return True
        until = time.monotonic() + ARRIVES_WITHIN_S
        while not self._has(number):
            if UNDONE_BY.get(number, NOTHING) & _signal.sigpending():
                return True  # it is void: what follows it here has removed it there, and would at the command
            if time.monotonic() >= until:
                return False
            time.sleep(ARRIVES_WITHIN_S / 8)
        self._drain(number)
        return True

    def close(self) -> None:
        """End it, and leave nothing of it behind."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # still ours, dead or alive?
            os.kill(self.pid, _signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # it was killed with the group, and reaped: the number may be another's by now

    def _has(self, number: int) -> bool:
        try:
            with open(f"/proc/{self.pid}/status", "rb") as file:
                mask = int(file.read().split(b"\nShdPnd:", 1)[1].split(None, 1)[0], 16)
        except (OSError, ValueError, IndexError):
            return False
        return bool(mask >> (number - 1) & 1)

    def _drain(self, number: int) -> None:
        """Let it take what is pending there; of each but the one at hand our own copy is still to come."""
        if time.monotonic() >= self._owed_until_s:
            self._owed.clear()
        self._answer(0)  # what came too late for the last question is no answer to this one
        try:
            os.write(self._questions, b"?")
        except OSError:
            return  # it was killed; from now on every signal counts as ours alone
        for taken in self._answer(ANSWERS_WITHIN_MS):
            self._owed[taken] = self._owed.get(taken, 0) + 1
        self._owed[number] = self._owed.get(number, 1) - 1
        for again in _signal.sigpending() & self._owed.keys():
            # sent to all once more before the canary had taken the first: one there, but two for us
            self._owed[again] = max(1, self._owed[again])
        self._owed_until_s = time.monotonic() + OWED_FOR_S

    def _answer(self, within_ms: int) -> bytes:
        import select

        poller = select.poll()
        poller.register(self._answers, select.POLLIN)
        return os.read(self._answers, 4096)[1:] if poller.poll(within_ms) else b""


def _sing(wrapper: int, question: int, answer: int) -> None:
    """In the sibling: take pending signals when asked, end with the wrapper. Does not return."""
    try:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _signal.SIGKILL)
        _rename()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        every = set(range(1, _signal.NSIG)) - {_signal.SIGKILL, _signal.SIGSTOP, 32, 33}
        while os.getppid() == wrapper and os.read(question, 1):
            taken = [0]
            while (info := _signal.sigtimedwait(every, 0)) is not None:
                taken.append(info.si_signo)
            os.write(answer, bytes(taken))
    finally:
        os._exit(0)


def _rename() -> None:
    """Look like something else: `pkill energywrap` means the wrapper, and what we get counts for all."""
    syscalls.rename(NAME)
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
        start, end = int(fields[45]), int(fields[46])  # where the kernel finds our command line
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(NAME.ljust(end - start, b"\0")[: end - start])
    except (OSError, ValueError, IndexError):
        pass  # then it goes by the wrapper's name
