"""Standard streams and other descriptors are the command's own, on both sides (rules 10-18)."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from wrapper.harness import DEADLINE_S, Bench, kill, need, ours, own_words, probe, read_line, until


def close(*fds: int) -> None:
    for fd in fds:
        os.close(fd)


def opened(*redirections: str) -> list[str]:
    """The words that make a shell open further descriptors for what comes next."""
    need("bash")
    return ["bash", "-c", " ".join(["exec", '"$@"', *redirections]), "bash"]


def moved(fd: int, number: int) -> list[str]:
    """The words that pass a descriptor on under another number."""
    return opened() if fd == number else opened(f"{number}>&{fd}", f"{fd}>&-")


# ---- inherited as they are -------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0, os.O_APPEND, os.O_NONBLOCK, os.O_APPEND | os.O_SYNC])
def test_the_standard_streams_are_the_callers_open_files(flags: int, bench: Bench) -> None:
    out = bench.folder / "out"
    fds = [os.open("/etc/passwd", os.O_RDONLY), *(os.open(out, os.O_RDWR | os.O_CREAT | flags) for _ in "12")]
    how: dict[str, Any] = {"stdin": fds[0], "stdout": fds[1], "stderr": fds[2]}
    bench.run(*probe("descriptors"), **how)
    wrapped = out.read_bytes()
    os.ftruncate(fds[1], 0)
    os.lseek(fds[1], 0, os.SEEK_SET)
    bench.bare(*probe("descriptors"), **how)
    close(*fds)

    assert json.loads(wrapped) == json.loads(out.read_bytes())


def test_the_file_offset_is_shared_with_the_caller(bench: Bench) -> None:
    path = bench.folder / "in"
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDONLY)
    os.lseek(fd, 3, os.SEEK_SET)
    done = bench.run("dd", "bs=1", "count=4", "status=none", stdin=fd)
    offset = os.lseek(fd, 0, os.SEEK_CUR)
    os.close(fd)

    assert (done.out, offset) == (b"3456", 7)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_the_flags_of_the_callers_files_are_untouched_afterwards(kind: str, bench: Bench) -> None:
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        reader, writer = (end.detach() for end in socket.socketpair())
    os.set_blocking(reader, False)
    before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (reader, writer)]
    bench.run("true", stdin=reader, stdout=writer, stderr=writer)
    after = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (reader, writer)]
    close(reader, writer)

    assert before == after


def test_a_terminal_stays_a_terminal_on_all_three(bench: Bench) -> None:
    terminal = bench.terminal("sh", "-c", "test -t 0 && test -t 1 && test -t 2 && tty", words=bench.words)

    assert terminal.expect(r"/dev/pts/\d+\r\n")[0].strip() == terminal.name


def test_a_megabyte_passes_through_unchanged(bench: Bench) -> None:
    data = os.urandom(1 << 20)

    assert bench.run("cat", said=data).out == data


def test_output_is_not_held_back(bench: Bench) -> None:
    running = bench.start("sh", "-c", "printf a; read x; printf b; read x; echo c", stdin=-1)
    assert running.process.stdout is not None
    assert running.process.stdin is not None
    seen = os.read(running.process.stdout.fileno(), 9)
    running.process.stdin.write(b"\n")
    seen += b"|" + os.read(running.process.stdout.fileno(), 9)

    assert seen == b"a|b"
    assert running.done(b"\n").out == b"c\n"


def test_stdout_and_stderr_keep_their_order_in_one_file(bench: Bench) -> None:
    done = bench.run("sh", "-c", "echo 1; echo 2 >&2; echo 3; echo 4 >&2", stderr=-2)

    assert done.out == b"1\n2\n3\n4\n"


def test_the_wrapper_does_not_read_standard_input(bench: Bench) -> None:
    script = f"{bench.shell} true; {bench.shell} head -c 0; cat"

    assert bench.bare("sh", "-c", script, said=b"all of it\n").out == b"all of it\n"


@ours
def test_the_table_goes_to_stderr_and_the_report_to_its_file(bench: Bench) -> None:
    done = bench.run("echo", "mine", words=bench.shown)

    assert done.out == b"mine\n"
    assert done.err
    assert json.loads(bench.report.read_text())["exit_code"] == 0


@ours
def test_quiet_means_that_nothing_is_said(bench: Bench) -> None:
    done = bench.run("sh", "-c", "echo out; echo err >&2")

    assert done == (0, b"out\n", b"err\n")


# ---- closed, full, gone ----------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_closed_streams_stay_closed_for_the_command_and_catch_nothing(
    closed: tuple[int, ...], bench: Bench
) -> None:
    running = bench.start(*probe("closed"), setup=lambda: close(*closed))

    assert running.done() == (sum(1 << fd for fd in closed), b"", b"")


@ours
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_streams_do_not_harm_the_report(closed: tuple[int, ...], bench: Bench) -> None:
    done = bench.run("sh", "-c", "exit 3", words=bench.shown, setup=lambda: close(*closed))
    report = json.loads(bench.report.read_text())

    assert (done.status, done.out, report["exit_code"]) == (3, b"", 3)


@pytest.mark.parametrize("status", [0, 7])
def test_a_full_stderr_does_not_change_the_status(status: int, bench: Bench) -> None:
    with Path("/dev/full").open("wb") as full:
        words = bench.words if os.environ.get("WRAP") else bench.shown
        assert bench.run("sh", "-c", f"exit {status}", words=words, stderr=full).status == status


@pytest.mark.parametrize("status", [0, 7])
def test_a_stderr_without_a_reader_does_not_change_the_status(status: int, bench: Bench) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = bench.words if os.environ.get("WRAP") else bench.shown
    done = bench.run("sh", "-c", f"exit {status}", words=words, stderr=writer)
    os.close(writer)

    assert done.status == status


@ours
@pytest.mark.parametrize("left", [0, 100, 2048])
def test_a_stderr_that_nobody_reads_does_not_hold_the_wrapper(left: int, bench: Bench) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(512))
    except BlockingIOError:
        os.read(reader, left) if left else None
    os.set_blocking(writer, True)
    done = bench.run("sh", "-c", "exit 7", words=bench.shown, stderr=writer)
    close(reader, writer)

    assert done.status == 7
    assert bench.report.exists()


# ---- letting go ------------------------------------------------------------------------------------


def test_a_reader_sees_the_end_as_soon_as_the_command_closes_its_output(bench: Bench) -> None:
    running = bench.start("sh", "-c", "echo ready $$; exec >&-; read x; exit 3", stdin=-1)
    running.command()
    assert running.process.stdout is not None
    ready, _, _ = select.select([running.process.stdout], [], [], DEADLINE_S)

    assert ready
    assert running.process.stdout.read(1) == b""
    assert running.process.poll() is None
    assert running.done(b"\n").status == 3


def test_a_writer_is_told_as_soon_as_the_command_closes_its_input(bench: Bench) -> None:
    reader, writer = os.pipe()
    running = bench.start("sh", "-c", "exec <&-; echo ready $$; sleep 1000", stdin=reader)
    os.close(reader)
    running.command()
    poller = select.poll()
    poller.register(writer, 0)
    events = poller.poll(DEADLINE_S * 1000)
    os.close(writer)

    assert events == [(writer, select.POLLERR)]


@pytest.mark.parametrize("number", [3, 9, 63, 300])
def test_a_further_pipe_ends_when_the_command_closes_it(number: int, bench: Bench) -> None:
    reader, writer = os.pipe()
    script = f"exec {number}>&-; echo ready $$; read x"
    words = [*moved(writer, number), *bench.words]
    running = bench.start("bash", "-c", script, words=words, stdin=-1, pass_fds=(writer,))
    os.close(writer)
    running.command()
    ready, _, _ = select.select([reader], [], [], DEADLINE_S)
    told = bool(ready) and os.read(reader, 1) == b""
    os.close(reader)

    assert told
    assert running.done(b"\n").status == 0


@ours
def test_the_wrapper_does_not_keep_the_working_directory_busy(bench: Bench) -> None:
    running = bench.probe("hold")
    running.command()

    assert os.readlink(f"/proc/{running.pid}/cwd") == "/"


@ours
def test_a_relative_report_path_is_relative_to_where_the_run_began(bench: Bench) -> None:
    bench.run("sh", "-c", "cd /", words=own_words("-q", "-o", "here.json"))

    assert json.loads((bench.folder / "here.json").read_text())["exit_code"] == 0


@pytest.mark.parametrize("stream", [1, 2])
def test_a_background_process_that_holds_the_output_does_not_delay_the_end(stream: int, bench: Bench) -> None:
    running = bench.start("sh", "-c", f"sleep 1000 {'2>&-' if stream == 1 else '1>&-'} & echo ready $!")
    pid = running.command()

    assert running.status() == 0
    assert Path(f"/proc/{pid}").exists()
    kill(pid)


# ---- further descriptors ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [3, 4, 7, 9, 63, 255, 500])
def test_further_descriptors_reach_the_command(number: int, bench: Bench) -> None:
    reader, writer = os.pipe()
    words = [*moved(writer, number), *bench.words]
    running = bench.start("bash", "-c", f"echo through >&{number}", words=words, pass_fds=(writer,))
    os.close(writer)
    assert running.done().status == 0
    said = read_line(reader)
    os.close(reader)

    assert said == "through"


@pytest.mark.parametrize("extra", [(), (3,), (3, 4, 5), (10, 20)], ids=str)
def test_the_command_gets_no_descriptor_of_the_wrappers(extra: tuple[int, ...], bench: Bench) -> None:
    def listed(*words: str) -> list[str]:
        launcher = opened(*(f"{fd}</dev/null" for fd in extra))
        return list(json.loads(bench.run(*probe("descriptors"), words=[*launcher, *words]).out))

    assert listed(*bench.words) == listed()


def test_a_process_substitution_can_be_read(bench: Bench) -> None:
    need("bash")
    done = bench.bare("bash", "-c", f"{bench.shell} cat <(echo one) <(echo two)")

    assert done.out == b"one\ntwo\n"


def test_the_jobserver_of_make_reaches_a_make_behind_the_wrapper(bench: Bench) -> None:
    need("make")
    (bench.folder / "Makefile").write_text(
        f"all:\n\t+@{bench.shell} $(MAKE) --no-print-directory sub\nsub:\n"
    )
    done = bench.bare("make", "-j2")

    assert done.status == 0
    assert b"jobserver" not in done.err


def test_socket_activation_addresses_the_command(bench: Bench) -> None:
    script = f"LISTEN_PID=$$ LISTEN_FDS=1 exec {bench.shell} sh -c 'echo $$ $LISTEN_PID $LISTEN_FDS'"
    pid, addressed, count = bench.bare("sh", "-c", script).out.split()

    assert (addressed, count) == (pid, b"1")


def test_socket_activation_of_somebody_else_is_left_alone(bench: Bench) -> None:
    bench.env.update(LISTEN_PID="1", LISTEN_FDS="1")

    assert bench.run("sh", "-c", "echo $LISTEN_PID $LISTEN_FDS").out == b"1 1\n"


# ---- where the report may go -----------------------------------------------------------------------


@ours
def test_a_device_is_written_to_and_not_replaced(bench: Bench) -> None:
    before = os.stat(os.devnull)
    done = bench.run("sh", "-c", "exit 3", words=own_words("-q", "-o", os.devnull))
    after = os.stat(os.devnull)

    assert done == (3, b"", b"")
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)


@ours
@pytest.mark.parametrize("number", [2, 3, 9])
def test_a_report_can_go_to_an_open_descriptor(number: int, bench: Bench) -> None:
    reader, writer = os.pipe()
    words = [*moved(writer, number), *own_words("-q", "-o", f"/dev/fd/{number}")]
    running = bench.start("sh", "-c", "exit 3", words=words, pass_fds=(writer,))
    os.close(writer)
    with os.fdopen(reader) as said:
        report = json.load(said)

    assert (running.status(), report["exit_code"]) == (3, 3)


@ours
def test_a_report_can_go_to_a_named_pipe_that_stays_one(bench: Bench) -> None:
    fifo = bench.folder / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    status = bench.run("sh", "-c", "exit 3", words=own_words("-q", "-o", str(fifo))).status
    with os.fdopen(reader) as said:
        report = json.load(said)

    assert (status, report["exit_code"]) == (3, 3)
    assert fifo.is_fifo()


@ours
def test_a_report_goes_through_a_link_which_stays_one(bench: Bench) -> None:
    link, real = bench.folder / "link.json", bench.folder / "real.json"
    real.write_text("old")
    link.symlink_to(real)
    bench.run("true", words=own_words("-q", "-o", str(link)))

    assert link.is_symlink()
    assert json.loads(real.read_text())["exit_code"] == 0


@ours
def test_nothing_lies_beside_the_report_before_or_after(bench: Bench) -> None:
    folder = bench.folder / "reports"
    folder.mkdir()
    running = bench.probe("hold", words=own_words("-q", "-o", str(folder / "report.json")))
    running.command()
    until(lambda: True, "")
    during = os.listdir(folder)
    running.send(signal.SIGTERM)
    running.status()

    assert (during, os.listdir(folder)) == ([], ["report.json"])
