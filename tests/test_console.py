"""Lines of our own: whole for a pipe, folded between words for a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from commandline import energywrap
from test_listing import seen

WORDS = ("check", "last", "--max-increase", "5", "--baseline", "last")


@pytest.mark.parametrize("width", [20, 40, 72, 200])
def test_a_line_breaks_between_words_where_a_terminal_ends(width: int, tmp_path: Path) -> None:
    plain = energywrap(*WORDS, cwd=tmp_path).err
    lines = seen(WORDS, width, tmp_path).replace("\r", "").splitlines()

    assert plain.count("\n") == 1
    assert all(len(line) <= width for line in lines)
    assert " ".join(line.strip() for line in lines) == plain.strip()
    assert (len(lines) == 1) == (width >= len(plain) - 1)


def test_a_word_that_is_longer_than_a_line_is_not_broken(tmp_path: Path) -> None:
    words = ("show", f"{'x' * 60}.json")

    assert "x" * 60 in seen(words, 30, tmp_path).replace("\r\n", "").replace(" ", "")


def test_the_last_row_of_sums_is_all_together_and_only_for_a_person(tmp_path: Path) -> None:
    for label in ("one", "two"):
        energywrap("run", "-q", "-z", "FR", "-l", label, "true", cwd=tmp_path)
    rows = [line.split() for line in seen(("total", "--by", "label"), 120, tmp_path).splitlines()]

    assert [row[:2] for row in rows if row[1:2] == ["2"]] == [["all", "2"]]
    assert "all" not in energywrap("total", "--by", "label", cwd=tmp_path).out
