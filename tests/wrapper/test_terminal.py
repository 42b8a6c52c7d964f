"""On a terminal: keys, jobs, window and hang-up are as without the wrapper (rules 26, 35-37)."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import termios

import pytest

from wrapper.harness import Bench, Terminal, gone, ours, probe, stat_of, state, until

CTRL_C, CTRL_Z, CTRL_BACKSLASH, CTRL_D, CTRL_S, CTRL_Q = "\x03", "\x1a", "\x1c", "\x04", "\x13", "\x11"


def parent(pid: int) -> int:
    """The wrapper of a command; the command itself where the wrapper has replaced itself by it."""
    return int(stat_of(pid)[1])


def wrapper_of(terminal: Terminal, pid: int) -> int:
    """The shell's child for a command: the wrapper, or the command by which it has replaced itself."""
    return pid if parent(pid) == terminal.process.pid else parent(pid)


def wrapped(bench: Bench, *argv: str) -> str:
    """A line for the shell that runs a probe behind the wrapper."""
    return f"{bench.shell} {shlex.join(probe(*argv))}"


def begin(terminal: Terminal, bench: Bench, *argv: str) -> int:
    """Run a probe in the foreground; its pid, once it runs."""
    terminal.type(wrapped(bench, *argv) + "\n")
    return terminal.command()


# ---- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "status"), [(CTRL_C, 130), (CTRL_BACKSLASH, 131)], ids=["^C", "^\\"])
def test_a_key_that_kills_brings_the_prompt_back_with_its_status(key: str, status: int, bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "hold")
    terminal.type(key)
    terminal.at_prompt()

    assert terminal.shell("echo $?").strip() == str(status)
    assert gone(pid)


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_interrupt_key_ends_a_loop_of_runs(shell: str, bench: Bench) -> None:
    terminal = bench.bash()
    loop = f"for i in 1 2 3; do {wrapped(bench, 'hold')}; done; echo went on"
    terminal.type(f"{shell} -c {shlex.quote(loop)}\n")
    terminal.command()
    terminal.type(CTRL_C)

    assert "went on" not in terminal.at_prompt()
    assert terminal.shell("echo $?").strip() == "130"


def test_a_loop_goes_on_if_the_command_made_its_peace_with_the_interrupt(bench: Bench) -> None:
    terminal = bench.bash()
    loop = f"for i in 1 2; do {wrapped(bench, 'cooperative', '3', '1')}; echo =$?; done"
    terminal.type(f"bash -c {shlex.quote(loop)}\n")
    for _ in "12":
        terminal.command()
        terminal.type(CTRL_C)
        terminal.expect("got 2\r\n=3\r\n")
    terminal.at_prompt()


def test_each_key_reaches_the_command_exactly_once(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "record")
    for key, number in ((CTRL_C, 2), (CTRL_BACKSLASH, 3), (CTRL_C, 2), (CTRL_Z, 20), (CTRL_C, 2)):
        terminal.type(key)
        assert terminal.expect(r"got (\d+)\r\n")[1] == str(number)
    os.kill(pid, 64)
    terminal.expect("got 64\r\n")
    terminal.at_prompt()

    assert terminal.shell("echo $?").strip() == "7"


def test_the_interrupt_key_may_be_pressed_again_and_again(bench: Bench) -> None:
    terminal = bench.bash()
    begin(terminal, bench, "cooperative", "4", "5")
    for _ in range(5):
        terminal.type(CTRL_C)
        terminal.expect("got 2\r\n")
    terminal.at_prompt()

    assert terminal.shell("echo $?").strip() == "4"


def test_what_is_typed_is_read_by_the_command(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.type(f"{bench.shell} cat\n")
    terminal.type("to the command\n")
    terminal.expect("to the command\r\n")
    terminal.type(CTRL_D)
    terminal.at_prompt()

    assert terminal.shell("echo $?").strip() == "0"


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_command_in_a_script_can_read_the_terminal(shell: str, bench: Bench) -> None:
    terminal = bench.bash()
    line = f"{bench.shell} sh -c {shlex.quote('read x; echo +$x+')}; echo =$?"
    terminal.type(f"{shell} -c {shlex.quote(line)}\n")
    terminal.type("typed\n")

    assert terminal.expect(r"\+typed\+\r\n=(\d+)\r\n")[1] == "0"


# ---- stop and go on --------------------------------------------------------------------------------


def test_the_stop_key_stops_both_and_the_foreground_brings_both_back_ten_times(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "cooperative", "6", "1")
    wrapper = wrapper_of(terminal, pid)
    for _ in range(10):
        terminal.type(CTRL_Z)
        assert "Stopped" in terminal.at_prompt()
        assert (state(pid), state(wrapper)) == ("T", "T")
        terminal.type("fg\n")
        terminal.expect(re.escape(PROBE_NAME))
        until(lambda: "T" not in {state(pid), state(wrapper)}, "both go on")
    terminal.type(CTRL_C)
    terminal.expect("got 2\r\n")
    terminal.at_prompt()

    assert terminal.shell("echo $?").strip() == "6"


PROBE_NAME = "cooperative"  # `fg` names the job


def test_a_stopped_run_goes_on_in_the_background(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "hold")
    terminal.type(CTRL_Z)
    terminal.at_prompt()
    terminal.shell("bg")
    until(lambda: state(pid) == "S", "the command goes on")
    assert "Running" in terminal.shell("jobs")
    wrapper = wrapper_of(terminal, pid)
    said = terminal.shell("kill %1")
    until(lambda: not stat_of(wrapper), "the shell has seen the end")

    assert "Terminated" in said + terminal.shell("true") + terminal.shell("jobs")


def test_a_stopped_run_can_be_killed_as_a_job(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "hold")
    terminal.type(CTRL_Z)
    terminal.at_prompt()
    wrapper = wrapper_of(terminal, pid)
    said = terminal.shell("kill %1")
    until(lambda: not stat_of(wrapper), "the shell has seen the end")

    assert "Terminated" in said + terminal.shell("true") + terminal.shell("jobs")
    assert gone(pid)


def test_a_command_that_ignores_the_stop_key_keeps_the_terminal(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "stubborn")
    terminal.type(CTRL_Z)
    terminal.type(CTRL_C)
    terminal.at_prompt()

    assert terminal.shell("echo $?").strip() == "130"
    assert gone(pid)


def test_a_command_that_stops_itself_becomes_a_stopped_job(bench: Bench) -> None:
    terminal = bench.bash()
    begin(terminal, bench, "stop")
    assert "Stopped" in terminal.at_prompt()
    terminal.type("fg; echo =$?\n")

    assert terminal.expect(r"=(\d+)\r\n")[1] == "5"


def test_a_background_run_that_reads_stops_until_it_is_in_the_foreground(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.type(f"{bench.shell} sh -c {shlex.quote('echo ready $$; read x; echo +$x+; exit 3')} &\n")
    pid = terminal.command()
    until(lambda: state(pid) == "T", "the command has stopped")
    wrapper = wrapper_of(terminal, pid)
    until(lambda: state(wrapper) == "T", "the wrapper has stopped")
    until(lambda: "Stopped" in terminal.shell("jobs"), "the shell has seen it")
    terminal.type("fg; echo =$?\n")
    terminal.type("typed\n")

    assert terminal.expect(r"\+typed\+\r\n=(\d+)\r\n")[1] == "3"


def test_a_background_run_that_writes_stops_only_where_the_terminal_says_so(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.shell("stty tostop")
    terminal.shell(f"{bench.shell} sh -c {shlex.quote('echo said; exit 3')} &")
    until(lambda: "Stopped" in terminal.shell("jobs"), "the job is stopped")
    terminal.type("fg; echo =$?\n")

    assert terminal.expect(r"said\r\n=(\d+)\r\n")[1] == "3"


@ours
def test_a_table_in_the_background_does_not_stop_the_run(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.shell("stty tostop")
    terminal.type(f"{shlex.join(bench.shown)} sh -c 'exit 3' & wait $!; echo =$?\n")

    assert terminal.expect(r"=(\d+)\r\n")[1] == "3"


def test_a_pipeline_stops_and_goes_on_as_one_job(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.type(f"{wrapped(bench, 'hold')} | cat\n")
    pid = terminal.command()
    terminal.type(CTRL_Z)
    assert "Stopped" in terminal.at_prompt()
    terminal.type("fg\n")
    until(lambda: state(pid) == "S", "the command goes on")
    terminal.type(CTRL_C)
    terminal.at_prompt()

    assert gone(pid)


# ---- the terminal itself ---------------------------------------------------------------------------


def test_the_foreground_belongs_to_the_job_as_the_shell_set_it_up(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "hold")
    wrapper = wrapper_of(terminal, pid)
    group, session, foreground = (int(stat_of(pid)[field]) for field in (2, 3, 5))

    assert session == terminal.process.pid
    assert group == foreground
    assert group in {wrapper, pid}


def test_a_resize_is_told_to_the_command_once(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "record")
    for rows in (40, 41):
        terminal.resize(rows, 120)
        assert terminal.expect(r"got (\d+)\r\n")[1] == str(int(signal.SIGWINCH))
    os.kill(pid, 64)

    assert terminal.expect(r"got (\d+)\r\n")[1] == "64"


def test_the_command_sees_the_size_of_the_window(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.resize(33, 77)

    assert "33 77" in terminal.shell(f"{bench.shell} stty size")


def test_the_terminals_settings_are_untouched(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.shell("true")
    before = termios.tcgetattr(terminal.master)
    words = bench.words if os.environ.get("WRAP") else bench.shown
    terminal.type(f"{shlex.join(words)} {shlex.join(probe('hold'))}\n")
    terminal.command()
    during = termios.tcgetattr(terminal.master)
    terminal.type(CTRL_C)
    terminal.at_prompt()

    assert before == during == termios.tcgetattr(terminal.master)


def test_what_the_command_sets_on_the_terminal_stays_set(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.shell(f"{bench.shell} stty echo susp ^X")

    assert "susp = ^X" in terminal.shell("stty -a")


@ours
def test_a_held_terminal_does_not_hold_the_run(bench: Bench) -> None:
    terminal = bench.terminal("sh", "-c", "echo ready $$; read x; exit 3", words=bench.shown)
    terminal.command()
    terminal.type(CTRL_S)
    terminal.type("go\n")

    assert bench.started[-1].status() == 3


# ---- hang-up ---------------------------------------------------------------------------------------


def test_closing_the_window_hangs_up_a_command_that_leads_the_session(bench: Bench) -> None:
    terminal = bench.terminal(*probe("hold"), words=bench.words)
    pid = terminal.command()
    terminal.hang_up()

    assert bench.started[-1].status() == -signal.SIGHUP
    until(lambda: gone(pid), "the command is gone")


def test_closing_the_window_of_a_shell_ends_its_run(bench: Bench) -> None:
    terminal = bench.bash()
    pid = begin(terminal, bench, "hold")
    wrapper = wrapper_of(terminal, pid)
    terminal.hang_up()

    until(lambda: gone(pid) and gone(wrapper), "both are gone")


@pytest.mark.parametrize("where", ["foreground", "background", "stopped"])
def test_a_run_ends_with_the_shell_wherever_it_is(where: str, bench: Bench) -> None:
    terminal = bench.bash()
    if where == "background":
        terminal.type(wrapped(bench, "hold") + " &\n")
        pid = terminal.command()
    else:
        pid = begin(terminal, bench, "hold")
    if where == "stopped":
        terminal.type(CTRL_Z)
        terminal.at_prompt()
    terminal.hang_up()

    until(lambda: gone(pid), "the command is gone")


@ours
def test_a_run_that_is_hung_up_is_reported_nevertheless(bench: Bench) -> None:
    terminal = bench.bash()
    terminal.type(f"{shlex.join(bench.shown)} {shlex.join(probe('hold'))}\n")
    terminal.command()
    terminal.hang_up()
    until(bench.report.exists, "the report is written")

    assert json.loads(bench.report.read_text())["signal"] == signal.SIGHUP


def test_a_command_that_survives_the_hang_up_is_waited_for(bench: Bench) -> None:
    terminal = bench.bash()
    done = bench.folder / "done"
    script = f"trap '' HUP; echo ready $$; while test ! -e {done}.go; do sleep 0.02; done; : > {done}"
    terminal.type(f"{bench.shell} sh -c {shlex.quote(script)}\n")
    pid = terminal.command()
    wrapper = wrapper_of(terminal, pid)
    terminal.hang_up()
    until(lambda: gone(terminal.process.pid) or terminal.process.poll() is not None, "the shell is gone")
    assert not gone(pid)
    assert wrapper == pid or parent(pid) == wrapper
    (bench.folder / "done.go").touch()
    until(done.exists, "the command has done its work")

    until(lambda: gone(wrapper), "the wrapper is gone")
