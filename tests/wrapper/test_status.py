"""The wrapper's exit status is the command's; when there is no command, its status says why (rules 1-9)."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
from pathlib import Path

import pytest

from wrapper.harness import Bench, ignore, need, ours, own_words, probe, until

SIGNALS = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31, 34, 35, 64]


# ---- the command's own -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 2, 3, 42, 64, 77, 120, 124, 125, 126, 127, 128, 130, 137, 143, 255])
def test_the_exit_status_is_the_commands(status: int, bench: Bench) -> None:
    assert bench.run("sh", "-c", f"exit {status}").status == status


@pytest.mark.parametrize("number", SIGNALS)
def test_the_wrapper_dies_of_the_signal_that_killed_the_command(number: int, bench: Bench) -> None:
    kill = f"import os, signal; os.kill(os.getpid(), {number}); signal.pause()"
    if number == signal.SIGINT:
        kill = f"import signal; signal.signal(2, signal.SIG_DFL); {kill}"
    elif number in {signal.SIGPIPE, signal.SIGXFSZ}:
        kill = f"import signal; signal.signal({number}, signal.SIG_DFL); {kill}"

    assert bench.run(probe()[0], "-I", "-S", "-c", kill).status == -number


@pytest.mark.parametrize("number", [2, 9, 11, 15])
def test_a_shell_reads_128_more_than_the_signal(number: int, bench: Bench) -> None:
    done = bench.bare("sh", "-c", f"{bench.shell} sh -c 'kill -{number} $$'; echo $?")

    assert done.out == b"%d\n" % (128 + number)


def test_a_pipe_whose_reader_has_gone_kills_the_command_as_it_would_without(bench: Bench) -> None:
    need("bash", "yes")
    script = 'yes | head -1 >/dev/null; echo "${PIPESTATUS[0]}"'

    assert bench.bare("bash", "-c", f"{bench.shell} {script}").out == b"141\n"


@ours
def test_a_crash_leaves_one_core_at_most(bench: Bench) -> None:
    def with_cores() -> None:
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    def dumped(words: list[str]) -> bool:
        crash = ["sh", "-c", "kill -SEGV $$"]
        pid = bench.start(*crash, words=words, setup=with_cores).pid
        status = os.waitpid(pid, 0)[1]
        assert os.WTERMSIG(status) == signal.SIGSEGV
        return os.WCOREDUMP(status)

    if not dumped([]):
        pytest.skip("no cores are written here")

    assert not dumped(bench.words)


@ours
def test_the_report_tells_the_signal_and_the_core(bench: Bench) -> None:
    bench.run("sh", "-c", "kill -TERM $$")
    report = json.loads(bench.report.read_text())

    assert (report["signal"], report["exit_code"]) == (15, 143)


@pytest.mark.parametrize(("command", "status"), [("exit 3", 3), ("kill -TERM $$", -15), ("exit 0", 0)])
def test_a_caller_that_ignores_its_children_does_not_cost_the_status(
    command: str, status: int, bench: Bench
) -> None:
    assert bench.run("sh", "-c", command, setup=ignore(signal.SIGCHLD)).status == status


@pytest.mark.parametrize("earlier", ["sleep 1000", "true", "sleep 0.1; exit 9"])
def test_a_child_from_before_is_not_taken_for_the_command(earlier: str, bench: Bench) -> None:
    script = f"({earlier}) & exec {bench.shell} sh -c 'sleep 0.3; exit 5'"
    done = bench.bare("sh", "-c", script, stdout=None, stderr=None)

    assert done.status == 5


def test_make_stops_at_a_command_that_fails(bench: Bench) -> None:
    need("make")
    makefile = f"all: first\n\t@echo second\nfirst:\n\t@{bench.shell} sh -c 'exit 4'\n"
    done = bench.bare("make", "-f", "-", said=makefile.encode())

    assert (done.status, done.out) == (2, b"")
    assert b"Error 4" in done.err


# ---- no command ------------------------------------------------------------------------------------


def unrunnable(folder: Path) -> dict[str, str]:
    """Commands that cannot be run, by what is wrong with them."""
    (folder / "plain").write_text("data")
    (folder / "forbidden").write_text("#!/bin/sh\n")
    (folder / "orphan").write_text("#!/no/such/interpreter\n")
    (folder / "orphan").chmod(0o755)
    (folder / "bad").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(99))
    (folder / "bad").chmod(0o755)
    (folder / "circle").symlink_to("circle")
    (folder / "nowhere").symlink_to("no-such-file")
    return {
        "unknown name": "no-such-command-anywhere",
        "unknown path": "/no/such/command",
        "empty name": "",
        "only a slash": "/",
        "folder": str(folder),
        "not executable": str(folder / "forbidden"),
        "not executable, relative": "./plain",
        "below a file": str(folder / "plain/x"),
        "name too long": "x" * 300,
        "path too long": "/" + "x/" * 3000,
        "circle of links": "./circle",
        "link to nothing": "./nowhere",
        "no interpreter": "./orphan",
        "broken executable": "./bad",
    }


CASES = [
    "unknown name", "unknown path", "empty name", "only a slash", "folder", "not executable",
    "not executable, relative", "below a file", "name too long", "path too long", "circle of links",
    "link to nothing", "no interpreter", "broken executable",
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_command_that_cannot_run_gives_the_status_that_env_gives(case: str, bench: Bench) -> None:
    need("env")
    command = unrunnable(bench.folder)[case]
    wrapped, reference = bench.run(command, "x"), bench.run(command, "x", words=["env"])

    assert wrapped.status == reference.status
    assert wrapped.out == b""


@ours
@pytest.mark.parametrize("case", CASES)
def test_a_command_that_cannot_run_gets_one_line_and_no_table(case: str, bench: Bench) -> None:
    command = unrunnable(bench.folder)[case]
    done = bench.run(command, words=bench.shown)
    name = command.encode() or b"''"

    if case == "broken executable":
        pytest.skip("a shell tries it, as execvp(3) says, and speaks for itself")
    assert done.err.startswith(b"energywrap: " + name + b": ")
    assert done.err.count(b"\n") == 1
    assert not bench.report.exists()


@ours
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--"],
        ["--no-such-option", "touch", "ran"],
        ["--outptu", "x", "touch", "ran"],
        ["--quiet=maybe", "touch", "ran"],
        ["-X", "touch", "ran"],
        ["--output"],
        ["-o", "no/such/folder/report.json", "touch", "ran"],
        ["-o", ".", "touch", "ran"],
        ["-o", "-", "touch", "ran"],
        ["--pue", "0.5", "touch", "ran"],
        ["--pue", "much", "touch", "ran"],
        ["--interval", "-1", "touch", "ran"],
        ["--zone", "Atlantis", "touch", "ran"],
        ["--config", "no-such-file.toml", "touch", "ran"],
    ],
    ids=" ".join,
)
def test_a_mistake_in_our_own_words_is_125_and_nothing_runs(words: list[str], bench: Bench) -> None:
    done = bench.run(words=own_words(*words))

    assert (done.status, done.out) == (125, b"")
    assert done.err.startswith(b"energywrap: ")
    assert b"Traceback" not in done.err
    assert not (bench.folder / "ran").exists()


@ours
@pytest.mark.parametrize(
    "text", ["pue = ", "[pue]\nx = 1\n", "no_such_setting = 1\n", "pue = 'many'\n", "pue = 0.1\n", "\xff"]
)
def test_a_broken_settings_file_is_125_and_nothing_runs(text: str, bench: Bench) -> None:
    (bench.folder / "energywrap.toml").write_text(text, encoding="latin-1")
    done = bench.run("touch", "ran")

    assert (done.status, done.out) == (125, b"")
    assert b"energywrap.toml" in done.err
    assert b"Traceback" not in done.err
    assert not (bench.folder / "ran").exists()


@ours
@pytest.mark.parametrize(("name", "value"), [("PUE", "0"), ("INTERVAL", "soon"), ("QUIET", "perhaps")])
def test_a_broken_variable_of_ours_is_125_and_nothing_runs(name: str, value: str, bench: Bench) -> None:
    bench.env[f"ENERGYWRAP_{name}"] = value
    done = bench.run("touch", "ran", words=own_words("-o", str(bench.report)))

    assert (done.status, done.out) == (125, b"")
    assert f"ENERGYWRAP_{name}".encode() in done.err
    assert not (bench.folder / "ran").exists()


@ours
@pytest.mark.parametrize("command", ["exit 0", "exit 1", "exit 7", "kill -TERM $$"])
def test_a_report_that_cannot_be_written_does_not_change_the_status(command: str, bench: Bench) -> None:
    folder = bench.folder / "reports"
    folder.mkdir()
    script = f"rmdir {shlex.quote(str(folder))} && : > {shlex.quote(str(folder))}; {command}"
    done = bench.run("sh", "-c", script, words=own_words("-q", "-o", str(folder / "report.json")))

    assert done.status == bench.bare("sh", "-c", command).status
    assert done.err.startswith(b"energywrap: ")
    assert done.err.count(b"\n") == 1


@ours
@pytest.mark.parametrize(("command", "status"), [("exit 0", 125), ("exit 7", 7), ("kill -TERM $$", -15)])
def test_strict_makes_a_lost_report_an_error_of_a_command_that_succeeded(
    command: str, status: int, bench: Bench
) -> None:
    folder = bench.folder / "reports"
    folder.mkdir()
    script = f"rmdir {shlex.quote(str(folder))}; : > {shlex.quote(str(folder))}; {command}"
    words = own_words("--strict", "-q", "-o", str(folder / "report.json"))
    done = bench.run("sh", "-c", script, words=words)

    assert done.status == status
    assert b"cannot start" not in done.err


# ---- where a command is found ----------------------------------------------------------------------


def script(path: Path, text: str, mode: int = 0o755) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def test_a_script_without_a_first_line_is_given_to_the_shell(bench: Bench) -> None:
    script(bench.folder / "plain", 'echo "$0" "$#" "$2"; exit 6\n')
    done = bench.run("./plain", "a", "b c")

    assert done == bench.run("./plain", "a", "b c", words=["env"])
    assert (done.status, done.out) == (6, b"./plain 2 b c\n")


def test_a_script_without_a_first_line_is_found_on_the_path(bench: Bench) -> None:
    script(bench.folder / "bin/plain", 'echo "$0"\n')
    bench.env["PATH"] += f":{bench.folder / 'bin'}"

    assert bench.run("plain").out == bench.run("plain", words=["env"]).out != b""


def test_an_empty_executable_succeeds_as_an_empty_script_does(bench: Bench) -> None:
    script(bench.folder / "empty", "")

    assert bench.run("./empty").status == bench.run("./empty", words=["env"]).status == 0


def test_a_forbidden_file_on_the_path_does_not_hide_a_good_one(bench: Bench) -> None:
    script(bench.folder / "first/tool", "#!/bin/sh\necho first\n", mode=0o644)
    script(bench.folder / "second/tool", "#!/bin/sh\necho second\n")
    bench.env["PATH"] = f"{bench.folder}/first:{bench.folder}/second:{bench.env['PATH']}"

    assert bench.run("tool").out == b"second\n"


@pytest.mark.parametrize("later", ["", ":/no/such/folder", ":/dev/null"])
def test_a_forbidden_file_on_the_path_is_remembered(later: str, bench: Bench) -> None:
    script(bench.folder / "first/tool", "#!/bin/sh\n", mode=0o644)
    bench.env["PATH"] = f"{bench.folder}/first:{bench.env['PATH']}{later}"

    assert bench.run("tool").status == bench.run("tool", words=["env"]).status == 126


@pytest.mark.parametrize("path", [":{}", "{}:", "{}::/no/such"])
def test_an_empty_entry_of_the_path_is_the_working_directory(path: str, bench: Bench) -> None:
    script(bench.folder / "tool", "#!/bin/sh\necho here\n")
    bench.env["PATH"] = path.format(bench.env["PATH"])

    assert bench.run("tool").out == b"here\n"


def test_without_a_path_the_systems_folders_are_searched(bench: Bench) -> None:
    del bench.env["PATH"]
    done = bench.run("sh", "-c", "echo found")

    assert (done.status, done.out) == (0, b"found\n")


def test_a_command_that_replaces_itself_is_still_the_command(bench: Bench) -> None:
    running = bench.start("sh", "-c", "echo ready $$; exec sh -c 'read x; exit 9'", stdin=-1)
    pid = running.command()

    assert running.done(b"go\n").status == 9
    until(lambda: not Path(f"/proc/{pid}").exists(), "the command is reaped")
