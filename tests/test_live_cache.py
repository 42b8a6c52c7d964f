"""What is kept of the providers' answers: true for as long as its slot runs, and never more than a help."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.grid import cache, live, providers, slots
from energywrap.model import Place
from energywrap.record import replace
from fakes.gridserver import HALF, HOUR, NOW, Clock, as_live, client, neso, told
from fakes.web import service

BRITAIN = Place("GB", "flag")
FOLDER = ".cache/energywrap/grid"
# Writes answers again and again while another one does the same.
WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from energywrap.grid import cache
from fakes.gridserver import NOW, as_live
kept = cache.Cache({"HOME": sys.argv[1]})
for index in range(150):
    kept.save(as_live(*[float(sys.argv[3])] * (index % 40 + 1)), NOW)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def test_what_was_told_is_found_again_by_its_provider_and_zone_only(home: Path) -> None:
    kept = cache.Cache({"HOME": str(home)})
    kept.save(as_live(100, 110), NOW)
    found = kept.load("neso", "GB")

    assert found == replace(as_live(100, 110), cached=True)
    assert kept.load("neso", "13") is None
    assert kept.load("neso", "G_B") is None
    (file,) = (home / FOLDER).iterdir()
    assert file.name == "neso-GB.json"
    assert file.stat().st_mode & 0o777 == 0o600


def test_zones_whose_file_has_the_same_name_are_not_taken_for_each_other(home: Path) -> None:
    kept = cache.Cache({"HOME": str(home)})
    kept.save(replace(as_live(100), zone="aws/eu-west-1"), NOW)

    assert kept.load("neso", "aws/eu-west-1") is not None
    assert kept.load("neso", "aws_eu-west-1") is None


def test_what_was_expected_earlier_is_forgotten_and_what_was_measured_is_not(home: Path) -> None:
    kept = cache.Cache({"HOME": str(home)})
    kept.save(as_live(100), NOW)
    kept.save(as_live(105, 110, 120, kind="forecast"), NOW)
    kept.save(as_live(107, kind="forecast"), NOW)
    found = kept.load("neso", "GB")

    assert found is not None
    assert [(slot.g_per_kwh, slot.kind) for slot in found.slots] == [(100, "actual")]


def test_what_is_long_past_is_let_go_of(home: Path) -> None:
    kept = cache.Cache({"HOME": str(home)})
    kept.save(as_live(100, 110), NOW)
    kept.save(replace(as_live(), slots=told(50, start_s=NOW + 8 * 86400)), NOW + 8 * 86400)
    found = kept.load("neso", "GB")

    assert found is not None
    assert [slot.g_per_kwh for slot in found.slots] == [50]


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"[]", b"null", b"7", b'{"version": 1}', b"\xff", b'{"version": 2, "slots": []}',
        b"[" * 9999,
        b'{"version":1,"provider":"neso","zone":"GB","slots":5}',
        b'{"version":1,"provider":"neso","zone":"GB","slots":[5,[1,2,3],"abcd",[1,2,3,[]]],"fetched_at_s":1}',
    ],
)  # fmt: skip
def test_a_damaged_cache_is_none_and_is_replaced(text: bytes, home: Path) -> None:
    kept = cache.Cache({"HOME": str(home)})
    kept.save(as_live(100), NOW)
    (file,) = (home / FOLDER).iterdir()
    file.write_bytes(text)

    assert kept.load("neso", "GB") is None
    kept.save(as_live(100), NOW)
    assert kept.load("neso", "GB") is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)


@given(rows=JSON, fetched_at_s=JSON, label=JSON)
def test_whatever_a_cache_holds_it_gives_slots_that_make_sense_or_nothing(
    rows: object, fetched_at_s: object, label: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.getbasetemp() / "fuzzed"
    kept = cache.Cache({"HOME": str(home)})
    kept.save(as_live(100), NOW)
    (file,) = (home / FOLDER).iterdir()
    whole = json.loads(file.read_text())
    file.write_text(json.dumps({**whole, "slots": rows, "fetched_at_s": fetched_at_s, "licence": label}))
    found = kept.load("neso", "GB")

    assert found is None or all(0 <= slot.g_per_kwh <= 5000 for slot in found.slots)


def test_a_cache_that_cannot_be_written_costs_nothing_but_itself(home: Path) -> None:
    (home / "file").write_text("")
    kept = cache.Cache({"XDG_CACHE_HOME": str(home / "file")})

    assert kept.save(as_live(100), NOW).slots == told(100)
    assert kept.load("neso", "GB") is None


def test_without_a_home_nothing_is_kept() -> None:
    assert cache.Cache({}).save(as_live(100), NOW).slots == told(100)
    assert cache.Cache({"XDG_CACHE_HOME": "relative"}).load("neso", "GB") is None


def test_two_that_write_at_once_leave_one_whole_file(home: Path) -> None:
    tests = str(Path(__file__).parent)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(home), tests, value], cwd=home)
        for value in ("100", "200")
    ]
    kept, seen = cache.Cache({"HOME": str(home)}), 0
    while any(writer.poll() is None for writer in writers):
        if (home / FOLDER / "neso-GB.json").exists():
            seen += 1
            assert kept.load("neso", "GB") is not None

    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen > 0
    assert [file.name for file in (home / FOLDER).iterdir()] == ["neso-GB.json"]


def test_a_forecast_is_believed_while_the_slot_runs_that_it_was_told_in() -> None:
    known = as_live(100, 110, 120, kind="forecast", fetched_at_s=NOW + 60)

    assert cache.enough(known, NOW, NOW + HOUR, NOW + 120)
    assert cache.enough(known, NOW, NOW + HOUR, NOW + 30)  # a clock that was set back a little
    assert not cache.enough(known, NOW + HALF, NOW + HALF + 5, NOW + HALF + 5)
    assert not cache.enough(known, NOW, NOW + HOUR, NOW - 3600)  # or by hours


def test_what_was_measured_is_believed_for_good() -> None:
    known = as_live(100, 110)

    assert cache.enough(known, NOW, NOW + HOUR, NOW + 86400)
    assert not cache.enough(known, NOW, NOW + HOUR + 60, NOW + 86400)


@pytest.mark.parametrize("kind", ["forecast", "estimated"])
def test_what_was_not_measured_is_asked_for_again_when_it_is_past(kind: str) -> None:
    assert not cache.enough(as_live(100, kind=kind), NOW, NOW + HALF, NOW + HALF + 60)


def test_a_provider_is_asked_again_only_when_the_slot_has_ended() -> None:
    asked: list[str] = []
    clock = Clock(NOW + 60)

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        neso(request)

    found = providers.provider("neso", "--grid")
    with service(answer) as base:
        for now_s in (NOW + 60, NOW + 70, NOW + HALF - 5, NOW + HALF + 5, NOW + HALF + 9):
            clock.now_s = now_s
            told_now = live.fetch(found, None, BRITAIN, now_s - 5, now_s, client=client(base, clock))
            assert slots.mean(told_now.slots, now_s - 5, now_s) is not None

    assert len(asked) == 2
