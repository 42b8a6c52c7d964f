"""The command's process by what every system offers, on this one; and whole runs where Linux pretends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from energywrap import reportfile, syscalls
from energywrap.sources import procstat

psutil = pytest.importorskip("psutil")

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "energywrap"
PYTHON = (sys.executable, "-I", "-S")
DRIVEN = (sys.executable, str(HERE / "fakes" / "driven.py"))
ELSEWHERE = (sys.executable, str(HERE / "fakes" / "elsewhere.py"))
SYSTEMS = ("darwin", "win32")
LONGEST_S = 30.0
SCHEMA = jsonschema.Draft202012Validator(json.loads((PACKAGE / "data" / "report.schema.json").read_text()))

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
pretending = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux pretends to be another"
)

# Says which signals it gets, one a line, until one comes that it was not told of.
LISTENER = """
import os, signal, sys
for number in map(int, sys.argv[1:]):
    signal.signal(number, lambda number, frame: os.write(1, b"got %d\\n" % number))
os.write(1, b"ready\\n")
while True: signal.pause()
"""
# Burns so many seconds of CPU time in a child of its own, which can be looked at for a while afterwards.
BURNER = """
import subprocess, sys, time
code = f"import time\\nwhile time.process_time() < {sys.argv[1]}: pass\\ntime.sleep(1.2)"
subprocess.run([sys.executable, "-I", "-S", "-c", code])
"""
INODES = "import json, os, sys\nprint(json.dumps([os.fstat(int(fd)).st_ino for fd in sys.argv[1:]]))"
TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Running:
    """A started process, read line by line, and what it noted in its file."""

    def __init__(self, process: subprocess.Popen[str], file: Path) -> None:
        self.process = process
        self.file = file

    def line(self) -> str:
        """The next line that is said on its standard output."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def send(self, number: int) -> None:
        """A signal to it alone."""
        self.process.send_signal(number)

    def done(self) -> Done:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=LONGEST_S)
        text = self.file.read_text() if self.file.exists() else "null"
        return Done(self.process.returncode, out or "", err or "", json.loads(text))


class Done(NamedTuple):
    """How it ended, what was left to read, and what it noted."""

    status: int
    out: str
    err: str
    seen: Any


class Place:
    """A folder of one's own, and every process that was started for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state" / "energywrap"
        self.started: list[Running] = []
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ENERGYWRAP_")},
            "HOME": str(folder),
            **{f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CONFIG", "STATE")},
        }

    def start(self, *words: str, file: Path | None = None, **how: Any) -> Running:
        """Start a program in this folder."""
        keywords: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "env": self.env,
            "cwd": self.folder,
            "text": True,
            **how,
        }
        running = Running(subprocess.Popen(words, **keywords), file or self.folder / f"{len(self.started)}")
        self.started.append(running)
        return running

    def drive(self, *words: str, mode: str = "plain", **how: Any) -> Running:
        """Start a command by `portable` alone."""
        file = self.folder / f"{len(self.started)}"
        return self.start(*DRIVEN, str(file), mode, *words, file=file, **how)

    def elsewhere(self, system: str, *words: str) -> Running:
        """Start a whole run as on that system, quick to read and to note."""
        file = self.folder / f"{len(self.started)}"
        return self.start(*ELSEWHERE, system, "run", "-i", "0.1", "-o", str(file), *words, file=file)

    def close(self) -> None:
        """End whatever is left."""
        for running in self.started:
            if running.process.poll() is None:
                for child in psutil.Process(running.process.pid).children(recursive=True):
                    child.kill()
                running.process.kill()
            running.process.wait(LONGEST_S)
            for pipe in (running.process.stdout, running.process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A folder with everything that was started in it."""
    made = Place(tmp_path)
    yield made
    made.close()


def python(code: str, *words: str) -> tuple[str, ...]:
    """A command that runs this code."""
    return (*PYTHON, "-c", code, *words)


def listener(*numbers: int) -> tuple[str, ...]:
    """A command that says which of these signals it gets."""
    return python(LISTENER, *(str(int(number)) for number in numbers))


def until(ready: Callable[[], bool], what: str) -> None:
    """Wait for a condition; the limit only keeps a broken program from hanging the suite."""
    end = time.monotonic() + LONGEST_S
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.005)


# ---- how a command ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["plain", "unresourced"])
@pytest.mark.parametrize("status", [0, 1, 3, 125, 126, 127, 128, 255])
def test_the_status_of_the_command_is_ours(status: int, mode: str, place: Place) -> None:
    done = place.drive(*python(f"import os; os._exit({status})"), mode=mode).done()

    assert (done.status, done.seen["ending"]["code"], done.seen["ending"]["signal"]) == (status, status, None)


@posix
@pytest.mark.parametrize("mode", ["plain", "unresourced"])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGSEGV", "SIGUSR1"])
def test_the_signal_that_ended_the_command_ends_us(name: str, mode: str, place: Place) -> None:
    number = int(getattr(signal, name))
    by_default = f"signal.signal({number}, signal.SIG_DFL)" if number != signal.SIGKILL else ""
    code = f"import os, signal\n{by_default}\nos.kill(os.getpid(), {number})"
    done = place.drive(*python(code), mode=mode).done()

    assert done.status == -number
    assert (done.seen["ending"]["code"], done.seen["ending"]["signal"]) == (128 + number, number)


@posix
def test_a_status_is_found_although_ends_of_children_were_ignored_on_entry(place: Place) -> None:
    ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # noqa: E731
    done = place.drive(*python("import os; os._exit(7)"), preexec_fn=ignore).done()

    assert done.status == 7


@pytest.mark.parametrize("name", ["no-such-command", "./no-such-file", ""])
def test_a_command_that_does_not_exist_is_127(name: str, place: Place) -> None:
    done = place.drive(name, "word").done()

    assert done.status == 127
    assert done.seen["failure"] == f"{name or repr(name)}: No such file or directory"
    assert (done.seen["idle"], done.seen["alive"]) == (0, [])


@posix
@pytest.mark.parametrize("kind", ["folder", "unmarked", "below a file"])
def test_a_command_that_cannot_be_run_is_126(kind: str, place: Place) -> None:
    path = place.folder / "thing"
    path.mkdir() if kind == "folder" else path.write_text("exit 0\n")
    done = place.drive(str(path / "below" if kind == "below a file" else path)).done()

    assert done.status == 126
    assert done.seen["failure"].startswith(str(path))


@posix
@pytest.mark.parametrize("direct", [True, False])
def test_a_script_without_a_first_line_is_given_to_sh(direct: bool, place: Place) -> None:
    script = place.folder / "script"
    script.write_text('echo "$0 $1"; exit 5\n')
    script.chmod(0o755)
    env = {**place.env, "PATH": f"{place.folder}:{os.environ['PATH']}"}
    done = place.drive(str(script) if direct else "script", "a b", env=env).done()

    assert (done.status, done.out) == (5, f"{script} a b\n")


def test_a_status_of_32_bits_keeps_them() -> None:
    ending = "waiting.Ending(0xC0000105, None, False, 0.0, 0)"
    code = f"from energywrap import leave, waiting\nleave.leave_as({ending})"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, check=False)

    assert done.returncode == (0xC0000105 if sys.platform == "win32" else 5)


# ---- what the command gets -------------------------------------------------------------------------


def test_the_environment_is_ours_with_the_run_added(place: Place) -> None:
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    bare = json.loads(place.start(*python(code)).done().out)
    seen = json.loads(place.drive(*python(code)).done().out)

    assert seen.pop("ENERGYWRAP_RUN") == "0123456789abcdef"
    assert seen == bare


@posix
def test_streams_and_further_descriptors_are_the_very_same(place: Place) -> None:
    files = [(place.folder / name).open("w+") for name in ("in", "out", "err", "more")]
    stdin, stdout, stderr, more = files
    place.drive(
        *python(INODES, "0", "1", "2", str(more.fileno())),
        stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=(more.fileno(),),
    ).done()  # fmt: skip

    assert json.loads((place.folder / "out").read_text()) == [os.fstat(f.fileno()).st_ino for f in files]
    for file in files:
        file.close()


@posix
@pytest.mark.parametrize("closed", [0, 2])
def test_a_closed_stream_stays_closed(closed: int, place: Place) -> None:
    done = place.drive(*python(INODES, str(closed)), preexec_fn=lambda: os.close(closed)).done()

    assert (done.status, done.out) == (1, "")


@posix
def test_the_command_is_of_our_process_group(place: Place) -> None:
    running = place.drive(*python("import os; print(os.getpgrp(), os.getsid(0))"), start_new_session=True)

    assert running.done().out.split() == [str(running.process.pid)] * 2


@posix
@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE", "SIGUSR1", "SIGCHLD"])
def test_a_signal_does_to_the_command_what_it_did_before_us(name: str, place: Place) -> None:
    code = f"import signal; print(signal.getsignal(signal.{name}))"
    bare, driven = place.start(*python(code)).done(), place.drive(*python(code)).done()

    assert driven.out == bare.out


@posix
@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_what_was_ignored_on_entry_is_ignored_by_the_command(name: str, place: Place) -> None:
    code = f"import signal; print(signal.getsignal(signal.{name}) == signal.SIG_IGN)"
    ignore = lambda: signal.signal(getattr(signal, name), signal.SIG_IGN)  # noqa: E731

    assert place.drive(*python(code), preexec_fn=ignore).done().out == "True\n"


# ---- meanwhile -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["plain", "unresourced"])
def test_other_work_is_done_to_its_end_and_a_command_that_lives_is_told_once(mode: str, place: Place) -> None:
    done = place.drive(*python("import time; time.sleep(0.4)"), mode=mode).done()

    assert done.seen["idle"] == 5
    assert len(done.seen["alive"]) == 1
    assert 0.05 <= done.seen["alive"][0] < 0.4


def test_an_end_does_not_wait_for_other_work(place: Place) -> None:
    done = place.drive(*python("import os; os._exit(4)"), mode="busy").done()

    assert (done.status, done.seen["alive"]) == (4, [])
    assert done.seen["idle"] > 0


def test_a_command_that_is_over_at_once_is_not_said_to_live(place: Place) -> None:
    begun = time.monotonic()
    done = place.drive(*python("pass")).done()

    assert done.seen["alive"] == [] or time.monotonic() - begun > 0.05


@posix
@pytest.mark.parametrize("mode", ["plain", "unresourced"])
def test_the_cpu_time_and_the_memory_of_a_command_and_its_children_are_told(mode: str, place: Place) -> None:
    ending = place.drive(*python(BURNER, "0.8"), mode=mode).done().seen["ending"]

    assert 0.75 < ending["cpu_s"] < 3.0
    assert 1 << 20 < ending["max_rss_bytes"] < 1 << 30


# ---- signals ---------------------------------------------------------------------------------------

PASSED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGCONT"]


@posix
@pytest.mark.parametrize("name", PASSED)
def test_a_signal_is_passed_on_once(name: str, place: Place) -> None:
    number = getattr(signal, name)
    running = place.drive(*listener(number), start_new_session=True)  # away from any terminal
    assert running.line() == "ready"
    for _ in range(3):
        running.send(number)
        assert running.line() == f"got {int(number)}"
    running.send(signal.SIGTERM)

    assert running.done()[:2] == (-signal.SIGTERM, "")


@posix
def test_a_signal_is_passed_on_whichever_thread_has_got_it(place: Place) -> None:
    running = place.drive(*listener(signal.SIGUSR1), mode="deaf", start_new_session=True)
    assert running.line() == "ready"
    time.sleep(0.3)  # the thread is started when the command has lived for a while
    running.send(signal.SIGUSR1)
    assert running.line() == f"got {int(signal.SIGUSR1)}"
    running.process.send_signal(signal.SIGTERM)

    assert running.done().seen["ending"]["signal"] == signal.SIGTERM


@posix
def test_the_command_decides_what_a_signal_means(place: Place) -> None:
    code = "import os, signal\nsignal.signal(15, lambda *_: os._exit(9))\n"
    running = place.drive(*python(code + "print('ready', flush=True)\nsignal.pause()"))
    assert running.line() == "ready"
    running.send(signal.SIGTERM)

    assert running.done().status == 9


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_start_ends_us_alone(number: int, place: Place) -> None:
    running = place.drive("no-such-command", mode="sleepy")
    assert running.line() == "ready"
    running.send(number)

    assert running.done() == (-number, "", "", None)


@posix
def test_a_signal_at_any_moment_of_the_start_leaves_no_command_behind(place: Place) -> None:
    for step in range(12):
        seconds = str(100_000 + step)
        running = place.drive("sleep", seconds)
        time.sleep(step * 0.012)  # from before the interpreter runs until after the command does
        running.send(signal.SIGTERM)

        assert running.done().status == -signal.SIGTERM
        assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", seconds]]


@posix
@pytest.mark.parametrize(("key", "number"), [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
def test_a_key_of_the_terminal_arrives_once(key: bytes, number: int, place: Place) -> None:
    master, slave = os.openpty()
    file = place.folder / "seen"
    words = (*DRIVEN, str(file), "plain", *listener(number))
    running = place.start(*python(TERMINAL, *words), file=file, stdin=slave)
    os.close(slave)
    assert running.line() == "ready"
    time.sleep(0.1)
    for _ in range(3):
        os.write(master, key)
        assert running.line() == f"got {int(number)}"
    running.send(signal.SIGTERM)

    assert running.done()[:2] == (-signal.SIGTERM, "")
    os.close(master)


# ---- whole runs where Linux pretends ---------------------------------------------------------------


@pretending
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_module_can_be_imported(system: str, place: Place) -> None:
    code = f"""
import pkgutil, sys
sys.path[:0] = [{str(PACKAGE.parent)!r}, {str(HERE)!r}]
from fakes import elsewhere
elsewhere.pretend({system!r})
import energywrap
for module in pkgutil.walk_packages(energywrap.__path__, "energywrap."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
"""
    done = place.start(sys.executable, "-c", code).done()

    assert (done.status, done.err) == (0, "")


@pretending
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_whole_run_gives_a_sound_report(system: str, place: Place) -> None:
    burn = "import os, time\nwhile time.process_time() < 0.5: pass\n"
    done = place.elsewhere(
        system, *python(burn + "time.sleep(1); print('said', flush=True); os._exit(3)")
    ).done()
    report = done.seen

    assert (done.status, done.out) == (3, "said\n")
    assert "Traceback" not in done.err
    assert "cpu " in done.err
    SCHEMA.validate(report)
    assert (report["exit_code"], report["complete"]) == (3, True)
    assert {part["component"] for part in report["components"]} == {"cpu", "ram", "rest"}
    assert all(part["energy_j"] > 0 for part in report["components"])
    assert 0.3 < report["tree"]["cpu_s"] < 1.5
    assert report["scopes"]["command"]["energy_j"] > 0
    assert report["host"]["logical_cpus"] == os.cpu_count()
    assert report["host"]["ram_bytes"] == psutil.virtual_memory().total


@pretending
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_command_that_is_not_there_is_127_with_no_report(system: str, place: Place) -> None:
    done = place.elsewhere(system, "no-such-command").done()

    assert (done.status, done.seen) == (127, None)
    assert done.err == "energywrap: no-such-command: No such file or directory\n"


@pretending
def test_a_signal_to_a_whole_run_ends_it_as_it_ended_the_command(place: Place) -> None:
    running = place.elsewhere("darwin", *listener())
    assert running.line() == "ready"
    time.sleep(0.2)  # its threads live by now
    running.send(signal.SIGTERM)
    done = running.done()

    assert done.status == -signal.SIGTERM
    assert done.seen["signal"] == signal.SIGTERM


@pretending
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_run_that_was_cut_off_is_reported_by_the_next_one_once_it_is_over(
    system: str, place: Place
) -> None:
    journals = place.state / "journal"
    first = place.elsewhere(system, *python("import time; time.sleep(1000)"))
    until(lambda: journals.is_dir() and bool(list(journals.glob("*.journal"))), "there is a journal")
    meanwhile = place.elsewhere(system, *python("pass")).done()
    assert "has been reported" not in meanwhile.err
    left_behind = psutil.Process(first.process.pid).children()
    first.process.kill()
    first.process.wait(LONGEST_S)
    for child in left_behind:
        child.kill()
    later = place.elsewhere(system, *python("pass")).done()

    assert f"a run that was cut off has been reported: {first.file}" in later.err
    assert list(journals.iterdir()) == []
    report = json.loads(first.file.read_text())
    SCHEMA.validate(report)
    assert (report["complete"], report["exit_code"]) == (False, None)


@pretending
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_doctor_says_what_can_be_measured(system: str, place: Place) -> None:
    done = place.start(*ELSEWHERE, system, "doctor").done()

    assert done.status == 0, done.err
    assert "modelled" in done.out


# ---- the parts -------------------------------------------------------------------------------------


@pretending
def test_psutil_tells_of_the_machine_what_the_kernel_does(monkeypatch: pytest.MonkeyPatch) -> None:
    busy_s, cpus, ram = procstat.busy_s(procstat.read()), procstat.cpus(), procstat.ram_bytes()
    monkeypatch.setattr(syscalls, "LINUX", False)

    assert procstat.busy_s(procstat.read()) == pytest.approx(busy_s, rel=0.1)
    assert (procstat.cpus(), procstat.ram_bytes()) == (cpus, ram)


def test_without_psutil_there_is_no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "LINUX", False)
    monkeypatch.setitem(sys.modules, "psutil", None)

    for read in (lambda: procstat.busy_s(procstat.read()), procstat.cpus, procstat.ram_bytes):
        with pytest.raises(OSError, match="psutil"):
            read()


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/energywrap"),
        ("win32", {"LOCALAPPDATA": "/local", "HOME": "/home"}, "/local/energywrap"),
        ("win32", {"LOCALAPPDATA": "/local", "XDG_STATE_HOME": "/xdg"}, "/xdg/energywrap"),
        ("darwin", {"LOCALAPPDATA": "/local", "HOME": "/home"}, "/home/.local/state/energywrap"),
        ("darwin", {"HOME": "/home", "XDG_STATE_HOME": "/xdg"}, "/xdg/energywrap"),
    ],
)
def test_the_state_folder_is_where_the_system_keeps_such(
    platform: str, environ: dict[str, str], folder: str
) -> None:
    assert reportfile.state_folder(environ, platform=platform) == folder
