"""The bench on which every test of the wrapper works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrapper.harness import Bench

if not sys.platform.startswith("linux"):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An isolated place with the wrapper under test; whatever is started there ends with the test."""
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def wrap(bench: Bench) -> list[str]:
    """The words that are put before a command."""
    return bench.words
