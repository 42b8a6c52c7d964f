"""Runs energywrap as if on macOS or Windows, as far as Linux can pretend.

`python elsewhere.py darwin run ...`: what that system lacks is taken from Python, and /proc and /sys with it,
before energywrap is loaded. psutil and `subprocess` keep all they need, for these are Linux's and know how to
ask it. What stays Linux's as well: paths, processes, signals between them, what a program is.
"""

from __future__ import annotations

import builtins
import fcntl
import io
import os
import shutil
import sys
import sysconfig
import types
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

NEITHER = """os: fdatasync memfd_create pidfd_open pipe2 posix_fadvise sched_getaffinity sched_getparam
sched_setaffinity waitid P_ALL P_PID P_PGID P_PIDFD WEXITED WSTOPPED WNOWAIT WCONTINUED CLD_STOPPED
CLD_TRAPPED
_signal: sigtimedwait sigwaitinfo SIGRTMIN SIGRTMAX SIGPWR SIGSTKFLT SIGPOLL
time: CLOCK_BOOTTIME
modules:"""
WITHOUT = {
    "darwin": NEITHER,
    "win32": f"""{NEITHER} fcntl resource pwd grp termios syslog posix
os: fork forkpty uname sysconf sysconf_names confstr wait wait3 wait4 WNOHANG WUNTRACED WIFSIGNALED
WIFSTOPPED WIFEXITED WTERMSIG WEXITSTATUS WSTOPSIG WCOREDUMP getpgrp getpgid getsid getuid geteuid getgid
getegid getgroups setsid setpgid setuid setgid setpriority getpriority nice killpg posix_spawn posix_spawnp
pread pwrite preadv pwritev set_blocking get_blocking environb getenvb RTLD_NOW RTLD_LAZY RTLD_GLOBAL
tcgetpgrp tcsetpgrp ctermid ttyname openpty mkfifo chown fchown fchmod lchown chroot statvfs fstatvfs
getloadavg sched_yield O_CLOEXEC O_NONBLOCK O_NOCTTY O_DIRECTORY O_NOFOLLOW O_SYNC O_DSYNC
_signal: pthread_sigmask pthread_kill sigpending sigwait alarm setitimer getitimer pause siginterrupt
SIG_BLOCK SIG_UNBLOCK SIG_SETMASK SIGKILL SIGSTOP SIGCONT SIGTSTP SIGTTIN SIGTTOU SIGHUP SIGQUIT SIGPIPE
SIGXFSZ SIGXCPU SIGCHLD SIGCLD SIGUSR1 SIGUSR2 SIGALRM SIGVTALRM SIGPROF SIGWINCH SIGIO SIGURG SIGSYS SIGTRAP
SIGBUS SIGIOT
time: clock_gettime clock_getres pthread_getcpuclockid CLOCK_MONOTONIC CLOCK_MONOTONIC_RAW CLOCK_REALTIME
select: poll epoll""",
}
HIDDEN = ("/proc", "/sys")
KEEPING = ("psutil", "subprocess")
LOOKING_EARLY = (
    *KEEPING,
    "urllib.request",
    "platform",
    "rich.console",
    "rich.table",
    "select",
    "signal",
    "typer",
)  # once only


def pretend(system: str) -> None:
    """Make this interpreter look like one on that system."""
    for name in LOOKING_EARLY:
        import_module(name)
    sysconfig.get_config_vars()
    names = parsed(WITHOUT[system])
    whole = types.ModuleType("os")
    vars(whole).update(vars(os))
    for name, module in sys.modules.items():
        if name.partition(".")[0] in KEEPING:
            vars(module).update(os=whole, open=open)
    if system == "win32":
        sys.modules["msvcrt"] = _msvcrt()
        shutil.which = lambda *words, **how: None
    _hide()
    for name in names.pop("modules"):
        sys.modules[name] = None  # type: ignore[assignment]
    for owner, gone in names.items():
        for name in gone:
            vars(sys.modules[owner]).pop(name, None)
    sys.platform = system


def parsed(text: str) -> dict[str, list[str]]:
    """The names by the module that they are taken from."""
    found: dict[str, list[str]] = {}
    where: list[str] = []
    for word in text.split():
        if word.endswith(":"):
            where = found.setdefault(word[:-1], [])
        else:
            where.append(word)
    return found


def _hide() -> None:
    for owner, name in (
        (builtins, "open"), (io, "open"), (os, "open"), (os, "listdir"), (os, "stat"), (os, "lstat"),
        (os, "scandir"), (os, "readlink"), (os, "access"),
    ):  # fmt: skip
        setattr(owner, name, _without_hidden(getattr(owner, name)))


def _without_hidden(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(path: Any = ".", *rest: Any, **how: Any) -> Any:
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(HIDDEN):
            raise FileNotFoundError(2, "No such file or directory", path)
        return call(path, *rest, **how)

    return wrapped


def _msvcrt() -> types.ModuleType:
    """The one function that is used of it, by the locks of this system."""
    made = types.ModuleType("msvcrt")

    def locking(fd: int, mode: int, size: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, size, os.lseek(fd, 0, os.SEEK_CUR))

    made.locking, made.LK_NBLCK = locking, 2  # type: ignore[attr-defined]
    return made


def main() -> None:
    """As the console script."""
    system, *sys.argv[1:] = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).parents[2]))
    pretend(system)
    from energywrap import _entry

    _entry.main()


if __name__ == "__main__":
    main()
