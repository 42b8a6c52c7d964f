"""A report is in its place whole or not at all, and never where nobody asked for it."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from energywrap import reportfile
from energywrap.errors import UserError
from energywrap.reportfile import NotWritten, Target

NAME = "20260101T000000Z-0123456789abcdef.json"
LONG = '{"x": "' + "x" * 300_000 + '"}\n'


def decide(folder: Path, output: str) -> Target:
    return reportfile.named(output, "flag", str(folder))


def usual(**environ: str) -> Target:
    return reportfile.in_state_folder(environ, "2026-01-01T00:00:00Z", "0123456789abcdef")


def refusal(folder: Path, output: str) -> str:
    with pytest.raises(UserError) as refused:
        decide(folder, output)
    assert "\n" not in refused.value.line()
    return refused.value.line()


def test_the_usual_place_is_the_users_state_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"

    below_home = usual(HOME=str(home))
    assert below_home.path == str(home / ".local" / "state" / "energywrap" / "reports" / NAME)

    named = usual(HOME=str(home), XDG_STATE_HOME=str(tmp_path / "xdg"))
    assert named.path == str(tmp_path / "xdg" / "energywrap" / "reports" / NAME)
    assert list(tmp_path.iterdir()) == []  # nothing is made before there is a report


@pytest.mark.parametrize("state", ["", "relative/path"])
def test_a_state_folder_that_is_no_absolute_path_does_not_count(state: str, tmp_path: Path) -> None:
    found = reportfile.state_folder({"HOME": str(tmp_path), "XDG_STATE_HOME": state})

    assert found == str(tmp_path / ".local" / "state" / "energywrap")


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "relative"}], ids=str)
def test_without_a_home_of_its_own_the_users_entry_counts(home: dict[str, str]) -> None:
    found = reportfile.state_folder(home)

    assert found is None or os.path.isabs(found)


def test_an_output_is_relative_to_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()

    assert decide(tmp_path, "r.json").path == str(tmp_path / "r.json")
    assert decide(tmp_path, "sub/../sub/r.json").path == str(tmp_path / "sub" / "r.json")
    assert decide(tmp_path, str(tmp_path / "sub" / "r.json")).path == str(tmp_path / "sub" / "r.json")


def test_a_link_is_written_through_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")

    reportfile.write(decide(tmp_path, "link.json"), "new\n")

    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new\n"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("missing/r.json", ["missing does not exist", "mkdir -p"]),
        (".", ["is a folder"]),
        ("-", ["standard output belongs to the command"]),
        ("file/r.json", ["file does not exist"]),
    ],
)
def test_an_output_that_can_never_be_written_is_refused(
    output: str, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")

    line = refusal(tmp_path, output)

    assert line.startswith(f"--output {output}")
    assert [word for word in words if word not in line] == []


def test_an_output_from_a_file_is_refused_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^output = missing/r\.json \(file x\.toml\)"):
        reportfile.named("missing/r.json", "file x.toml", str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into every folder")
def test_a_folder_that_cannot_be_written_into_is_found_out_at_the_end_and_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    target = decide(tmp_path, "locked/r.json")  # the command is worth more than its report

    with pytest.raises(reportfile.NotWritten, match="locked"):
        reportfile.write(target, "{}\n")


def test_a_report_takes_the_place_of_an_older_one_in_one_step(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("old")
    with (tmp_path / "r.json").open() as reader:
        reportfile.write(decide(tmp_path, "r.json"), LONG)

        assert reader.read() == "old"  # who had the old one open keeps it whole
    assert (tmp_path / "r.json").read_text() == LONG
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_readers_never_see_a_part_of_a_report(tmp_path: Path) -> None:
    target = decide(tmp_path, "r.json")
    reportfile.write(target, LONG)
    over = threading.Event()
    partial: list[int] = []

    def read() -> None:
        while not over.is_set():
            size = len((tmp_path / "r.json").read_text())
            if size != len(LONG):
                partial.append(size)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        reportfile.write(target, LONG)
    over.set()
    reader.join()

    assert partial == []


def test_the_folders_of_the_usual_place_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    target = usual(XDG_STATE_HOME=str(tmp_path / "state"))

    reportfile.write(target, "{}\n")

    assert target.path is not None
    assert Path(target.path).read_text() == "{}\n"
    assert (tmp_path / "state" / "energywrap" / "reports").stat().st_mode & 0o077 == 0


def test_without_any_home_the_reason_is_kept_for_the_end() -> None:
    reason = "no home directory is known"

    with pytest.raises(NotWritten, match=f"the report could not be written: {reason}"):
        reportfile.write(Target(None, None, reason), "{}\n")


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    target = decide(tmp_path, os.devnull)

    reportfile.write(target, LONG)

    assert target.fd is not None
    assert target.fd > 2
    os.close(target.fd)
    assert not Path(os.devnull).is_file()


def test_a_full_device_is_named_with_its_reason(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full on this machine")
    target = decide(tmp_path, "/dev/full")

    with pytest.raises(NotWritten, match="to /dev/full: No space left on device"):
        reportfile.write(target, "{}\n")

    assert target.fd is not None
    os.close(target.fd)


def test_a_failed_write_leaves_the_older_report_and_nothing_else(tmp_path: Path) -> None:
    import resource
    import signal

    (tmp_path / "r.json").write_text("old")
    target = decide(tmp_path, "r.json")
    pid = os.fork()
    if pid == 0:  # a process of its own: a limit on the size of files is as good as a full disk
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            reportfile.write(target, LONG)
        except NotWritten as failure:
            status = 0 if os.strerror(errno.EFBIG) in str(failure) else 2
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]
    assert (tmp_path / "r.json").read_text() == "old"


def test_a_pipe_gets_the_whole_report_however_slowly_it_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reading, True)
    target = decide(tmp_path, "pipe")
    got: list[bytes] = []

    def read() -> None:
        while piece := os.read(reading, 4096):
            got.append(piece)

    reader = threading.Thread(target=read)
    writer = threading.Thread(target=reader.start)
    writer.start()
    try:
        reportfile.write(target, LONG)
    finally:
        assert target.fd is not None
        os.close(target.fd)
        writer.join()
        reader.join()
        os.close(reading)

    assert b"".join(got).decode() == LONG
    assert (tmp_path / "pipe").is_fifo()


def test_a_pipe_that_nobody_reads_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert "--output pipe cannot be opened" in refusal(tmp_path, "pipe")


def test_a_descriptor_of_ours_can_be_named(tmp_path: Path) -> None:
    out, into = os.pipe()
    target = decide(tmp_path, f"/dev/fd/{into}")
    os.close(into)

    reportfile.write(target, "{}\n")

    assert target.fd is not None
    os.close(target.fd)
    assert os.read(out, 100) == b"{}\n"
    os.close(out)


def test_the_longest_name_that_the_system_takes_is_taken(tmp_path: Path) -> None:
    name = "r" * (os.pathconf(tmp_path, "PC_NAME_MAX") - 5) + ".json"

    reportfile.write(decide(tmp_path, name), "{}\n")

    assert (tmp_path / name).read_text() == "{}\n"
