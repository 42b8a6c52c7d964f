"""Run a command that has no network and dies of the attempt to use one: `python offline.py CMD...`.

Where that is allowed it also gets a network namespace without interfaces. A filter of system calls kills
every process that asks for an internet socket; nothing else is changed, and the command cannot undo it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF: load a word, jump if equal, return
NR, ARCH, ARG0 = 0, 4, 16  # of struct seccomp_data
SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
AF_INET, AF_INET6 = 2, 10


class Instruction(ctypes.Structure):
    """One step of a BPF program."""

    _fields_ = [
        ("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32),
    ]  # fmt: skip


class Program(ctypes.Structure):
    """A BPF program."""

    _fields_ = [("len", ctypes.c_uint16), ("filter", ctypes.POINTER(Instruction))]


def command(*argv: str) -> list[str]:
    """The command line that runs `argv` so."""
    return [sys.executable, str(Path(__file__).resolve()), *argv]


@cache
def why_not() -> str | None:
    """Why this machine cannot forbid a command the network; None where it can. Tried once."""
    if not sys.platform.startswith("linux") or platform.machine() not in SOCKET:
        return "filters of system calls are written for Linux on x86_64 and aarch64"
    ask = "import socket; socket.socket(socket.AF_UNIX); socket.socket(socket.AF_INET)"
    done = subprocess.run(command(sys.executable, "-c", ask), capture_output=True, timeout=20, check=False)
    return None if done.returncode == -31 else "a filter of system calls has no effect here"


def forbid() -> None:
    """No internet socket for this process and its children from now on."""
    arch, number = SOCKET[platform.machine()]
    steps = [
        (LOAD, 0, 0, ARCH),
        (IF_EQUAL, 0, 6, arch),
        (LOAD, 0, 0, NR),
        (IF_EQUAL, 0, 4, number),
        (LOAD, 0, 0, ARG0),
        (IF_EQUAL, 1, 0, AF_INET),
        (IF_EQUAL, 0, 1, AF_INET6),
        (RETURN, 0, 0, KILL_PROCESS),
        (RETURN, 0, 0, ALLOW),
    ]
    code = (Instruction * len(steps))(*(Instruction(*step) for step in steps))
    program = Program(len(steps), code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)
    ):
        raise OSError(ctypes.get_errno(), "no filter of system calls can be set")


def main(argv: list[str]) -> None:
    """Become the command, without a network."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(CLONE_NEWNET if os.getuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET)  # where it is allowed
    forbid()
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
