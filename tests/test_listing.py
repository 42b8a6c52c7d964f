"""Lists on a terminal: what there is no room for goes in order, and nothing is cut."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commandline import START, energywrap, environment
from energywrap.cli.listing import EDGES, FOLDED, GAP, fitting

HEADS = ("id", "energy", "basis", "words")
ROWS = (("12345678", "300 mJ", "modelled", "a command line"), ("1", "2 J", "-", "b"))


def needed(shown: list[int]) -> int:
    widths = [max(len(row[index]) for row in (HEADS, *ROWS)) for index in shown]
    return sum(min(width, FOLDED) for width in widths) + GAP * (len(shown) - 1) + EDGES


@given(st.integers(1, 200))
def test_columns_go_in_their_order_and_only_as_far_as_they_must(width: int) -> None:
    drop = ("basis", "energy")
    shown = fitting(HEADS, ROWS, drop, "words", width)
    gone = [head for index, head in enumerate(HEADS) if index not in shown]

    assert sorted(gone, key=drop.index) == list(drop[: len(gone)])
    assert needed(shown) <= width or set(gone) == set(drop)
    if gone:
        back = sorted([*shown, HEADS.index(drop[len(gone) - 1])])
        assert needed(back) > width


def test_a_column_that_says_nothing_goes_first() -> None:
    rows = tuple((one, two, "-", four) for one, two, _, four in ROWS)

    assert fitting(HEADS, rows, ("energy", "basis"), "words", 40) == [0, 1, 3]


def seen(words: tuple[str, ...], width: int, home: Path) -> str:
    """What a terminal so wide shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, width, 0, 0))
    with subprocess.Popen(
        [*START, *words], cwd=home, env=environment(home, TERM="xterm"), stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        found = b""
        try:
            while part := os.read(ours, 4096):
                found += part
        except OSError:
            pass  # its other end is closed
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;]*m", "", found.decode())


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_terminal_shows_ids_that_can_be_used_and_whole_numbers(width: int, tmp_path: Path) -> None:
    energywrap("run", "-q", "-z", "FR", "-o", "r.json", "-l", "resnet", "true", cwd=tmp_path)
    text = seen(("history",), width, tmp_path)
    lines = text.splitlines()
    run_id = next(line.split()[0] for line in lines[2:] if line.strip()[:1].isalnum())

    assert all(len(line) <= width for line in lines)
    assert "\u2026" not in text
    assert energywrap("show", run_id, cwd=tmp_path).status == 0
    assert ("resnet" in text) == (width >= 60)
