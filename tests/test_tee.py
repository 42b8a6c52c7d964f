"""A number in the command's output: found on the way, and the output stays as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import TIMEOUT_S, Energywrap

PATTERN = r"request=/served (\d[\d,]*) requests/"


def test_the_number_is_found_and_the_output_is_untouched(tmp_path: Path) -> None:
    ran = Energywrap(tmp_path)(
        "--per", PATTERN, "printf", "a\\0b\\nserved 1,000 requests\\nno newline at the end"
    )

    assert ran.stdout == "a\0b\nserved 1,000 requests\nno newline at the end"
    assert ran.report["sci"]["count"] == 1000
    assert ran.report["sci"]["unit"] == "request"
    assert "served 1,000 requests" in ran.report["sci"]["count_from"]


def test_the_last_number_counts(tmp_path: Path) -> None:
    script = "echo served 5 requests; echo served 7 requests"
    ran = Energywrap(tmp_path)("--per", PATTERN, "sh", "-c", script)

    assert ran.report["sci"]["count"] == 7


def test_a_number_that_never_comes_is_said_and_there_is_no_intensity(tmp_path: Path) -> None:
    ran = Energywrap(tmp_path)("--per", PATTERN, "echo", "nothing")

    assert ran.report["sci"] is None
    assert any("found nothing in what the command printed" in warning for warning in ran.report["warnings"])
    assert ran.status == 0


def test_a_given_count_leaves_the_output_alone(tmp_path: Path) -> None:
    script = "import os, sys; print(os.fstat(1).st_ino)"
    with (tmp_path / "out").open("wb") as out:
        wrap = Energywrap(tmp_path)
        subprocess.run(
            [wrap.program, "run", "-q", "--per", "request=10", sys.executable, "-c", script],
            stdout=out, env=wrap.env, check=True, timeout=TIMEOUT_S,
        )  # fmt: skip

    assert int((tmp_path / "out").read_text()) == (tmp_path / "out").stat().st_ino


def test_a_large_output_comes_through_whole(tmp_path: Path) -> None:
    script = "import sys; sys.stdout.write('x' * 5_000_000 + '\\nserved 3 requests\\n')"
    ran = Energywrap(tmp_path)("--per", PATTERN, sys.executable, "-c", script)

    assert len(ran.stdout) == 5_000_000 + len("\nserved 3 requests\n")
    assert ran.report["sci"]["count"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_a_reader_that_has_gone_is_gone_for_the_command_as_well(tmp_path: Path) -> None:
    wrap = Energywrap(tmp_path)
    with subprocess.Popen(
        [wrap.program, "run", "-q", "--per", PATTERN, "yes"], stdout=subprocess.PIPE, env=wrap.env
    ) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()

        assert process.wait(TIMEOUT_S) == -signal.SIGPIPE


def test_a_closed_output_is_said_and_the_command_runs(tmp_path: Path) -> None:
    wrap = Energywrap(tmp_path)
    line = f"exec {wrap.program} run -q --per '{PATTERN}' -o r.json sh -c 'touch ran' >&-"
    done = subprocess.run(
        ["sh", "-c", line], cwd=tmp_path, env=wrap.env, capture_output=True, text=True, check=False,
        timeout=TIMEOUT_S,
    )  # fmt: skip

    assert done.returncode == 0
    assert (tmp_path / "ran").exists()
    assert "Traceback" not in done.stderr


def test_the_status_of_the_command_is_kept(tmp_path: Path) -> None:
    assert Energywrap(tmp_path)("--per", PATTERN, "sh", "-c", "echo served 3 requests; exit 7").status == 7
