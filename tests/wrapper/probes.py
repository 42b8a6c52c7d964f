"""Small programs to be run as the wrapped command: each tells what it sees. Run with -I -S."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress

ALL = set(range(1, signal.NSIG)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
LAST = signal.SIGRTMAX  # ends a recorder
STATUS = [*("Umask", "Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "TracerPid", "Cpus_allowed"),
          *("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "Mems_allowed"),
          *("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")]  # fmt: skip


def say(*words: object) -> None:
    """One line, at once; a reader or a terminal that has gone away is no matter."""
    with suppress(OSError):
        os.write(1, (" ".join(map(str, words)) + "\n").encode())


def record(*first: str) -> None:
    """Name every signal that arrives, none of which does anything; the last one ends it with status 7."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ALL)
    say("ready", os.getpid())
    for number in first:
        os.kill(os.getppid(), int(number))
    while True:
        info = signal.sigwaitinfo(ALL)
        say("got", info.si_signo)
        if info.si_signo == LAST:
            os._exit(7)
        if info.si_signo == signal.SIGPIPE and info.si_pid == os.getpid():
            os._exit(8)  # nobody reads any more: writing on would signal ourselves for ever


def descriptors() -> None:
    """Which descriptors are open, what they are, and with which flags."""
    import fcntl

    found = {}
    for fd in range(1024):
        try:
            about = os.fstat(fd)
        except OSError:
            continue
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        found[fd] = [about.st_dev, about.st_ino, about.st_rdev, about.st_mode, flags, os.isatty(fd)]
    print(json.dumps(found))


def closed() -> None:
    """As status: which of the descriptors 0, 1, 2 (bits) are closed; 8 more if any further one is open."""
    missing = 0
    for fd in range(64):
        try:
            os.fstat(fd)
        except OSError:
            missing |= 1 << fd if fd < 3 else 0
        else:
            missing |= 8 if fd > 2 else 0
    os._exit(missing)


def attributes() -> None:
    """Whatever a process inherits."""
    libc = ctypes.CDLL(None)
    with open("/proc/self/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    seen: dict[str, object] = {name: status.get(name) for name in STATUS}
    seen["limits"] = [resource.getrlimit(kind) for kind in range(16)]
    seen["nice"] = os.getpriority(os.PRIO_PROCESS, 0)
    seen["scheduler"] = [os.sched_getscheduler(0), os.sched_getparam(0).sched_priority]
    seen["personality"] = libc.personality(0xFFFFFFFF)
    seen["dumpable, keepcaps, slack, subreaper, securebits"] = [
        libc.prctl(option, 0, 0, 0, 0) for option in (3, 7, 30, 27)
    ]
    seen["ioprio"] = libc.syscall(252, 1, 0) if os.uname().machine == "x86_64" else None
    for name in ("oom_score_adj", "cgroup", "coredump_filter", "loginuid", "sessionid"):
        with suppress(OSError), open(f"/proc/self/{name}") as file:
            seen[name] = file.read()
    seen["namespaces"] = {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}
    seen["folder"] = os.readlink("/proc/self/cwd")
    seen["root"] = os.readlink("/proc/self/root")
    seen["session"] = os.getsid(0)
    print(json.dumps(seen, sort_keys=True))


def group() -> None:
    """Its own process group and session."""
    print(json.dumps([os.getpgrp(), os.getsid(0)]))


def hold() -> None:
    """Run until a signal ends it; signals do what they did on entry."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    say("ready", os.getpid())
    while True:
        signal.pause()


def cooperative(status: str, patience: str) -> None:
    """End with a status at the n-th signal; until then only name them."""
    left = int(patience)

    def handler(number: int, _: object) -> None:
        nonlocal left
        left -= 1
        say("got", number)
        if not left:
            os._exit(int(status))

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, handler)
    say("ready", os.getpid())
    while True:
        signal.pause()


def stubborn() -> None:
    """Ignore the stop key."""
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    hold()


def stop() -> None:
    """Stop itself, as an editor does on its own command; end with status 5 when continued."""
    say("ready", os.getpid())
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(5)


def daemon() -> None:
    """Leave a process in a session of its own behind; say its pid, and its parent once that is settled."""
    ready_out, ready_in = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        first = os.getpid()
        if os.fork() == 0:
            os.close(ready_out)
            while os.getppid() == first:
                pass
            os.write(ready_in, f"{os.getpid()} {os.getppid()}".encode())
            for fd in range(4096):
                with suppress(OSError):
                    os.close(fd)
            while True:
                signal.pause()
        os._exit(0)
    os.waitpid(middle, 0)
    say(os.read(ready_out, 99).decode())


def unthreaded(*argv: str) -> None:
    """Become a program that may fork but gets no thread: a seccomp filter says "try again" to clone."""
    clone = {"x86_64": 56, "aarch64": 220}.get(os.uname().machine)
    if clone is None:
        os._exit(99)
    allow, again, missing = 0x7FFF0000, 0x00050000 | 11, 0x00050000 | 38
    thread = 0x00010000
    program = [
        (0x20, 0, 0, 0),  # the number of the call
        (0x15, 0, 1, 435),  # clone3: not there, so that the C library takes clone
        (0x06, 0, 0, missing),
        (0x15, 0, 2, clone),
        (0x20, 0, 0, 16),  # its flags
        (0x45, 1, 0, thread),
        (0x06, 0, 0, allow),
        (0x06, 0, 0, again),
    ]

    class Instruction(ctypes.Structure):
        _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8),
                    ("value", ctypes.c_uint32)]  # fmt: skip

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_uint16), ("first", ctypes.POINTER(Instruction))]

    code = (Instruction * len(program))(*[Instruction(*line) for line in program])
    libc = ctypes.CDLL(None)
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, ctypes.byref(Program(len(program), code)), 0, 0) != 0:
        os._exit(99)
    os.execvp(argv[0], argv)


def thread() -> None:
    """As status: 0 if a thread can be had."""
    import _thread

    try:
        _thread.start_new_thread(int, ())
    except RuntimeError:
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    PROGRAMS = (record, descriptors, closed, attributes, group, hold, cooperative, stubborn, stop, daemon,
                unthreaded, thread)  # fmt: skip
    {program.__name__: program for program in PROGRAMS}[sys.argv[1]](*sys.argv[2:])
