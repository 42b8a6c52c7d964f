"""In the forked process: put everything back as it was found, wait for the gate, become the command."""

from __future__ import annotations

import errno
import os

from energywrap import syscalls
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Sequence
    from typing import NoReturn
else:
    import _signal

OWN_FAILURE = 125
PYTHON_IGNORES = syscalls.numbers("SIGPIPE", "SIGXFSZ")
# programs that pass on the dispositions they were given, as the shells do
HANDING_ON = {b"sh", b"dash", b"bash", b"zsh", b"ksh", b"fish", b"busybox", b"systemd", b"init", b"make",
              b"sudo", b"su", b"xargs", b"env", b"nohup", b"setsid", b"timeout", b"nice", b"strace",
              b"cron"}  # fmt: skip
ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT)


def exact_bytes(words: Sequence[str]) -> list[bytes]:
    """The command as the bytes we were given: decoding and encoding again may not be the identity."""
    try:
        with open("/proc/self/cmdline", "rb") as file:
            given = file.read().split(b"\0")[:-1]
    except OSError:
        given = []
    tail = given[len(given) - len(words) :]
    return tail if len(tail) == len(words) else [os.fsencode(word) for word in words]


@record
class Launch:
    """What the forked process needs to know."""

    arguments: list[bytes]
    wrapper: int
    parent: int  # the wrapper's own
    gate: tuple[int, int]  # a pipe: open when the wrapper closes the end that is written to
    failure: int
    run_id: str
    die_with_parent: bool


def become(launch: Launch, restore_signals: Callable[[frozenset[int]], None]) -> NoReturn:
    """In the child: wait for the gate, put everything back as it was, execute. Does not return."""
    number = errno.EINVAL
    try:
        ignored = _ignored_before(launch.parent)
        if launch.die_with_parent:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, _signal.SIGKILL)
        _restore_environment(launch)
        os.close(launch.gate[1])
        os.read(launch.gate[0], 1)
        if os.getppid() != launch.wrapper:
            os._exit(OWN_FAILURE)  # nobody opened it: the wrapper has ended
        restore_signals(ignored)
        number = _execute(launch.arguments)
    except OSError as err:
        number = err.errno or errno.EINVAL
    finally:
        try:
            os.write(launch.failure, number.to_bytes(4, "little"))
        finally:
            os._exit(OWN_FAILURE)


def _ignored_before(parent: int) -> frozenset[int]:
    """Of the two signals that Python ignores for itself, those that were ignored when it started.

    Python keeps no trace of that. But a program that never resets them hands on what it ignores itself.
    """
    status = _status(parent)
    mask = int(_field(status, b"SigIgn") or b"0", 16)
    if _field(status, b"Name") not in HANDING_ON:
        return frozenset()
    return frozenset(number for number in PYTHON_IGNORES if mask >> (number - 1) & 1)


def _status(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _field(status: bytes, name: bytes) -> bytes:
    for line in status.splitlines():
        key, _, value = line.partition(b":")
        if key == name:
            return value.strip()
    return b""


def _restore_environment(launch: Launch) -> None:
    """Undo what Python did to LC_CTYPE (PEP 538), pass on a LISTEN_PID meant for us, name the run."""
    given = _given_environment() if b"LC_CTYPE" in os.environb else None
    if given is not None:
        found = [entry[9:] for entry in given if entry.startswith(b"LC_CTYPE=")]
        if not found:
            os.unsetenv(b"LC_CTYPE")
        elif os.environb[b"LC_CTYPE"] != found[0]:
            os.putenv(b"LC_CTYPE", found[0])
    if os.environb.get(b"LISTEN_PID") == b"%d" % launch.wrapper:
        os.putenv(b"LISTEN_PID", b"%d" % os.getpid())  # sockets passed on by systemd are the command's
    os.putenv("ENERGYWRAP_RUN", launch.run_id)  # the one thing added: a run inside this one knows of it


def _given_environment() -> list[bytes] | None:
    """The environment as the kernel handed it to us; None without /proc."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return None


def _execute(arguments: list[bytes]) -> int:
    """execvp(3): the caller's PATH, a refusal remembered, scripts without a first line given to sh."""
    name = arguments[0]
    if not name:
        return errno.ENOENT
    direct = b"/" in name
    folders = [b""] if direct else os.environb.get(b"PATH", b"/bin:/usr/bin").split(b":")
    refusal = errno.ENOENT
    for folder in folders:
        path = os.path.join(folder, name)
        try:
            os.execv(path, arguments)
        except OSError as err:
            number = err.errno or errno.EINVAL
        if number == errno.ENOEXEC:
            os.execv(b"/bin/sh", [b"/bin/sh", path, *arguments[1:]])
        if number == errno.EACCES:
            refusal = number
        elif direct or number not in ABSENT:
            return number
    return refusal
