"""Signals reach the command once, and only those that are meant for it (rules 23, 26-34, 38)."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress

import pytest

from wrapper.harness import (
    DEADLINE_S,
    Bench,
    block,
    gone,
    ignore,
    kill,
    need,
    ours,
    probe,
    state,
    until,
)

FORWARDED = sorted(set(range(1, 64)) - {9, 17, 19, 32, 33})
LAST = 64
FATAL = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM]
# ---- group and session -----------------------------------------------------------------------------


def test_the_command_shares_the_wrappers_group_and_session(bench: Bench) -> None:
    running = bench.start(*probe("group"))

    assert json.loads(running.line()) == [running.pid, os.getsid(0)]


def test_a_kill_of_the_group_leaves_nobody(bench: Bench) -> None:
    running = bench.probe("hold")
    pid = running.command()
    running.send_group(signal.SIGKILL)

    assert running.status() == -signal.SIGKILL
    until(lambda: gone(pid), "the command is gone")


# ---- forwarding ------------------------------------------------------------------------------------


def test_every_signal_that_a_process_can_send_is_passed_on_once(bench: Bench) -> None:
    running = bench.probe("record")
    running.command()
    seen = []
    for number in FORWARDED:
        running.send(number)
        seen.append(running.line())
    running.send(LAST)

    assert seen == [f"got {number}" for number in FORWARDED]
    assert (running.line(), running.status()) == (f"got {LAST}", 7)


@pytest.mark.parametrize("number", [1, 2, 3, 10, 15, 20, 34])
def test_a_signal_is_passed_on_although_it_was_ignored_on_entry(number: int, bench: Bench) -> None:
    running = bench.probe("record", setup=ignore(number))
    running.command()
    running.send(number)

    assert running.line() == f"got {number}"


@pytest.mark.parametrize("number", [1, 2, 10, 15, 34])
def test_a_signal_is_passed_on_although_it_was_blocked_on_entry(number: int, bench: Bench) -> None:
    running = bench.probe("record", setup=block(number))
    running.command()
    running.send(number)

    assert running.line() == f"got {number}"


@pytest.mark.parametrize("number", FATAL)
def test_a_deadly_signal_to_the_wrapper_kills_the_command_and_then_the_wrapper(
    number: int, bench: Bench
) -> None:
    running = bench.probe("hold")
    pid = running.command()
    running.send(number)

    assert running.status() == -number
    until(lambda: gone(pid), "the command is gone")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_the_command_decides_what_a_deadly_signal_means(number: int, bench: Bench) -> None:
    running = bench.probe("cooperative", "9", "1")
    running.command()
    running.send(number)

    assert running.line() == f"got {number}"
    assert running.status() == 9


def test_the_wrapper_waits_on_for_a_command_that_takes_its_time(bench: Bench) -> None:
    running = bench.probe("cooperative", "9", "4")
    running.command()
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        running.send(number)
        assert running.line() == f"got {number}"
    assert running.process.poll() is None
    running.send(signal.SIGTERM)

    assert running.status() == 9


def test_queued_signals_all_arrive(bench: Bench) -> None:
    running = bench.probe("record")
    running.command()
    for _ in range(30):
        running.send(signal.SIGRTMIN + 2)

    assert [running.line() for _ in range(30)] == [f"got {signal.SIGRTMIN + 2:d}"] * 30


def test_what_the_command_sends_to_its_parent_does_not_come_back(bench: Bench) -> None:
    running = bench.probe("record", str(int(signal.SIGWINCH)), str(int(signal.SIGCONT)))
    running.command()
    running.send(LAST)

    assert running.line() == f"got {LAST}"


@ours
def test_what_a_sibling_sends_is_passed_on_although_it_is_of_the_same_group(bench: Bench) -> None:
    script = (
        f"{bench.shell} sh -c 'trap \"exit 8\" TERM; echo ready $$; while :; do sleep 0.01; done' & read x; "
    )
    script += "kill -TERM $!; wait $!; exit $?"
    running = bench.start("sh", "-c", script, words=(), stdin=-1)
    running.command()

    assert running.done(b"\n").status == 8


def test_nohup_before_the_wrapper_holds_for_the_command(bench: Bench) -> None:
    need("nohup")
    running = bench.start(
        "sh", "-c", "echo ready $$; read x; exit 4", words=["nohup", *bench.words], stdin=-1
    )
    running.command()
    running.send(signal.SIGHUP)

    assert running.done(b"\n").status == 4


def test_a_background_job_of_a_script_ignores_the_interrupt(bench: Bench) -> None:
    script = f"exec 3<&0; {bench.shell} sh -c 'echo ready $$; read x <&3; exit 4' & wait $!; exit $?"
    running = bench.start("sh", "-c", script, words=(), stdin=-1)
    pid = running.command()
    os.kill(pid, signal.SIGINT)
    assert os.getpgid(pid) == running.pid

    assert running.done(b"\n").status == 4


def test_an_alarm_set_before_rings_for_the_command(bench: Bench) -> None:
    running = bench.start("sleep", "1000", setup=lambda: signal.setitimer(signal.ITIMER_REAL, 0.5))

    assert running.status() == -signal.SIGALRM


def test_a_signal_that_was_pending_on_entry_is_not_lost(bench: Bench) -> None:
    def setup() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        signal.raise_signal(signal.SIGUSR1)

    running = bench.probe("record", setup=setup)
    running.command()

    assert running.line() == f"got {signal.SIGUSR1:d}"


# ---- the whole group -------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN])
def test_a_signal_to_the_whole_group_arrives_once(number: int, bench: Bench) -> None:
    running = bench.probe("record")
    running.command()
    time.sleep(0.2)  # such a canary is set out only for commands that live
    running.send_group(number)
    assert running.line() == f"got {number}"
    running.send(LAST)

    assert running.line() == f"got {LAST}"


def test_eight_signals_to_the_whole_group_arrive_eight_times(bench: Bench) -> None:
    running = bench.probe("record")
    running.command()
    time.sleep(0.2)
    for _ in range(8):
        running.send_group(signal.SIGTERM)
        assert running.line() == f"got {signal.SIGTERM}"
    running.send(LAST)

    assert running.line() == f"got {LAST}"


def test_a_job_step_that_is_cancelled_terminates_the_command_once(bench: Bench) -> None:
    running = bench.probe("cooperative", "9", "2")  # a second TERM would mean: at once
    running.command()
    time.sleep(0.2)
    running.send_group(signal.SIGCONT)
    running.send_group(signal.SIGTERM)
    assert running.line() == f"got {signal.SIGTERM}"
    time.sleep(0.2)

    assert running.process.poll() is None


def test_a_stop_and_a_continuation_of_the_group_are_survived(bench: Bench) -> None:
    running = bench.start("sh", "-c", "echo ready $$; read x; exit 6", stdin=-1)
    pid = running.command()
    for _ in range(3):
        running.send_group(signal.SIGSTOP)
        until(lambda: state(pid) == state(running.pid) == "T", "both are stopped")
        running.send_group(signal.SIGCONT)
        until(lambda: state(pid) == state(running.pid) == "S", "both go on")

    assert running.done(b"\n").status == 6


@pytest.mark.parametrize("stop", [signal.SIGTSTP, signal.SIGSTOP])
@pytest.mark.parametrize("age_s", [0, 0.1])  # in its first moments the wrapper listens with less care
def test_a_stop_right_after_a_continuation_of_the_group_stops_both(
    age_s: float, stop: int, bench: Bench
) -> None:
    running = bench.probe("hold")
    pid = running.command()
    time.sleep(age_s)
    running.send_group(stop)
    for _ in range(30):
        until(lambda: {state(pid), state(running.pid)} == {"T"}, "both stand")
        running.send_group(signal.SIGCONT)
        until(lambda: "T" not in {state(pid), state(running.pid)}, "both go on")
        running.send_group(stop)
    running.send_group(signal.SIGKILL)


def test_a_command_that_stops_itself_is_seen_as_stopped_and_can_go_on(bench: Bench) -> None:
    running = bench.probe("stop")
    pid = running.command()
    until(lambda: state(running.pid) == "T", "the wrapper has stopped as well")
    assert state(pid) == "T"
    running.send_group(signal.SIGCONT)

    assert running.status() == 5


def test_a_continuation_of_the_wrapper_alone_reaches_the_command(bench: Bench) -> None:
    running = bench.probe("stop")
    running.command()
    until(lambda: state(running.pid) == "T", "the wrapper has stopped as well")
    running.send(signal.SIGCONT)

    assert running.status() == 5


def test_a_stop_signal_to_the_wrapper_alone_stops_both(bench: Bench) -> None:
    running = bench.start("sh", "-c", "echo ready $$; read x; exit 6", stdin=-1)
    pid = running.command()
    running.send(signal.SIGTSTP)
    until(lambda: state(pid) == state(running.pid) == "T", "both are stopped")
    running.send(signal.SIGCONT)

    assert running.done(b"\n").status == 6


# ---- what others do --------------------------------------------------------------------------------


def test_timeout_around_the_wrapper_gives_124_and_leaves_nobody(bench: Bench) -> None:
    need("timeout")
    running = bench.start(*probe("hold"), words=["timeout", "1", *bench.words])
    pid = running.command()

    assert running.status() == 124
    until(lambda: gone(pid), "the command is gone")


def test_a_timeout_that_kills_leaves_nobody(bench: Bench) -> None:
    need("timeout")
    command = probe("cooperative", "9", "1000")
    running = bench.start(*command, words=["timeout", "-k", "0.2", "0.8", *bench.words])
    pid = running.command()
    running.done()

    until(lambda: gone(pid), "the command is gone")


def test_a_service_manager_that_stops_the_main_process_stops_the_command(bench: Bench) -> None:
    running = bench.probe("cooperative", "0", "1")
    running.command()
    running.send(signal.SIGTERM)
    with suppress(ProcessLookupError):
        running.send(signal.SIGCONT)

    assert running.line() == f"got {signal.SIGTERM}"
    assert running.status() == 0


def test_a_step_that_is_cancelled_by_an_interrupt_of_its_shell_ends_with_the_command(bench: Bench) -> None:
    need("bash")
    running = bench.start("bash", "-c", f"exec {bench.shell} {' '.join(probe('hold'))}", words=())
    pid = running.command()
    running.send(signal.SIGINT)

    assert running.status() == -signal.SIGINT
    until(lambda: gone(pid), "the command is gone")


def test_the_kill_of_the_wrapper_kills_the_command(bench: Bench) -> None:
    running = bench.probe("cooperative", "9", "1000")
    pid = running.command()
    running.send(signal.SIGKILL)

    assert running.status() == -signal.SIGKILL
    until(lambda: gone(pid), "the command is gone")


@ours
def test_the_kill_of_the_wrapper_spares_what_the_command_has_left_behind(bench: Bench) -> None:
    running = bench.start("sh", "-c", "sleep 1000 & echo ready $!; wait")
    pid = running.command()
    running.send(signal.SIGKILL)
    running.status()

    assert not gone(pid)
    kill(pid)


# ---- the first moments -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_at_any_moment_of_the_start_ends_everything(number: int, bench: Bench) -> None:
    for step in range(14):
        marker = str(100_000 + step)
        running = bench.start("sleep", marker, stdout=None, stderr=None)
        time.sleep(step * 0.008)  # from before the interpreter runs until after the command does
        running.send(number)

        assert running.status() == -number
        until(lambda mark=marker: not sleepers(mark), "no command is left")  # type: ignore[misc]


def until_forked(pid: int) -> None:
    """Wait, without a pause, for the wrapper's child, which will not have run its command yet."""
    path = f"/proc/{pid}/task/{pid}/children"
    if not os.path.exists(path):
        pytest.skip("this kernel does not list children")
    end = time.monotonic() + DEADLINE_S
    with open(path) as file, suppress(ProcessLookupError):
        while not file.read() and not gone(pid) and time.monotonic() < end:
            file.seek(0)


def sleepers(marker: str) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            if file.read().endswith(b"\0" + marker.encode() + b"\0"):
                found.append(pid)
    return found


@ours
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_to_the_group_between_fork_and_exec_kills_the_command_of_it(
    number: int, bench: Bench
) -> None:
    for _ in range(5):
        running = bench.start("sleep", "1000")
        until_forked(running.pid)
        running.send_group(number)

        assert running.done() == (-number, b"", b"")


@ours
def test_a_stop_key_between_fork_and_exec_stops_both_and_both_go_on(bench: Bench) -> None:
    for _ in range(5):
        running = bench.start("sh", "-c", "exit 6")
        until_forked(running.pid)
        running.send_group(signal.SIGTSTP)
        until(lambda r=running: state(r.pid) in {"T", "Z"}, "the wrapper has stopped or ended")  # type: ignore[misc]
        running.send_group(signal.SIGCONT)

        assert running.status() == 6
