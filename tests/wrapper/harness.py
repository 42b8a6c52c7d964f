"""What these tests share: the wrapper under test, its processes in pipes and on terminals, and patience."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest

PROBES = str(Path(__file__).with_name("probes.py"))
OTHER = os.environ.get("WRAP")
DEADLINE_S = 3.0 if OTHER else 20.0  # nothing here takes a second; a loaded machine may take several
ours = pytest.mark.skipif(bool(OTHER), reason="a promise of energywrap alone; WRAP names another wrapper")
linux_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may")

Word: TypeAlias = str | bytes
Setup: TypeAlias = Callable[[], object]


class Done(NamedTuple):
    """How a process ended (negative: the signal it died of) and what it said."""

    status: int
    out: bytes
    err: bytes


class Running:
    """A started process with pipes; what it says can be awaited line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid

    def line(self) -> str:
        """The next line of its standard output."""
        assert self.process.stdout is not None
        return read_line(self.process.stdout.fileno())

    def command(self) -> int:
        """The pid that the command, a probe, says first."""
        word, pid = self.line().split()
        assert word == "ready"
        return int(pid)

    def send(self, number: int) -> None:
        """A signal to the wrapper alone."""
        os.kill(self.pid, number)

    def send_group(self, number: int) -> None:
        """A signal to the wrapper's whole process group."""
        os.killpg(self.pid, number)

    def status(self) -> int:
        """Its status, once it has ended."""
        return self.process.wait(DEADLINE_S)

    def done(self, said: bytes | None = None) -> Done:
        """Its end and all that is left to read."""
        out, err = self.process.communicate(said, timeout=DEADLINE_S)
        return Done(self.process.returncode, out or b"", err or b"")


class Bench:
    """One test's place: isolated folders, an environment, the wrapper, and every process started here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder / "report.json"
        home = folder / "home"
        home.mkdir()
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("STATE", "CONFIG", "CACHE")},
        }
        self.words = shlex.split(OTHER) if OTHER else own_words("--quiet", "-o", str(self.report))
        self.shown = own_words("-o", str(self.report), "--no-color")
        self.shell = shlex.join(self.words)
        self.started: list[Running] = []
        self.terminals: list[Terminal] = []

    def start(
        self, *argv: Word, words: Sequence[Word] | None = None, setup: Setup = int, **how: Any
    ) -> Running:
        """Start a command behind the wrapper (or behind `words`), in a process group of its own."""

        def before_exec() -> None:
            os.setpgid(0, 0)
            setup()

        keywords: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "cwd": self.folder,
            "env": self.env,
            "bufsize": 0,
            **how,
        }
        whole = [*(self.words if words is None else words), *argv]
        running = Running(subprocess.Popen(whole, preexec_fn=before_exec, **keywords))
        self.started.append(running)
        return running

    def run(self, *argv: Word, said: bytes | None = None, **how: Any) -> Done:
        """Run a command behind the wrapper to its end."""
        if said is not None:
            how["stdin"] = subprocess.PIPE
        return self.start(*argv, **how).done(said)

    def bare(self, *argv: Word, **how: Any) -> Done:
        """Run a command without the wrapper: the reference."""
        return self.run(*argv, words=(), **how)

    def probe(self, *argv: str, **how: Any) -> Running:
        """Start one of the probes behind the wrapper and see that it runs."""
        return self.start(*probe(*argv), **how)

    def terminal(self, *argv: str, words: Sequence[str] = ()) -> Terminal:
        """A terminal with a process of its own session on it."""
        opened = Terminal([*words, *argv], self.env, self.folder)
        self.terminals.append(opened)
        self.started.append(Running(opened.process))
        return opened

    def bash(self) -> Terminal:
        """A terminal with an interactive shell, at its prompt and without echo."""
        need("bash")
        self.env["PS1"] = PROMPT
        self.env["TERM"] = "dumb"
        terminal = self.terminal("bash", "--norc", "--noprofile", "--noediting", "-i")
        terminal.expect(re.escape(PROMPT))
        terminal.type("stty -echo\n")
        terminal.expect(re.escape(PROMPT))
        return terminal

    def close(self) -> None:
        """End whatever a test has left."""
        for running in self.started:
            family = [*descendants(running.pid), running.pid] if running.process.poll() is None else []
            with suppress(OSError):
                os.killpg(running.pid, signal.SIGKILL)
            for pid in family:
                kill(pid)
            running.process.wait(DEADLINE_S)
            for pipe in (running.process.stdin, running.process.stdout, running.process.stderr):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        for terminal in self.terminals:
            terminal.hang_up()
        if OTHER:  # which may leave a command behind when it is killed
            mark = f"HOME={self.folder / 'home'}\0".encode()
            for path in Path("/proc").glob("[0-9]*/environ"):
                with suppress(OSError):
                    if mark in path.read_bytes():
                        kill(int(path.parent.name))


PROMPT = "@> "


class Terminal:
    """A pseudo-terminal: what is typed on it, and what appears."""

    def __init__(self, argv: Sequence[str], env: dict[str, str], folder: Path) -> None:
        self.master, slave = os.openpty()
        self.name = os.ttyname(slave)
        self.open = True
        self.seen = ""

        def before_exec() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            list(argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=before_exec,
            env=env,
            cwd=folder,
        )
        os.close(slave)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until something appears; what came before it is taken as read."""
        end = time.monotonic() + DEADLINE_S
        while True:
            found = re.search(pattern, self.seen)
            if found:
                self.seen = self.seen[found.end() :]
                return found
            ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"waited for {pattern!r}, saw {self.seen!r}")
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"terminal closed, waited for {pattern!r}, saw {self.seen!r}")
            self.seen += data.decode("utf-8", "replace")

    def command(self) -> int:
        """The pid that a probe on this terminal says when it is ready."""
        return int(self.expect(r"ready (\d+)\r\n")[1])

    def shell(self, line: str) -> str:
        """Type a line to the shell and wait for the next prompt; what appeared before it."""
        self.type(line + "\n")
        return self.at_prompt()

    def at_prompt(self) -> str:
        """What appears until the prompt comes back."""
        return self.expect(rf"(?s)(.*?){re.escape(PROMPT)}")[1].replace("\r\n", "\n")

    def resize(self, rows: int, columns: int) -> None:
        """Give the window another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the window."""
        if self.open:
            os.close(self.master)
            self.open = False


def own_words(*options: str) -> list[str]:
    """The words that put energywrap before a command."""
    script = Path(sys.executable).with_name("energywrap")
    return [str(script) if script.exists() else "energywrap", "run", *options]


def probe(*argv: str) -> list[str]:
    """The words that run one of the probes: an interpreter with as little of its own as possible."""
    return [sys.executable, "-I", "-S", PROBES, *argv]


def read_line(fd: int) -> str:
    """One line from a descriptor, byte by byte: nothing of what follows is taken."""
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([fd], [], [], DEADLINE_S)
        assert ready, f"no line within {DEADLINE_S} s, only {line!r}"
        byte = os.read(fd, 1)
        assert byte, f"ended after {line!r}"
        line += byte
    return line.decode().rstrip("\n")


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a state of the system that nobody announces."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.002)


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def state(pid: int) -> str:
    """R, S, T, Z, ...; empty when there is no such process."""
    return next(iter(stat_of(pid)), "")


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    return state(pid) in {"", "Z", "X"}


def children(pid: int) -> list[int]:
    """The pids of a process's children."""
    found = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [other for other in found if stat_of(other)[1:2] == [str(pid)]]


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    return [p for child in children(pid) for p in (child, *descendants(child))]


def kill(pid: int) -> None:
    """End a process, if it has not ended yet."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def need(*programs: str) -> None:
    """Skip where a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")


def namespace(*kinds: str) -> list[str]:
    """The words that run a command in namespaces of its own; skips where that is forbidden."""
    need("unshare")
    words = ["unshare", *kinds]
    if os.geteuid() != 0:
        words[1:1] = ["--user", "--map-root-user"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"not allowed here: {shlex.join(words)}")
    return words


def execve(argv: Sequence[bytes], environ: Sequence[bytes]) -> None:
    """Become a program with exactly this environment, which need not be a mapping."""
    libc = ctypes.CDLL(None, use_errno=True)
    words = (ctypes.c_char_p * (len(argv) + 1))(*argv, None)
    entries = (ctypes.c_char_p * (len(environ) + 1))(*environ, None)
    libc.execve(argv[0], words, entries)
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def ignore(*numbers: int) -> Setup:
    """A setup that leaves signals ignored."""
    return lambda: [signal.signal(number, signal.SIG_IGN) for number in numbers]


def block(*numbers: int) -> Setup:
    """A setup that leaves signals blocked."""
    return lambda: signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
