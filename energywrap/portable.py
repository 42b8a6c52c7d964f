"""The command's process on systems other than Linux: started, waited for, its signals passed on.

The same roles as `runner` and `waiting`, by what Python offers everywhere. Developed and tested on Linux; not
yet seen on macOS or Windows.
"""

from __future__ import annotations

import errno
import os
import time

from energywrap import syscalls
from energywrap.errors import UserError
from energywrap.resting import Rest, own_peak_rss_bytes
from energywrap.runner import Child
from energywrap.waiting import FOLLOWED_AFTER_S, Ending, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Mapping, Sequence
    from subprocess import Popen
    from types import FrameType

    from energywrap.leash import Leash
else:
    import _signal

PASSED_ON = syscalls.numbers("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT", "SIGCONT")
HARMLESS = syscalls.numbers("SIGCONT")  # they end no program
OF_TERMINAL = syscalls.numbers("SIGINT", "SIGQUIT", "SIGHUP")
OF_CONSOLE = syscalls.numbers("SIGINT", "SIGBREAK")  # Windows
NO_ROOM = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


class Signals:
    """What is sent to the wrapper is the command's from its start on, and until it has ended."""

    def __init__(self) -> None:
        self.process: Popen[bytes] | None = None
        self._starting = False
        self._early: list[int] = []
        if syscalls.WINDOWS:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # until the start it ends us, without a traceback
            return
        for number in PASSED_ON:
            if _signal.getsignal(number) != _signal.SIG_IGN:  # the command is to ignore it as well
                _signal.signal(number, self._take)
        _signal.signal(_signal.SIGCHLD, _do_nothing)  # but wake us; were it ignored, the status would be lost

    def start(self, words: Sequence[str], environ: Mapping[str, str]) -> Popen[bytes]:
        """Start the command; what is sent meanwhile is for it. Raises OSError."""
        self._starting = True
        for number in OF_CONSOLE if syscalls.WINDOWS else ():
            _signal.signal(number, _signal.SIG_IGN)  # the console tells the command by itself
        self.process = _started(words, environ)
        for number in self._early:
            _send(self.process, number)
        return self.process

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.process is not None:
            if not (number in OF_TERMINAL and _in_foreground()):
                _send(self.process, number)
        elif self._starting:
            self._early.append(number)
        elif number not in HARMLESS:
            _signal.signal(number, _signal.SIG_DFL)
            os.kill(os.getpid(), number)


def spawn(words: Sequence[str], signals: Signals, run_id: str, *, die_with_parent: bool) -> Child:
    """Start the command: it is not held, and cannot be made to die with us.

    Raises UserError if there can be no process. That it cannot be executed is left to `confirm`.
    """
    peak = own_peak_rss_bytes()
    try:
        process = signals.start(words, {**os.environ, "ENERGYWRAP_RUN": run_id})
    except OSError as err:
        if err.errno in NO_ROOM:
            raise UserError(f"cannot start the command: {err.strerror or err}") from err
        return Child(os.getpid(), -1, err.errno or errno.EINVAL, peak)
    return Child(process.pid, -1, 0, peak)


def release(child: Child) -> None:
    """Nothing: the command runs already."""


def wait(
    child: Child,
    signals: Signals,
    idle: Callable[[], bool],
    when_alive: Callable[[], object],
    leash: Leash | None = None,
) -> Ending:
    """Pass signals on until the command has ended.

    `idle` is called again and again until it has nothing left to do (False), `when_alive` once the command
    has lived 50 ms.
    """
    if signals.process is None:
        return Ending(0, None, core_dumped=False, cpu_s=0.0, max_rss_bytes=0)  # `confirm` says why
    rest, began_s = Rest(signals.process), time.monotonic()
    busy, young = True, True
    rest_s = leash.rest_s() if leash is not None else 3600.0
    while (ending := rest.ending()) is None:
        if leash is not None:
            leash.step(child.pid)
        left_s = began_s + FOLLOWED_AFTER_S - time.monotonic()
        if busy:
            busy = idle()
        elif young and left_s <= 0:
            young = False
            when_alive()
        else:
            rest.for_s(left_s if young else rest_s)
    return ending


def confirm(child: Child, name: str) -> None:
    """Raise NotStarted if the command could not be executed."""
    if child.failure:
        raise refusal(name, child.failure)


def pause(seconds: float) -> None:
    """Sleep before the command is started; a signal that ends programs ends this one."""
    time.sleep(seconds)


def _started(words: Sequence[str], environ: Mapping[str, str]) -> Popen[bytes]:
    """The command with our descriptors and in our process group, found and executed as a shell would."""
    import subprocess
    from shutil import which

    if not words[0]:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    found = which(words[0]) or words[0]
    if syscalls.WINDOWS:  # which by itself does not know that npm is npm.cmd
        return subprocess.Popen([found, *words[1:]], close_fds=False, env=environ)
    try:
        return subprocess.Popen(words, executable=found, close_fds=False, env=environ)
    except OSError as err:
        if err.errno != errno.ENOEXEC:  # a script without a first line
            raise
    return subprocess.Popen(["/bin/sh", found, *words[1:]], close_fds=False, env=environ)


def _send(process: Popen[bytes], number: int) -> None:
    if process.returncode is None:  # else the pid may be another's by now
        try:
            os.kill(process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has just ended, or became another user's


def _in_foreground() -> bool:
    """Whether the terminal's keys reach our process group, and so the command as well."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass
