"""Arguments, environment and every inherited attribute reach the command unchanged (rules 19-25)."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shlex
import signal
import sys
from pathlib import Path

import pytest

from wrapper.harness import (
    OTHER,
    Bench,
    Setup,
    Word,
    block,
    execve,
    gone,
    ignore,
    linux_root,
    need,
    ours,
    own_words,
    probe,
)

CMDLINE = ("sh", "-c", "cat /proc/$$/cmdline; :")  # the command's own words, as the kernel holds them


# ---- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--", "x"],
        ["-o", "x", "--quiet"],
        ["a", "--", "b", "--"],
        ["--no-such-option", "-", "-x"],
        ["run", "energywrap"],
        ["--version"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("separator", [[], ["--"]], ids=["plain", "after --"])
def test_options_after_the_command_belong_to_the_command(
    separator: list[str], words: list[str], bench: Bench
) -> None:
    if separator and OTHER:
        pytest.skip("not every wrapper knows the separator")
    done = bench.run(*separator, "printf", "%s|", *words)

    assert done.out.decode() == "".join(f"{word}|" for word in words)


@ours
def test_a_command_may_begin_with_a_dash_after_the_separator(bench: Bench) -> None:
    command = bench.folder / "-tool"
    command.write_text("#!/bin/sh\necho dashed\n")
    command.chmod(0o755)
    bench.env["PATH"] += f":{bench.folder}"

    assert bench.run("--", "-tool").out == b"dashed\n"


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "no_SUCH.locale", ""])
@pytest.mark.parametrize(
    "words",
    [
        [b""],
        [b"", b"", b""],
        [b"a b", b" ", b"\t"],
        [b"line\nline", b"\n"],
        [bytes(range(1, 128)), bytes(range(128, 256))],
        ["é".encode(), b"\xe9", b"\xff\xfe", "\U0001f600".encode()],
        [b"$HOME", b"`id`", b"*", b"\\", b"'\"", b"%s"],
        [b"[/markup]", b"\x1b[31m", b"\r"],
    ],
    ids=["empty", "three empty", "blanks", "newlines", "every byte", "no UTF-8", "shell", "escapes"],
)
def test_arguments_keep_every_byte_in_every_locale(locale: str, words: list[bytes], bench: Bench) -> None:
    bench.env["LC_ALL"] = locale
    done = bench.run(*CMDLINE, *words)

    assert done.out.split(b"\0")[3:-1] == words


def test_an_argument_of_the_greatest_length_passes(bench: Bench) -> None:
    word = b"x" * (128 * 1024 - 1)

    assert bench.run(*CMDLINE, word).out.split(b"\0")[3] == word


def test_a_megabyte_and_a_half_of_arguments_passes(bench: Bench) -> None:
    words = [b"%01000d" % number for number in range(1500)]

    assert bench.run(*CMDLINE, *words).out.split(b"\0")[3:-1] == words


@pytest.mark.parametrize("name", ["cat", "/bin/cat", "../bin/cat"])
def test_the_command_sees_its_name_as_it_was_typed(name: str, bench: Bench) -> None:
    done = bench.run(name, "/proc/self/cmdline", cwd="/usr")

    assert done.out.split(b"\0")[0].decode() == name


# ---- environment -----------------------------------------------------------------------------------

ADDED = b"ENERGYWRAP_RUN="  # the one entry that a run adds, by which a run inside it is known

ENVIRONMENTS: dict[str, list[bytes]] = {
    "nothing but a home": [],
    "a path": [b"PATH=/usr/bin:/bin"],
    "LANG=C": [b"LANG=C"],
    "LC_ALL=C": [b"LC_ALL=C"],
    "LC_CTYPE=C": [b"LC_CTYPE=C"],
    "LC_CTYPE=POSIX": [b"LC_CTYPE=POSIX"],
    "LC_CTYPE empty": [b"LC_CTYPE="],
    "LC_CTYPE=C.UTF-8": [b"LC_CTYPE=C.UTF-8", b"LANG=C"],
    "an unknown LC_CTYPE": [b"LC_CTYPE=no_SUCH.locale"],
    "an unknown LANG": [b"LANG=no_SUCH.locale"],
    "duplicates": [b"A=1", b"B=1", b"A=2", b"LANG=C", b"A=3", b"LANG=C.UTF-8"],
    "two paths": [b"PATH=/usr/bin:/bin", b"PATH=/no/such"],
    "two LC_CTYPE": [b"LC_CTYPE=C", b"LC_CTYPE=POSIX"],
    "no equals sign": [b"JUNK", b"A=1", b"", b"MORE JUNK"],
    "odd names": [b"A.b=1", b"a-b=2", b"=x", b"BASH_FUNC_f%%=() {  :\n}", b" =3", b"\xff=\xfe", b"1=1"],
    "odd values": [b"A=", b"B=a=b", b"C=\n", b"D=" + bytes(range(1, 256))],
    "unsorted": [b"Z=1", b"A=1", b"M=1"],
    "Python's": [b"PYTHONUNBUFFERED=1", b"PYTHONCOERCECLOCALE=0", b"PYTHONUTF8=0", b"PYTHONHASHSEED=1"],
    "the linker's": [b"LD_LIBRARY_PATH=/no/such"],
    "the shell's": [b"_=/usr/bin/x", b"PWD=/no/such", b"OLDPWD=/x", b"SHLVL=7"],
    "long": [b"LONG=" + b"x" * 100_000],
    "many": [b"V%d=%d" % (number, number) for number in range(3000)],
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_the_environment_is_the_same_byte_for_byte(case: str, bench: Bench) -> None:
    def seen(words: list[Word]) -> list[bytes]:
        program = [os.fsencode(word) for word in (*words, "/bin/cat", "/proc/self/environ")]
        done = bench.run("unused", words=(), setup=lambda: execve(program, given))
        assert (done.status, done.err) == (0, b"")
        return [entry for entry in done.out.split(b"\0") if not entry.startswith(ADDED)]

    home = os.fsencode(bench.folder / "home")
    given = [*ENVIRONMENTS[case], b"HOME=" + home, b"XDG_STATE_HOME=" + home]
    if not os.path.isabs(bench.words[0]):
        bench.words[:1] = ["/usr/bin/env", bench.words[0]]
        if case in {"two paths", "no equals sign"}:
            pytest.skip("needs a wrapper with a path of its own")

    assert seen([*bench.words]) == seen([])


def test_an_empty_environment_stays_empty(bench: Bench) -> None:
    need("env")
    done = bench.bare("env", "-i", *bench.words, "/bin/cat", "/proc/self/environ", cwd="/")

    assert done.status == 0
    assert [entry for entry in done.out.split(b"\0")[:-1] if not entry.startswith(ADDED)] == []


@pytest.mark.parametrize(
    "setting",
    [
        "PYTHONWARNINGS=error",
        "PYTHONDEVMODE=1",
        "PYTHONOPTIMIZE=2",
        "PYTHONSAFEPATH=1",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONNOUSERSITE=1",
        "PYTHONINSPECT=1",
        "PYTHONMALLOC=debug",
        "PYTHONTRACEMALLOC=5",
        "PYTHONUTF8=0",
        "PYTHONIOENCODING=ascii:strict",
        "PYTHONPATH=/no/such:relative",
        "PYTHONSTARTUP=/no/such",
        "PYTHONBREAKPOINT=no.such",
        "PYTHONINTMAXSTRDIGITS=640",
        "PYTHONFAULTHANDLER=1",
        "PYTHONPLATLIBDIR=lib",
    ],
)
def test_variables_meant_for_a_python_command_do_not_disturb_the_wrapper(setting: str, bench: Bench) -> None:
    name, _, value = setting.partition("=")
    bench.env[name] = value
    done = bench.run("sh", "-c", f'echo "${name}"; exit 3')

    assert done == (3, value.encode() + b"\n", b"")


@pytest.mark.parametrize("module", ["json", "signal", "rich", "typing", "tomllib", "typer"])
@pytest.mark.parametrize("way", ["working directory", "PYTHONPATH", "both"])
def test_modules_of_the_command_are_not_the_wrappers(way: str, module: str, bench: Bench) -> None:
    folder = bench.folder / "theirs"
    folder.mkdir()
    (folder / f"{module}.py").write_text("raise SystemExit('the wrong module')\n")
    if way != "working directory":
        bench.env["PYTHONPATH"] = str(folder)
    words = bench.words if os.environ.get("WRAP") else bench.shown
    done = bench.run("sh", "-c", "exit 3", words=words, cwd=bench.folder if way == "PYTHONPATH" else folder)

    assert done.status == 3
    assert b"the wrong module" not in done.err


def test_a_python_command_finds_its_own_modules(bench: Bench) -> None:
    (bench.folder / "json.py").write_text("print('theirs')\n")
    bench.env["PYTHONPATH"] = str(bench.folder)

    assert bench.run(sys.executable, "-c", "import json", cwd="/").out == b"theirs\n"


# ---- the working directory -------------------------------------------------------------------------


def test_a_deleted_working_directory_is_kept(bench: Bench) -> None:
    (bench.folder / "gone").mkdir()
    script = f"cd gone && rmdir ../gone && {bench.shell} readlink /proc/self/cwd"
    done = bench.bare("sh", "-c", script)

    assert (done.status, done.err) == (0, b"")
    assert done.out.endswith(b"/gone (deleted)\n")


def test_an_unreadable_working_directory_is_kept(bench: Bench) -> None:
    folder = bench.folder / "secret"
    folder.mkdir()
    fd = os.open(folder, os.O_RDONLY)
    script = f"{bench.shell} readlink /proc/self/cwd; exit $?"

    def setup() -> None:
        os.fchdir(fd)
        os.fchmod(fd, 0)

    done = bench.bare("sh", "-c", script, cwd=None, setup=setup)
    folder.chmod(0o700)
    os.close(fd)

    assert (done.status, done.out, done.err) == (0, os.fsencode(folder) + b"\n", b"")


def test_a_working_directory_with_an_odd_name_is_kept(bench: Bench) -> None:
    folder = os.fsencode(bench.folder) + b"/a\nb [x] \xff"
    os.mkdir(folder)

    assert bench.run("readlink", "/proc/self/cwd", cwd=folder).out == folder + b"\n"


@linux_root
def test_another_root_directory_is_kept(bench: Bench) -> None:
    done = bench.run("readlink", "/proc/self/root", setup=lambda: os.chroot("/"))

    assert done.out == b"/\n"


# ---- what else is inherited ------------------------------------------------------------------------


def prctl(option: int, value: int) -> Setup:
    return lambda: ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def limit(kind: int, value: int) -> Setup:
    return lambda: resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))


def write(path: str, text: str) -> Setup:
    return lambda: Path(path).write_text(text)


def scheduler() -> None:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


SETUPS: dict[str, Setup] = {
    "nothing special": int,
    "umask": lambda: os.umask(0o137),
    "nice": lambda: os.nice(3),
    "scheduler": scheduler,
    "one CPU": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "idle input and output": lambda: ctypes.CDLL(None).syscall(251, 1, 0, 3 << 13),
    "no new privileges": prctl(38, 1),
    "timer slack": prctl(29, 77_000),
    "personality": lambda: ctypes.CDLL(None).personality(0x0040000),
    "more likely to be killed": write("/proc/self/oom_score_adj", "500"),
    "core filter": write("/proc/self/coredump_filter", "0x1"),
    "limit of files": limit(resource.RLIMIT_NOFILE, 99),
    "limit of cores": limit(resource.RLIMIT_CORE, 0),
    "limit of core size": limit(resource.RLIMIT_CORE, 4096),
    "limit of time": limit(resource.RLIMIT_CPU, 1000),
    "limit of stack": limit(resource.RLIMIT_STACK, 1 << 22),
    "limit of memory": limit(resource.RLIMIT_AS, 1 << 31),
    "limit of file size": limit(resource.RLIMIT_FSIZE, 1 << 20),
    "the group of the caller": lambda: os.setpgid(0, os.getpgid(os.getppid())),
    "ignored HUP": ignore(signal.SIGHUP),
    "ignored INT and QUIT": ignore(signal.SIGINT, signal.SIGQUIT),
    "ignored CHLD": ignore(signal.SIGCHLD),
    "ignored TERM, TSTP, TTOU": ignore(signal.SIGTERM, signal.SIGTSTP, signal.SIGTTOU),
    "ignored real-time signal": ignore(signal.SIGRTMIN + 3, signal.SIGRTMAX),
    "ignored everything else": ignore(1, 2, 3, *range(4, 9), *range(10, 13), 14, 15, 16, 18, *range(20, 25),
                                      *range(26, 32)),
    "blocked TERM": block(signal.SIGTERM),
    "blocked CHLD and INT": block(signal.SIGCHLD, signal.SIGINT),
    "blocked everything": block(*(set(range(1, 65)) - {9, 19, 32, 33})),
}  # fmt: skip


@pytest.mark.parametrize("case", SETUPS)
def test_what_a_process_inherits_it_inherits_through_the_wrapper(case: str, bench: Bench) -> None:
    def seen(words: list[str]) -> dict[str, object]:
        done = bench.run(*probe("attributes"), words=words, setup=SETUPS[case])
        assert done.status == 0, done.err
        inherited: dict[str, object] = json.loads(done.out)
        return inherited

    assert seen(bench.words) == seen([])


@pytest.mark.parametrize("number", [0, 13, 25])
def test_dispositions_are_the_callers_and_not_those_of_python(number: int, bench: Bench) -> None:
    command = ("grep", "Sig[IB]", "/proc/self/status")  # no Python: it would ignore SIGPIPE for itself
    setup = ignore(signal.SIGHUP, signal.SIGUSR1) if not number else block(number)

    assert bench.run(*command, setup=setup).out == bench.bare(*command, setup=setup).out


@linux_root
@pytest.mark.parametrize("option", [["--bounding-set", "-all"], ["--securebits", "+noroot"], ["--regid", "7"],
                                    ["--groups", "5,6,7"], ["--egid", "9"]], ids=" ".join)  # fmt: skip
def test_credentials_are_inherited_through_the_wrapper(option: list[str], bench: Bench) -> None:
    need("setpriv")
    option = [*option, "--keep-groups"] if "gid" in option[0] else option
    command = ("cat", "/proc/self/status")

    def seen(*words: str) -> list[bytes]:
        done = bench.bare("setpriv", *option, *words, *command)
        assert done.status == 0, done.err
        return [line for line in done.out.splitlines() if line.startswith((b"Cap", b"Uid", b"Gid", b"Gr"))]

    assert seen(*bench.words) == seen()


def test_the_command_is_not_traced_and_may_gain_privileges(bench: Bench) -> None:
    done = bench.run("grep", "-E", "TracerPid|NoNewPrivs|Seccomp:", "/proc/self/status")

    assert done.out == bench.bare("grep", "-E", "TracerPid|NoNewPrivs|Seccomp:", "/proc/self/status").out


def test_the_commands_parent_is_the_wrapper(bench: Bench) -> None:
    running = bench.start("sh", "-c", "echo $PPID")

    assert int(running.line()) in {running.pid, os.getpid()}  # a wrapper that replaces itself has its parent
    assert running.status() == 0
    assert gone(running.pid)


# ---- the table ---------------------------------------------------------------------------------------


@ours
@pytest.mark.parametrize(
    "settings",
    ["TERM=", "TERM=no-such", "TERM=xterm-256color", "LC_ALL=C", "LC_ALL=no_SUCH", "LANG=tr_TR.ISO-8859-9",
     "COLUMNS=1", "COLUMNS=0", "COLUMNS=-5", "COLUMNS=many", "COLUMNS=100000", "LINES=x", "FORCE_COLOR=1",
     "TZ=No/Such", "TZ=", "LANGUAGE=xx", "PYTHONIOENCODING=ascii", "CI=1", "GITHUB_ACTIONS=true"],
)  # fmt: skip
def test_the_table_appears_whatever_the_terminal_is_said_to_be(settings: str, bench: Bench) -> None:
    name, _, value = settings.partition("=")
    bench.env[name] = value
    done = bench.run("sh", "-c", "exit 3", words=bench.shown)

    assert (done.status, done.out) == (3, b"")
    assert done.err
    assert b"Traceback" not in done.err


@ours
@pytest.mark.parametrize(
    "word",
    [b"[/markup]", b"[bold]x", b"\x1b[2J\x1b]0;title\x07", b"\xff\xfe", b"a\rb\nc", b"\xc2\x9b1m", b"[" * 99],
)  # fmt: skip
def test_words_of_the_command_can_neither_break_nor_forge_the_table(word: bytes, bench: Bench) -> None:
    done = bench.run("sh", "-c", "exit 3", word, words=bench.shown)

    assert done.status == 3
    assert b"Traceback" not in done.err
    assert not {0x1B, 0x07, 0x0D} & set(done.err)
    assert b"\xc2\x9b" not in done.err
    assert json.loads(bench.report.read_text())["command"][:2] == ["sh", "-c"]


@ours
def test_the_same_words_can_be_given_through_python_dash_m(bench: Bench) -> None:
    words = [sys.executable, "-m", "energywrap", "run", "-q", "-o", str(bench.report)]
    done = bench.run(*CMDLINE, b"\xff", b"", words=words, cwd="/")

    assert done.out.split(b"\0")[3:-1] == [b"\xff", b""]


@ours
def test_options_stuck_together_are_understood(bench: Bench) -> None:
    done = bench.run("echo", "-q", words=own_words(f"-qo{shlex.quote(str(bench.report))}"))

    assert done == (0, b"-q\n", b"")
    assert bench.report.exists()
