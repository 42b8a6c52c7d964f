"""Every command of energywrap as a user types it: what it says, where it says it, and its status."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from commandline import LONGEST_S, START, energywrap, environment, saved
from energywrap import __version__

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
MARK = "started"  # the file that the command makes when it is started

# words of `run` before the command that are a mistake, what the one line must say, further variables
REFUSALS: dict[str, tuple[tuple[str, ...], str, dict[str, str]]] = {
    "unknown option": (("--frobnicate",), "unknown option --frobnicate", {}),
    "near option": (("--zoen", "FR"), "did you mean --zone?", {}),
    "unknown letter": (("-x",), "unknown option -x", {}),
    "switch with a value": (("--quiet=1",), "--quiet takes no value", {}),
    "unknown zone": (("--zone", "Atlantis"), "unknown zone 'Atlantis' (--zone)", {}),
    "zone of the environment": ((), "unknown zone 'Atlantis' (environment", {"ENERGYWRAP_ZONE": "Atlantis"}),
    "unknown site": (("--site", "moon"), "unknown site 'moon' (--site)", {}),
    "no number": (("--interval", "fast"), "--interval = 'fast' is not a number", {}),
    "NaN": (("--interval", "nan"), "is out of range", {}),
    "too small": (("--pue", "0.5"), "--pue = 0.5 is out of range", {}),
    "empty text": (("--label", ""), "--label is empty", {}),
    "empty configuration": (("--config", ""), "configuration file", {}),
    "no configuration": (("--config", "none.toml"), "none.toml: No such file", {}),
    "folder as configuration": (("--config", "."), "Is a directory", {}),
    "malformed configuration": (("--config", "bad.toml"), "bad.toml is not valid TOML", {}),
    "unknown key": (("--config", "key.toml"), "key.toml: unknown key 'zonee'", {}),
    "bad value": (("--config", "value.toml"), "value.toml: interval", {}),
    "named by the environment": ((), "none.toml: No such file", {"ENERGYWRAP_CONFIG": "none.toml"}),
    "missing folder": (("--output", "none/r.json"), "none does not exist; mkdir -p", {}),
    "folder as output": (("--output", "."), "is a folder", {}),
    "output to stdout": (("--output", "-"), "standard output belongs to the command", {}),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A working directory with some files that are no good as settings."""
    (tmp_path / "bad.toml").write_text("zone = \n")
    (tmp_path / "key.toml").write_text('zonee = "FR"\n')
    (tmp_path / "value.toml").write_text("interval = true\n")
    (tmp_path / "garbage.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "half.json").write_text('{"schema_version": 1}')
    return tmp_path


def reports(home: Path) -> list[Path]:
    return sorted((home / "state" / "energywrap" / "reports").glob("*"))


def test_the_version_is_told_and_nothing_else(tmp_path: Path) -> None:
    shown = energywrap("--version", cwd=tmp_path)

    assert shown == (0, f"energywrap {__version__}\n", "")


def test_python_can_start_it_by_name_as_well(tmp_path: Path) -> None:
    start = (sys.executable, "-m", "energywrap")

    assert energywrap("--version", cwd=tmp_path, start=start) == (0, f"energywrap {__version__}\n", "")

    done = energywrap("run", "-q", "-o", "r.json", "sh", "-c", "echo out; exit 5", cwd=tmp_path, start=start)
    assert done == (5, "out\n", "")
    assert saved(tmp_path / "r.json")["exit_code"] == 5


@pytest.mark.parametrize("start", [START, (sys.executable, "-m", "energywrap")], ids=["script", "module"])
def test_files_in_the_working_directory_are_never_taken_for_its_own(
    start: tuple[str, ...], tmp_path: Path
) -> None:
    for name in ("typer", "rich", "json", "signal", "psutil", "tomllib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the working directory was run')\n")

    assert energywrap("--version", cwd=tmp_path, start=start).status == 0
    done = energywrap("run", "true", cwd=tmp_path, start=start, changes={"PYTHONPATH": "."})
    assert done.status == 0
    assert "was run" not in done.err


def test_without_arguments_it_explains_itself(tmp_path: Path) -> None:
    shown = energywrap(cwd=tmp_path)

    assert shown.status == 2
    for command in ("run", "show", "doctor", "config", "zones"):
        assert re.search(rf"^  {command} ", shown.out, re.MULTILINE)
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_no_mistake(flag: str, tmp_path: Path) -> None:
    shown = energywrap(flag, cwd=tmp_path)

    assert (shown.status, shown.err) == (0, "")
    assert "Usage: energywrap" in shown.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("frobnicate",), "frobnicate"),
        (("--frobnicate",), "--frobnicate"),
        (("shwo", "r.json"), "shwo"),
        (("zones", "a", "b"), "b"),
        (("show",), "RUN"),
        (("show", "none.json"), "cannot read none.json: No such file"),
        (("show", "."), "cannot read .: Is a directory"),
        (("show", "garbage.json"), "garbage.json is not JSON"),
        (("show", "bad.toml"), "bad.toml is not JSON"),
        (("show", "half.json"), "half.json is not a complete report"),
        (("show", "--frobnicate"), "--frobnicate"),
        (("zones", "nowhere at all"), "no zone matches 'nowhere at all'"),
        (("zones", "\x1b[31m"), "no zone matches '\\x1b[31m'"),
        (("config", "--config", "none.toml"), "none.toml: No such file"),
        (("config", "--config", "key.toml"), "unknown key 'zonee'; did you mean 'zone'?"),
        (("config", "--config", ""), "configuration file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_outside_run_is_one_line_and_status_2(
    words: tuple[str, ...], complaint: str, home: Path
) -> None:
    done = energywrap(*words, cwd=home)

    assert complaint in done.complaint
    assert (done.status, done.out) == (2, "")


@pytest.mark.parametrize("mistake", REFUSALS)
def test_a_mistake_of_run_is_one_line_and_status_125_and_nothing_has_started(
    mistake: str, home: Path
) -> None:
    words, complaint, changes = REFUSALS[mistake]

    done = energywrap("run", *words, "touch", MARK, cwd=home, changes=changes)

    assert complaint in done.complaint
    assert (done.status, done.out) == (125, "")
    assert not (home / MARK).exists()
    assert not (home / "state").exists()


@pytest.mark.parametrize("words", [(), ("--",), ("-q",), ("--zone",), ("-z",)], ids=" ".join)
def test_run_without_a_command_or_a_value_shows_how_it_is_done(words: tuple[str, ...], home: Path) -> None:
    done = energywrap("run", *words, cwd=home)

    assert "usage: energywrap run" in done.complaint or "needs a value; write" in done.complaint
    assert (done.status, done.out) == (125, "")


@pytest.mark.parametrize(
    "words",
    [
        ("none\nsuch",),
        ("--\x1b[31m", "true"),
        ("--output", "no\nsuch\x1b/r.json", "true"),
        ("--zo\ne", "x", "true"),
    ],
    ids=repr,
)
def test_no_word_of_the_user_breaks_or_colours_the_one_line(words: tuple[str, ...], home: Path) -> None:
    done = energywrap("run", "-q", *words, cwd=home)

    assert "\x1b" not in done.complaint
    assert done.status in (125, 126, 127)  # 126: a folder of PATH that may not be searched


def test_a_command_that_is_not_there_is_127_and_one_that_cannot_be_run_126(home: Path) -> None:
    (home / "plain").write_text("x")

    missing = energywrap("run", "./none-such", cwd=home)
    assert (missing.status, missing.out) == (127, "")
    assert "none-such: No such file" in missing.complaint

    plain = energywrap("run", "./plain", cwd=home)
    assert (plain.status, plain.out) == (126, "")
    assert "plain: Permission denied" in plain.complaint

    folder = energywrap("run", "./", cwd=home)
    assert (folder.status, folder.out) == (126, "")
    assert folder.complaint
    assert reports(home) == []


@pytest.mark.parametrize("status", [0, 1, 2, 125, 126, 127, 255])
def test_the_commands_status_is_ours(status: int, tmp_path: Path) -> None:
    done = energywrap("run", "-q", "-o", "r.json", "sh", "-c", f"exit {status}", cwd=tmp_path)

    assert done == (status, "", "")
    assert saved(tmp_path / "r.json")["exit_code"] == status


def test_the_signal_that_ended_the_command_ends_us(tmp_path: Path) -> None:
    done = energywrap("run", "-q", "-o", "r.json", "sh", "-c", "kill -TERM $$", cwd=tmp_path)

    assert done.status == -signal.SIGTERM
    plain = saved(tmp_path / "r.json")
    assert (plain["signal"], plain["exit_code"]) == (15, 143)


def test_the_help_of_the_command_is_the_commands(tmp_path: Path) -> None:
    alone = subprocess.run(
        ["ls", "--help"], capture_output=True, text=True, env=environment(tmp_path), check=False
    )

    done = energywrap("run", "-q", "ls", "--help", cwd=tmp_path)

    assert (done.status, done.out) == (alone.returncode, alone.stdout)


def test_what_the_command_writes_goes_where_it_was_sent_byte_by_byte(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        done = energywrap("run", "--", "echo", "[/x]", cwd=tmp_path, stdout=file)

    assert done.status == 0
    assert (tmp_path / "f").read_bytes() == b"[/x]\n"
    assert "[/x]" in done.err


def test_quiet_says_nothing_and_still_writes_the_report(tmp_path: Path) -> None:
    for flag in ("-q", "--quiet"):
        assert energywrap("run", flag, "true", cwd=tmp_path) == (0, "", "")

    assert len(reports(tmp_path)) == 2


def test_each_run_leaves_one_report_of_its_own_in_the_state_folder(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    script = f"for i in 1 2 3; do {' '.join(START)} run -q true; done"
    done = subprocess.run(
        ["sh", "-c", script], cwd=work, env=environment(tmp_path), timeout=LONGEST_S, check=True
    )

    assert done.returncode == 0
    found = reports(tmp_path)
    assert len(found) == 3
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{16}\.json", path.name) for path in found)
    assert len({saved(path)["run_id"] for path in found}) == 3
    assert list(work.iterdir()) == []
    assert {path.name for path in (tmp_path / "state" / "energywrap").iterdir()} == {
        "inbox",
        "reports",
        "salt",
    }


def test_the_table_names_the_report_that_was_written(tmp_path: Path) -> None:
    done = energywrap("run", "true", cwd=tmp_path, changes={"COLUMNS": "120"})

    shown = "".join(done.err.partition("report:")[2].split())
    assert [Path(shown)] == reports(tmp_path)


@pytest.mark.parametrize("changes", [{"LANG": "C.UTF-8"}, {"LC_ALL": "C"}, {"COLUMNS": "60"}], ids=str)
def test_a_saved_report_is_shown_as_the_run_has_shown_it(changes: dict[str, str], tmp_path: Path) -> None:
    path = str(tmp_path / "r.json")
    done = energywrap("run", "-o", path, "echo", "é[b]\x1b[31m", cwd=tmp_path, changes=changes)

    again = energywrap("show", path, cwd=tmp_path, changes=changes)

    assert (again.status, again.err) == (0, "")
    assert again.out == ESCAPE.sub("", done.err)
    assert "\x1b" not in again.out


def test_a_report_can_be_shown_through_a_pipe_that_closes_early(tmp_path: Path) -> None:
    energywrap("run", "-q", "-o", "r.json", "true", cwd=tmp_path)
    script = f"{' '.join(START)} show r.json | true; {' '.join(START)} zones | head -n 1"

    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )

    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_the_doctor_names_every_source_and_how_the_cpu_time_is_counted(tmp_path: Path) -> None:
    shown = energywrap("doctor", cwd=tmp_path)

    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith("Power and energy\n")
    assert re.search(r"^  \[(ok|~~)\] .*, used$", shown.out, re.MULTILINE)
    assert re.search(r"(?im)^  \[(ok|!!|--)\] .*rapl", shown.out)
    assert re.search(r"CPU time of the command's process tree\n  (by|sampled)", shown.out)


def test_the_doctor_looks_where_it_is_told_to(tmp_path: Path) -> None:
    device = tmp_path / "sys" / "bus" / "pci" / "devices" / "0000:03:00.0"
    device.mkdir(parents=True)
    (device / "class").write_text("0x030000\n")
    (device / "vendor").write_text("0x1002\n")

    shown = energywrap("doctor", "--sysfs-root", str(tmp_path / "sys"), cwd=tmp_path)

    assert (shown.status, shown.err) == (0, "")
    assert "[!!] AMD GPU: " in shown.out


def test_config_lists_every_setting_once_for_a_program_to_read(tmp_path: Path) -> None:
    changes = {"ENERGYWRAP_ZONE": "SE", "ENERGYWRAP_TYPO": "x"}

    shown = energywrap("config", cwd=tmp_path, changes=changes)

    rows = [line.split("\t") for line in shown.out.splitlines()]
    assert rows[0] == ["setting", "value", "from"]
    assert {len(row) for row in rows} == {3}
    assert ["zone", "SE", "environment ENERGYWRAP_ZONE"] in rows
    assert ["interval", "1", "default"] in rows
    assert shown.status == 0
    assert "ENERGYWRAP_TYPO" in shown.complaint


@pytest.mark.parametrize("text", ["", "fran", "us-", "united"])
def test_zones_are_listed_for_a_program_to_read(text: str, tmp_path: Path) -> None:
    shown = energywrap("zones", *([text] if text else []), cwd=tmp_path)

    rows = [line.split("\t") for line in shown.out.splitlines()]
    assert shown.status == 0
    assert rows[0][:3] == ["zone", "name", "g CO2e/kWh"]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) >= 2
    assert len(rows) > 400 or text


def test_zones_of_different_kinds_are_warned_about_beside_the_list(tmp_path: Path) -> None:
    assert "boundaries" in energywrap("zones", cwd=tmp_path).complaint
    assert energywrap("zones", "Franc", cwd=tmp_path).err == ""


@pytest.mark.parametrize(
    ("line", "at", "offered"),
    [
        ("energywrap sh", 1, "show"),
        ("energywrap run --z", 2, "--zone"),
        ("energywrap config --c", 2, "--config"),
    ],
)
def test_a_shell_can_complete_commands_and_options(line: str, at: int, offered: str, tmp_path: Path) -> None:
    changes = {"_ENERGYWRAP_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(at)}

    shown = energywrap(cwd=tmp_path, changes=changes)

    assert offered in shown.out.split()
    assert (shown.status, shown.err) == (0, "")


@pytest.mark.parametrize(
    "words", [("config",), ("doctor",), ("zones", "France"), ("run", "-q", "true")], ids=" ".join
)
def test_a_working_directory_that_was_deleted_is_no_hindrance(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    line = 'cd gone && rmdir ../gone && exec "$@"'

    done = energywrap(*words, cwd=tmp_path, start=("sh", "-c", line, "sh", *START))

    assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize("status", [0, 3])
@pytest.mark.parametrize("strict", [False, True])
def test_only_with_strict_does_a_lost_report_change_the_status_of_a_success(
    strict: bool, status: int, tmp_path: Path
) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full on this machine")
    options = ["-q", "-o", "/dev/full", *(["--strict"] if strict else [])]

    done = energywrap("run", *options, "sh", "-c", f"exit {status}", cwd=tmp_path)

    assert "/dev/full: No space left on device" in done.complaint
    assert done.status == (125 if strict and status == 0 else status)


def test_a_lost_report_costs_neither_the_table_nor_the_commands_status(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")

    done = energywrap("run", "sh", "-c", "exit 4", cwd=tmp_path)

    assert done.status == 4
    assert "could not be written" in done.err
    assert "machine, total" in done.err
    assert "report: " not in done.err
    assert "Traceback" not in done.err


def test_the_report_may_go_to_a_device_or_a_descriptor(tmp_path: Path) -> None:
    assert energywrap("run", "-q", "-o", "/dev/null", "true", cwd=tmp_path) == (0, "", "")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    line = 'exec "$@" 3> report.json'
    done = energywrap(
        "run", "-q", "-o", "/dev/fd/3", "true", cwd=tmp_path, start=("sh", "-c", line, "sh", *START)
    )
    assert done == (0, "", "")
    assert saved(tmp_path / "report.json")["exit_code"] == 0


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 16 KiB."""
    folder = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        folder.rmdir()
        pytest.skip("mounting a small file system needs root")
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("this machine lets nobody mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_loses_the_new_report_and_leaves_the_old_one(small_disk: Path, tmp_path: Path) -> None:
    (small_disk / "r.json").write_text("old")
    (small_disk / "filler").write_bytes(b"x" * 8192)

    done = energywrap("run", "-q", "-o", str(small_disk / "r.json"), "sh", "-c", "exit 6", cwd=tmp_path)

    assert done.status == 6
    assert "No space left on device" in done.complaint
    assert (small_disk / "r.json").read_text() == "old"
    assert {path.name for path in small_disk.iterdir()} == {"r.json", "filler"}


def test_a_colourful_table_is_for_terminals_only(tmp_path: Path) -> None:
    done = energywrap("run", "true", cwd=tmp_path, changes={"TERM": "xterm-256color"})

    assert "\x1b" not in done.err


@pytest.mark.parametrize("columns", ["²", "9" * 5000, "-1", "0"], ids=lambda text: text[:4])
def test_no_environment_costs_the_command_its_status(columns: str, tmp_path: Path) -> None:
    done = energywrap("run", "sh", "-c", "exit 3", cwd=tmp_path, changes={"COLUMNS": columns})

    assert done.status == 3
    assert "P10 to P90" in done.err


def test_an_empty_environment_is_enough(tmp_path: Path) -> None:
    done = subprocess.run(
        [*START, "run", "-q", "-o", "r.json", "/bin/sh", "-c", "exit 9"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        timeout=LONGEST_S,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (9, b"", b"")
    assert saved(tmp_path / "r.json")["exit_code"] == 9


def test_secrets_of_the_command_line_are_not_in_the_report_nor_in_the_table(tmp_path: Path) -> None:
    done = energywrap(
        "run", "-o", "r.json", "true", "--api-key", "s3cr3t99", "--max-tokens", "512", cwd=tmp_path
    )

    assert "s3cr3t99" not in done.err + (tmp_path / "r.json").read_text()
    assert saved(tmp_path / "r.json")["command"] == ["true", "--api-key", "[redacted]", "--max-tokens", "512"]


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("--water", "--region", "oci:us-ashburn-1"), {"water at the site"}),
        (("--water", "--region", "gcp:us-central1"), set()),
        (("--region", "oci:us-ashburn-1"), set()),
    ],
)
def test_water_that_nobody_publishes_is_said_to_be_missing(
    words: tuple[str, ...], missing: set[str], tmp_path: Path
) -> None:
    done = energywrap("run", "-q", "-o", "r.json", *words, "true", cwd=tmp_path)

    assert done.status == 0
    gaps = {gap["what"] for gap in saved(tmp_path / "r.json")["not_measured"]}
    assert {gap for gap in gaps if gap.startswith("water")} == missing
