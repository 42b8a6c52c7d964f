"""Live intensities beside a run, and before it: asked for in time, waited for briefly, never in its way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from conftest import Energywrap
from energywrap.config import Settings, resolve
from energywrap.errors import UserError
from energywrap.grid import live
from energywrap.model import Place
from energywrap.record import replace
from fakes.gridserver import (
    HALF,
    HOUR,
    KEY,
    NOW,
    QUARTER,
    Clock,
    as_live,
    client,
    half_hours,
    iso,
    neso,
    told,
)
from fakes.web import Answer, say, service

BRITAIN = Place("GB", "flag")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own: no cache, no key file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def settings(**given: str) -> Settings:
    return resolve(given, {}, "/nonexistent")


def lookup(
    base: str, started_at_s: float, clock: Clock | None = None, place: Callable[[], Place] = lambda: BRITAIN
) -> live.Lookup:
    found = live.Lookup(settings(grid="neso"), place, started_at_s, client(base, clock or NOW + 60))
    found.start()
    return found


def told_once(home: Path) -> None:
    """Wait until the first answer has been taken in."""
    until_s = time.monotonic() + 5
    while not (home / ".cache/energywrap/grid/neso-GB.json").exists():
        assert time.monotonic() < until_s
        time.sleep(0.001)


def test_a_run_has_the_slots_that_it_fell_into() -> None:
    with service(neso) as base:
        outcome = lookup(base, NOW - HALF).finish(NOW + 60, 5)

    assert outcome.warnings == ()
    assert outcome.live is not None
    assert [slot.g_per_kwh for slot in outcome.live.slots] == [130, 140]


def test_a_run_that_outlives_what_is_known_has_the_provider_asked_once_more(home: Path) -> None:
    asked: list[str] = []
    clock = Clock(NOW + 60)

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        known = half_hours(140, 140) if len(asked) == 1 else half_hours(150, 160, 170)
        say(request, json.dumps({"data": known}).encode())

    with service(answer) as base:
        running = lookup(base, NOW + 60, clock)
        told_once(home)
        clock.now_s = NOW + HOUR + 60
        outcome = running.finish(NOW + HOUR + 60, 5)

    assert len(asked) == 2
    assert outcome.live is not None
    assert outcome.warnings == ()
    assert [slot.g_per_kwh for slot in outcome.live.slots] == [150, 160, 170]


def test_a_part_that_nobody_told_of_is_said(home: Path) -> None:
    asked: list[str] = []
    clock = Clock(NOW + 60)

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        if len(asked) == 1:
            say(request, json.dumps({"data": half_hours(140)}).encode())
        else:
            say(request, b"", 404)

    with service(answer) as base:
        running = lookup(base, NOW, clock)
        told_once(home)
        clock.now_s = NOW + HOUR
        outcome = running.finish(NOW + HOUR, 5)

    assert outcome.live is not None
    assert [slot.g_per_kwh for slot in outcome.live.slots] == [140]
    (warning,) = outcome.warnings
    assert warning == (
        "neso could not be asked (it answers HTTP 404; it does not know this zone): "
        "the yearly value is used for the rest"
    )


def test_a_provider_that_tells_of_another_time_is_said() -> None:
    with service(lambda request: say(request, json.dumps({"data": half_hours(140)}).encode())) as base:
        outcome = lookup(base, NOW - 4 * HOUR).finish(NOW - 3 * HOUR, 5)

    assert outcome.live is None
    assert outcome.warnings == ("neso told of 0 % of this time: the yearly value is used",)


def test_values_that_made_no_sense_are_counted_in_a_warning() -> None:
    with service(lambda request: say(request, json.dumps({"data": half_hours(140, -5)}).encode())) as base:
        outcome = lookup(base, NOW).finish(NOW + 90, 5)

    assert outcome.live is not None
    assert outcome.warnings == ("neso: 1 of 2 values made no sense and are left out",)


def test_a_provider_that_fails_is_said_and_nothing_more() -> None:
    with service(lambda request: say(request, b"", 404)) as base:
        outcome = lookup(base, NOW).finish(NOW + 1, 5)

    assert outcome.live is None
    assert outcome.warnings == (
        "neso could not be asked (it answers HTTP 404; it does not know this zone): the yearly value is used",
    )


def test_a_place_that_is_not_covered_is_said_and_nobody_is_asked() -> None:
    asked: list[str] = []
    with service(lambda request: asked.append(request.path)) as base:
        outcome = lookup(base, NOW, place=lambda: Place("FR", "flag")).finish(NOW + 1, 5)

    assert asked == []
    assert "Great Britain alone, and this is FR" in outcome.warnings[0]


@pytest.mark.parametrize("patience_s", [0.2, 0.0, -1.0])
def test_a_provider_that_hangs_holds_nobody_up(patience_s: float) -> None:
    over = threading.Event()

    def hang(request: BaseHTTPRequestHandler) -> None:
        over.wait(20)

    with service(hang) as base:
        running = lookup(base, NOW)
        began_s = time.monotonic()
        outcome = running.finish(NOW + 1, patience_s)
        waited_s = time.monotonic() - began_s
        over.set()

    assert waited_s < patience_s + 0.5 if patience_s > 0 else waited_s < 0.5
    assert outcome.live is None
    assert "after the command's end" in outcome.warnings[0]


def test_a_place_that_takes_long_to_find_holds_nobody_up() -> None:
    over = threading.Event()

    def place() -> Place:
        over.wait(20)
        return BRITAIN

    with service(neso) as base:
        running = lookup(base, NOW, place=place)
        outcome = running.finish(NOW + 1, 0.05)
        over.set()

    assert outcome.live is None


def test_a_base_that_is_no_address_is_a_warning() -> None:
    outcome = lookup("nonsense", NOW).finish(NOW + 1, 5)

    assert "its address is none that begins with http" in outcome.warnings[0]


def test_a_provider_is_asked_when_a_slot_has_ended_but_not_too_often_or_too_seldom() -> None:
    whole_day = replace(as_live(), slots=told(100, step_s=86400.0))

    assert live.pause_s(as_live(100), NOW + 60) == HALF
    assert live.pause_s(as_live(100), NOW + HALF - 5) == QUARTER
    assert live.pause_s(as_live(100), NOW + HOUR) == QUARTER
    assert live.pause_s(None, NOW) == QUARTER
    assert live.pause_s(whole_day, NOW) == 12 * HOUR


def waited(base: str, **given: str) -> tuple[str, list[float]]:
    """What came of waiting, and for how long it slept."""
    slept: list[float] = []
    words = live.wait_for_green(settings(grid="neso", **given), BRITAIN, NOW, slept.append, client(base))
    return words, slept


def ahead(*values: float) -> Answer:
    """Half hours from now on."""
    return lambda request: say(request, json.dumps({"data": half_hours(*values)}).encode())


FALLING = ahead(300, 250, 200, 100, 100, 260, 270, 280)


def test_the_start_is_put_off_to_the_greenest_window(capfd: pytest.CaptureFixture[str]) -> None:
    with service(FALLING) as base:
        words, slept = waited(base, wait_for_green="6h", lasting="1h")

    assert slept == [3 * HALF]
    assert words == "started 90 min later for 100 g/kWh, 275 now (neso)"
    assert "for 100 g/kWh, 275 now (neso)" in capfd.readouterr().err


def test_nobody_waits_longer_than_was_allowed() -> None:
    with service(FALLING) as base:
        _, slept = waited(base, wait_for_green="30m", lasting="30m")

    assert slept == [HALF]


def test_the_time_that_asking_took_is_no_time_to_wait_for() -> None:
    clock, slept = Clock(NOW), list[float]()

    def answer(request: BaseHTTPRequestHandler) -> None:
        clock.now_s += 5
        FALLING(request)

    with service(answer) as base:
        given = settings(grid="neso", wait_for_green="6h", lasting="1h")
        live.wait_for_green(given, BRITAIN, NOW, slept.append, client(base, clock))

    assert slept == [3 * HALF - 5]


def test_nobody_waits_for_what_is_no_greener() -> None:
    with service(ahead(*[123.4] * 20)) as base:
        words, slept = waited(base, wait_for_green="6h", lasting="50m")

    assert slept == []
    assert words == "now is the greenest time within 6h: 123 g/kWh"


@pytest.mark.parametrize(
    "answer",
    [
        lambda request: say(request, b"", 404),
        lambda request: say(request, b"<html>"),
        lambda request: say(request, b"{}"),
        ahead(300),
    ],
)
def test_without_a_forecast_nobody_waits(answer: Answer) -> None:
    with service(answer) as base:
        words, slept = waited(base, wait_for_green="6h")

    assert slept == []
    assert words.startswith("not waiting for a green hour: neso: ")


def test_a_wait_that_cannot_work_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(UserError, match="--wait-for-green: 'soon' is no duration"):
        waited("http://127.0.0.1:9", wait_for_green="soon")


def paid(request: BaseHTTPRequestHandler) -> None:
    """Electricity Maps, now; whoever has another key is shown the key that he came with."""
    token = request.headers["auth-token"]
    if token != KEY:
        say(request, json.dumps({"error": f"Invalid auth-token {token}"}).encode(), 401)
        return
    hour_s = time.time() // HOUR * HOUR
    say(request, json.dumps({"carbonIntensity": 321, "datetime": iso(hour_s), "isEstimated": True}).encode())


@pytest.mark.parametrize(("key", "grams"), [(KEY, 321), ("another-secret-of-mine", None)])
def test_a_key_is_in_no_report_message_cache_or_name_of_a_file(
    key: str, grams: float | None, tmp_path: Path
) -> None:
    with service(paid) as base:
        wrap = Energywrap(tmp_path)
        wrap.env.update(ENERGYWRAP_GRID_BASE_URL=base, XDG_CACHE_HOME=str(tmp_path / "cache"))
        path = tmp_path / "settings/energywrap/keys.toml"
        path.parent.mkdir(parents=True)
        path.write_text(f'electricity-maps = "{key}"\n')
        path.chmod(0o600)
        wrap.env["XDG_CONFIG_HOME"] = str(tmp_path / "settings")
        ran = wrap("-z", "DE", "--grid", "electricity-maps:DE", "true")

    found = ran.report["carbon"]["live"]
    assert (found["slots"][0]["g_per_kwh"] if found else None) == grams
    assert key not in ran.stdout + ran.stderr + json.dumps(ran.report)
    written = [file for file in tmp_path.rglob("*") if file.is_file() and file != path]
    assert written
    assert not any(key in str(file) or key.encode() in file.read_bytes() for file in written)
    assert (grams is not None) == any(file.parent.name == "grid" for file in written)
