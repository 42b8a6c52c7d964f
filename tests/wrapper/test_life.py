"""From the first process of a container to the poorest machine: life and end (rules 33, 39-50)."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from wrapper.harness import (
    OTHER,
    Bench,
    children,
    descendants,
    gone,
    kill,
    linux_root,
    namespace,
    need,
    ours,
    own_words,
    probe,
    stat_of,
    state,
    until,
)

ENDINGS = [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", -15), ("kill -INT $$", -2), ("kill -KILL $$", -9)]


def lines(done_err: bytes) -> list[bytes]:
    """What the wrapper itself has said."""
    return [line for line in done_err.splitlines() if line]


# ---- the first process -----------------------------------------------------------------------------


@pytest.fixture
def first(bench: Bench) -> list[str]:
    """The words that make the wrapper the first process of a container."""
    if OTHER in {"nice", "nice -n 0"}:
        pytest.skip("there is no wrapper left: it has become the command")
    return [*namespace("--pid", "--fork", "--mount-proc", "--kill-child"), *bench.words]


@pytest.mark.parametrize(("command", "status"), ENDINGS)
def test_the_first_process_ends_with_the_status_a_shell_shows(
    command: str, status: int, first: list[str], bench: Bench
) -> None:
    done = bench.run("sh", "-c", command, words=first)

    assert done.status == (status if status >= 0 else 128 - status)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_the_first_process_passes_signals_on(number: int, first: list[str], bench: Bench) -> None:
    running = bench.start(*probe("hold"), words=first)
    running.command()
    (init,) = children(running.pid)
    os.kill(init, number)

    assert running.status() == 128 + number


def test_the_first_process_reaps_every_orphan(first: list[str], bench: Bench) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do (sh -c 'sleep 0.05' &) ; done; echo ready $$; read x"
    running = bench.start("sh", "-c", script, words=first, stdin=-1)
    running.command()
    (init,) = children(running.pid)
    until(lambda: len(descendants(init)) <= 2, "the command and one of the wrapper's are left, no zombie")

    assert running.done(b"\n").status == 0


def test_the_first_process_waits_for_the_command_and_not_for_its_orphans(
    first: list[str], bench: Bench
) -> None:
    done = bench.run("sh", "-c", "(sleep 1000 &); (exit 9 &); sleep 0.2; exit 4", words=first, stdout=None)

    assert done.status == 4


# ---- what stays behind -----------------------------------------------------------------------------


def test_a_daemon_of_the_command_lives_on_and_has_the_parent_it_would_have(bench: Bench) -> None:
    seen = []
    for words in (bench.words, []):
        running = bench.start(*probe("daemon"), words=words)
        pid, parent = map(int, running.line().split())
        assert running.status() == 0
        assert not gone(pid)
        kill(pid)
        seen.append(parent)

    assert seen[0] == seen[1]


def test_a_daemon_of_the_command_gets_none_of_the_wrappers_signals(bench: Bench) -> None:
    running = bench.start("sh", "-c", "setsid sleep 1000 <&- >&- 2>&- & echo ready $!; exec sleep 1000")
    pid = running.command()
    until(lambda: stat_of(pid)[3:4] == [str(pid)], "the daemon has its own session")
    running.send(signal.SIGTERM)

    assert running.status() == -signal.SIGTERM
    assert not gone(pid)
    kill(pid)


@ours
@pytest.mark.parametrize("seconds", [0, 0.3])
def test_no_process_of_the_wrapper_is_left(seconds: float, bench: Bench) -> None:
    running = bench.start("sh", "-c", f"sleep {seconds}", words=own_words("-q", "-i", "0.05"))
    group = running.pid
    running.status()
    members = [p for p in os.listdir("/proc") if p.isdigit() and stat_of(int(p))[2:3] == [str(group)]]

    assert members == []


@ours
def test_at_most_one_process_is_there_beside_the_wrapper_and_the_command(bench: Bench) -> None:
    running = bench.start("sh", "-c", "echo ready $$; sleep 0.5; echo on; read x", stdin=-1)
    pid = running.command()
    assert running.line() == "on"
    others = set(descendants(running.pid)) - {pid}

    assert len(others) <= 1
    assert running.done(b"\n").status == 0


# ---- wraps in wraps --------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize(("command", "status"), ENDINGS)
def test_the_status_comes_through_many_wrappers(command: str, status: int, depth: int, bench: Bench) -> None:
    assert bench.run("sh", "-c", command, words=bench.words * depth).status == status


def test_a_signal_comes_through_many_wrappers_once(bench: Bench) -> None:
    running = bench.start(*probe("record"), words=bench.words * 5)
    running.command()
    seen = []
    for number in (15, 2, 1, 10, 64):
        running.send(number)
        seen.append(running.line())

    assert seen == ["got 15", "got 2", "got 1", "got 10", "got 64"]
    assert running.status() == 7


def test_the_kill_of_the_outermost_wrapper_kills_all(bench: Bench) -> None:
    running = bench.start(*probe("hold"), words=bench.words * 3)
    running.command()
    family = descendants(running.pid)
    running.send(signal.SIGKILL)
    running.status()

    until(lambda: all(gone(pid) for pid in family), "all are gone")


@ours
def test_wraps_in_wraps_each_write_their_report(bench: Bench) -> None:
    inner = bench.folder / "inner.json"
    bench.run("sh", "-c", "exit 3", words=[*bench.words, *own_words("-q", "-o", str(inner))])

    assert [json.loads(path.read_text())["exit_code"] for path in (bench.report, inner)] == [3, 3]


def test_a_wrapper_under_another_one_ends_alike(bench: Bench) -> None:
    need("nice", "timeout")
    words = ["nice", *bench.words, "timeout", "100", *bench.words, "nice"]

    assert bench.run("sh", "-c", "exit 7", words=words).status == 7


# ---- short and long --------------------------------------------------------------------------------


@ours
def test_a_command_of_a_millisecond_has_a_sound_report(bench: Bench) -> None:
    for _ in range(5):
        done = bench.run("true")
        report = json.loads(bench.report.read_text())

        assert done == (0, b"", b"")
        assert 0 < report["duration_s"] < 10
        assert report["components"]
        assert all(0 <= part["low_j"] <= part["energy_j"] <= part["high_j"] for part in report["components"])


@ours
def test_a_run_of_the_sampler_uses_no_more_descriptors_with_time(bench: Bench) -> None:
    running = bench.probe("hold", words=own_words("-q", "-i", "0.01", "-o", str(bench.report)))
    running.command()
    until(lambda: len(os.listdir(f"/proc/{running.pid}/task")) > 1, "the sampler runs")
    until(lambda: ticks(running.pid) > 3, "it has worked")
    before = held(running.pid)
    target = ticks(running.pid) + 4
    until(lambda: ticks(running.pid) > target, "it has worked on")

    assert held(running.pid) == before


def held(pid: int) -> int:
    """How many descriptors a process holds between its readings, but for the journal of a run that lives."""

    def now() -> int:
        links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
        return sum(not link.endswith(".journal") for link in links)

    counts: list[int] = []
    while len(counts) < 50:
        with suppress(FileNotFoundError):
            counts.append(now())
    return min(counts)


def ticks(pid: int) -> int:
    """CPU time that a process has used, in clock ticks."""
    fields = stat_of(pid)
    return int(fields[11]) + int(fields[12])


@ours
def test_a_stop_of_the_machine_is_no_harm(bench: Bench) -> None:
    words = own_words("-q", "-i", "0.05", "-o", str(bench.report))
    running = bench.start("sh", "-c", "echo ready $$; read x", words=words, stdin=-1)
    pid = running.command()
    running.send_group(signal.SIGSTOP)
    until(lambda: state(pid) == state(running.pid) == "T", "all stands still")
    running.send_group(signal.SIGCONT)

    assert running.done(b"\n") == (0, b"", b"")
    assert json.loads(bench.report.read_text())["exit_code"] == 0


# ---- poor machines ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "status"), ENDINGS)
def test_without_proc_the_command_runs(command: str, status: int, bench: Bench) -> None:
    inside = f"mount -t tmpfs none /proc && exec {bench.shell} sh -c {shlex.quote(command)}"
    done = bench.bare(*namespace("--mount"), "sh", "-c", inside)

    assert done.status == status
    assert b"Traceback" not in done.err


def test_without_proc_and_sys_arguments_keep_their_bytes(bench: Bench) -> None:
    inside = f'mount -t tmpfs none /proc && mount -t tmpfs none /sys && exec {bench.shell} printf "%s|" "$@"'
    done = bench.bare(*namespace("--mount"), "sh", "-c", inside, "sh", b"\xff\xfe", b"", "é".encode())

    assert (done.status, done.out) == (0, b"\xff\xfe||\xc3\xa9|")


@pytest.mark.parametrize(("command", "status"), ENDINGS)
def test_without_threads_the_command_runs(command: str, status: int, bench: Bench) -> None:
    if bench.bare(*probe("unthreaded", *probe("thread"))).status != 1:
        pytest.skip("threads cannot be forbidden here")
    done = bench.run("sh", "-c", f"sleep 0.2; {command}", words=[*probe("unthreaded"), *bench.words])

    assert done.status == status
    assert b"Traceback" not in done.err


LIMITS = {
    "nine descriptors": (resource.RLIMIT_NOFILE, 9),
    "twelve descriptors": (resource.RLIMIT_NOFILE, 12),
    "no file may grow": (resource.RLIMIT_FSIZE, 0),
    "a file of 100 bytes": (resource.RLIMIT_FSIZE, 100),
    "memory": (resource.RLIMIT_AS, 200 << 20),
    "no core": (resource.RLIMIT_CORE, 0),
    "a small stack": (resource.RLIMIT_STACK, 1 << 20),
    "no locked memory": (resource.RLIMIT_MEMLOCK, 0),
    "no pending signals": (resource.RLIMIT_SIGPENDING, 0),
}


@pytest.mark.parametrize("case", LIMITS)
@pytest.mark.parametrize(("command", "status"), ENDINGS[1:3])
def test_under_a_limit_the_command_runs(command: str, status: int, case: str, bench: Bench) -> None:
    kind, value = LIMITS[case]
    done = bench.run("sh", "-c", command, setup=lambda: resource.setrlimit(kind, (value, value)))

    assert done.status == status
    assert b"Traceback" not in done.err
    assert len(lines(done.err)) <= 1


@ours
@pytest.mark.parametrize("limit", [6, 7, 8, 10, 11])
def test_with_hardly_any_descriptor_the_command_runs_or_the_wrapper_says_why_not(
    limit: int, bench: Bench
) -> None:
    few = (limit, limit)
    done = bench.run("sh", "-c", "exit 3", setup=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, few))

    assert done.status in {3, 125}
    assert b"Traceback" not in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_with_no_room_for_pending_signals_a_signal_is_still_passed_on(number: int, bench: Bench) -> None:
    nothing = (0, 0)
    running = bench.probe("hold", setup=lambda: resource.setrlimit(resource.RLIMIT_SIGPENDING, nothing))
    running.command()
    running.send(number)

    assert running.status() == -number


@ours
@pytest.mark.parametrize("kind", ["read-only", "full", "no inodes"])
@pytest.mark.parametrize("words", [["-q"], ["-q", "-o", "disk/report.json"]], ids=["state", "output"])
def test_on_a_disk_that_takes_nothing_the_status_is_kept(words: list[str], kind: str, bench: Bench) -> None:
    disk = bench.folder / "disk"
    disk.mkdir()
    bench.env["XDG_STATE_HOME"] = str(disk)
    spoil = {
        "read-only": "true",
        "full": "{ dd if=/dev/zero of=disk/x bs=4k 2>/dev/null; true; }",
        "no inodes": "{ i=0; while mkdir disk/$i 2>/dev/null; do i=$((i+1)); done; true; }",
    }[kind]
    options = {"read-only": "ro", "no inodes": "size=64k,nr_inodes=8"}.get(kind, "size=64k")
    inside = f"mount -t tmpfs -o {options} none disk && {spoil} && "
    inside += f"exec {shlex.join(own_words(*words))} sh -c 'exit 7'"
    done = bench.bare(*namespace("--mount"), "sh", "-c", inside)

    assert done.status == 7, done.err
    assert b"Traceback" not in done.err
    assert len(lines(done.err)) == 1


@ours
def test_a_full_disk_holds_no_half_of_a_report(bench: Bench) -> None:
    disk = bench.folder / "disk"
    disk.mkdir()
    inside = "mount -t tmpfs -o size=64k none disk && { dd if=/dev/zero of=disk/x bs=4k 2>/dev/null; "
    inside += f"true; }} && {shlex.join(own_words('-q', '-o', 'disk/report.json'))} true; ls -A disk"
    done = bench.bare(*namespace("--mount"), "sh", "-c", inside)

    assert done.out == b"x\n"


@pytest.mark.parametrize(
    "missing", [["HOME"], ["XDG_STATE_HOME", "HOME"], ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME", "PATH"]]
)
def test_without_a_home_the_command_runs(missing: list[str], bench: Bench) -> None:
    for name in missing:
        del bench.env[name]

    assert bench.run("/bin/sh", "-c", "exit 7").status == 7


@ours
@linux_root
def test_a_user_whom_nobody_knows_can_run_a_command(bench: Bench) -> None:
    need("setpriv")
    nobody = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]
    if bench.bare(*nobody, sys.executable, "-c", "import energywrap").status != 0:
        pytest.skip("this installation is closed to other users")
    del bench.env["HOME"], bench.env["XDG_STATE_HOME"], bench.env["XDG_CONFIG_HOME"]
    done = bench.run("sh", "-c", "exit 7", words=[*nobody, *own_words("-q")], cwd="/")

    assert done.status == 7
    assert b"Traceback" not in done.err


@ours
@pytest.mark.parametrize("home", ["/proc/no/such", "/dev/null", "relative", ""])
def test_a_home_that_is_none_does_not_change_the_status(home: str, bench: Bench) -> None:
    bench.env.update(HOME=home, XDG_STATE_HOME=home, XDG_CONFIG_HOME=home)
    done = bench.run("sh", "-c", "exit 7", words=own_words("-q"))

    assert done.status == 7
    assert b"Traceback" not in done.err
    assert len(lines(done.err)) <= 1


@ours
def test_in_a_deleted_folder_the_report_goes_to_the_state_folder(bench: Bench) -> None:
    (bench.folder / "gone").mkdir()
    script = f"cd gone && rmdir ../gone && exec {shlex.join(own_words('-q'))} false"
    done = bench.bare("sh", "-c", script)

    assert (done.status, done.err) == (1, b"")
    assert list((bench.folder / "home").rglob("*.json"))


@ours
def test_a_report_is_there_whole_or_not_at_all_when_the_wrapper_is_killed(bench: Bench) -> None:
    killed = 0
    for moment in range(20):
        running = bench.start("sh", "-c", "echo ready $$")
        running.command()
        time.sleep(moment * 0.001)  # the command has ended: the report is made about now
        running.send(signal.SIGKILL)
        killed += running.status() == -signal.SIGKILL
        if bench.report.exists():
            assert json.loads(bench.report.read_text())["command"][0] == "sh"
            bench.report.unlink()

    assert killed


@ours
def test_two_runs_at_once_do_not_disturb_each_other(bench: Bench) -> None:
    started = [bench.start("sh", "-c", f"exit {n}", words=own_words("-q")) for n in range(8)]

    assert [running.done() for running in started] == [(n, b"", b"") for n in range(8)]
    assert len(list((bench.folder / "home/state").rglob("reports/*.json"))) == 8


@pytest.mark.skipif(bool(OTHER) or not Path("/dev/full").exists(), reason="needs /dev/full and energywrap")
def test_a_report_for_a_full_device_is_a_warning(bench: Bench) -> None:
    done = bench.run("sh", "-c", "exit 7", words=own_words("-q", "-o", "/dev/full"))

    assert done.status == 7
    assert len(lines(done.err)) == 1
