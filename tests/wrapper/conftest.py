"""The bench on which every test of the wrapper works."""

from __future__ import annotations

import signal
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


@pytest.fixture(scope="session", autouse=True)
def ordinary_dispositions() -> None:
    """A suite in the background of a script has INT and QUIT ignored, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
