"""Live intensities: each provider's own format from a local server, and whatever else a server may answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.config import Settings, resolve
from energywrap.errors import UserError
from energywrap.grid import cache, keys, live, providers, slots
from energywrap.grid.client import Client, NoLive
from energywrap.model import Live, Place, Slot
from fakes.web import Answer, say, service

HALF, HOUR, QUARTER = 1800.0, 3600.0, 900.0
NOW = time.time() // HOUR * HOUR  # the beginning of the running hour
KEY = "a-secret-key-of-mine"
GERMANY, BRITAIN = Place("DE", "flag"), Place("GB", "flag")


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def times(count: int, step: float, before: int) -> list[float]:
    """Beginnings of slots, some of them before now."""
    return [NOW + (index - before) * step for index in range(count)]


def energy_charts(request: BaseHTTPRequestHandler) -> None:
    """Parallel arrays; what is not known yet is null, and forecast."""
    assert parse_qs(urlsplit(request.path).query)["country"] == ["de"]
    known = [300.0 + index if index < 12 else None for index in range(24)]
    body = {
        "unix_seconds": [int(each) for each in times(24, QUARTER, 8)],
        "co2eq": known,
        "co2eq_forecast": [310.0 - index for index in range(24)],
        "deprecated": False,
    }
    say(request, json.dumps(body).encode())


def neso(request: BaseHTTPRequestHandler) -> None:
    """Half hours; `actual` of the running one and of what follows is null. Regional answers are an object."""
    entries = [
        {
            "from": iso(start),
            "to": iso(start + HALF),
            "intensity": {"forecast": 140, "actual": 130 if start < NOW else None, "index": "moderate"},
        }
        for start in times(12, HALF, 4)
    ]
    regional = request.path.startswith("/regional/intensity/")
    data: object = {"regionid": 13, "data": entries} if regional else entries
    say(request, json.dumps({"data": data}).encode())


def electricity_maps(request: BaseHTTPRequestHandler) -> None:
    """Hours, for who has a key; what is to come only at another address."""
    if request.headers["auth-token"] != KEY:
        say(request, b'{"error":"Invalid auth-token"}', 401)
        return
    hours = [
        {"zone": "DE", "carbonIntensity": 350 - index, "datetime": iso(start), "isEstimated": index == 0}
        for index, start in enumerate(times(5, HOUR, 4))
    ]
    path = urlsplit(request.path).path
    if path.endswith("/history"):
        say(request, json.dumps({"zone": "DE", "history": hours}).encode())
    elif path.endswith("/forecast"):
        ahead = [{"carbonIntensity": 200, "datetime": iso(start)} for start in times(4, HOUR, -1)]
        say(request, json.dumps({"zone": "DE", "forecast": ahead}).encode())
    else:
        say(request, json.dumps(hours[-1]).encode())


PROVIDERS: dict[str, tuple[Answer, Place]] = {
    "energy-charts": (energy_charts, GERMANY),
    "neso": (neso, BRITAIN),
    "electricity-maps": (electricity_maps, GERMANY),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own: no cache, no key file; one key in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("ELECTRICITY_MAPS_KEY", KEY)
    return tmp_path


def settings(**given: str) -> Settings:
    return resolve(given, {}, "/nonexistent")


def ask(name: str, base: str, from_s: float = NOW - HOUR, to_s: float = NOW + 2 * HOUR) -> Live:
    """What a provider tells of a time, without any cache, and without pauses."""
    found = providers.provider(name, "--grid")
    client = Client(base, sleep=lambda seconds: None, patience_s=1.0)
    return found.fetch(client, found.zone_of(PROVIDERS[name][1], None), from_s, to_s)


def sane(told: Live) -> None:
    """In order, none overlapping, of believable values."""
    assert told.slots
    for one, other in zip(told.slots, told.slots[1:], strict=False):
        assert one.to_s <= other.from_s
    for slot in told.slots:
        assert slot.from_s < slot.to_s
        assert 0 <= slot.g_per_kwh <= 5000
        assert slot.kind in ("actual", "estimated", "forecast")


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_tells_what_was_and_what_is_to_come(name: str) -> None:
    with service(PROVIDERS[name][0]) as base:
        told = ask(name, base)

    sane(told)
    assert {slot.kind for slot in told.slots} >= {"actual", "forecast"}
    assert told.slots[0].from_s <= NOW - HOUR
    assert told.slots[-1].to_s >= NOW + HOUR
    assert slots.mean(told.slots, NOW - HOUR, NOW + HOUR) is not None


def test_what_energy_charts_knows_counts_before_what_it_forecast() -> None:
    with service(energy_charts) as base:
        told = ask("energy-charts", base)

    assert [(slot.g_per_kwh, slot.kind) for slot in told.slots[11:13]] == [
        (311.0, "actual"),
        (298.0, "forecast"),
    ]
    assert told.slots[0].to_s - told.slots[0].from_s == QUARTER


def test_a_region_of_britain_is_asked_for_by_its_number() -> None:
    paths = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        paths.append(request.path)
        neso(request)

    found = providers.provider("neso", "--grid")
    with service(answer) as base:
        for wanted in ("13", "RG10"):
            told = found.fetch(Client(base), found.zone_of(GERMANY, wanted), NOW, NOW + HOUR)
            sane(told)

    assert paths[0].endswith("/regionid/13")
    assert paths[1].endswith("/postcode/RG10")


def test_electricity_maps_is_asked_by_cloud_region_where_it_is_known() -> None:
    found = providers.provider("electricity-maps", "--grid")

    assert found.zone_of(Place("IE", "x", region="aws:eu-west-1"), None) == "aws/eu-west-1"
    assert found.zone_of(Place("IE", "x", region="aws:eu-west-1"), "de") == "DE"
    assert found.zone_of(GERMANY, None) == "DE"
    with pytest.raises(NoLive):
        found.zone_of(Place("WORLD", "none"), None)


@pytest.mark.parametrize(
    ("name", "where", "wanted"),
    [("neso", GERMANY, None), ("neso", BRITAIN, "18"), ("neso", BRITAIN, "x y"),
     ("energy-charts", Place("WORLD", "none"), None)],
)  # fmt: skip
def test_a_place_that_a_provider_does_not_cover_is_refused(
    name: str, where: Place, wanted: str | None
) -> None:
    with pytest.raises(NoLive):
        providers.provider(name, "--grid").zone_of(where, wanted)


def later(seconds: str) -> Answer:
    """Too many questions, with the time after which to ask again."""
    return lambda request: say(request, b"", 429, Retry_After=seconds)


def slow(request: BaseHTTPRequestHandler) -> None:
    """A byte now and then."""
    request.send_response(200)
    request.end_headers()
    try:
        for _ in range(200):
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


def body(document: object) -> Answer:
    """This as JSON, or text as it is."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return lambda request: say(request, data)


HOSTILE: dict[str, Answer] = {
    "401": lambda request: say(request, b'{"error":"no"}', 401),
    "404": lambda request: say(request, b"", 404),
    "429": later("1"),
    "429 for hours": later("7200"),
    "500": lambda request: say(request, b"<html>", 500),
    "503": lambda request: say(request, b"", 503),
    "a redirect elsewhere": lambda request: say(request, b"", 302, Location="http://192.0.2.1/"),
    "no JSON": body(b"<html>sign in</html>"),
    "nothing": body(b""),
    "null": body(b"null"),
    "a list": body([]),
    "empty": body({}),
    "not UTF-8": body(b"\xff\xfe{}"),
    "deep": body(b"[" * 100_000),
    "NaN": body(b'{"unix_seconds":[1795168800],"co2eq":[NaN],"co2eq_forecast":[NaN]}'),
    "too much": body(b'{"data":"' + b"x" * 10_000_000 + b'"}'),
    "cut off": lambda request: say(request, b'{"data":[', Content_Length="4000"),
    "slow": slow,
    "an error in good form": body({"error": {"code": "400 Bad Request", "message": "x"}}),
    "negative": body(
        {
            "unix_seconds": [NOW, NOW + 900], "co2eq": [-5, -7], "co2eq_forecast": [None, None],
            "data": [{"from": iso(NOW), "to": iso(NOW + HALF), "intensity": {"forecast": -1, "actual": -2}}],
            "carbonIntensity": -3, "datetime": iso(NOW), "history": [], "forecast": [],
        }
    ),
    "huge": body(
        {
            "unix_seconds": [NOW, NOW + 900], "co2eq": [1e9, 1e300], "co2eq_forecast": [None, None],
            "data": [{"from": iso(NOW), "to": iso(NOW + HALF), "intensity": {"actual": 1e9}}],
            "carbonIntensity": 1e9, "datetime": iso(NOW), "history": [], "forecast": [],
        }
    ),
    "words for numbers": body(
        {
            "unix_seconds": ["now"], "co2eq": ["300"], "co2eq_forecast": [True],
            "data": [{"from": "noon", "to": "later", "intensity": {"forecast": "low", "actual": "300"}}],
            "carbonIntensity": "300", "datetime": "now", "history": "x", "forecast": {},
        }
    ),
    "another century": body(
        {
            "unix_seconds": [-1e12, 5e15], "co2eq": [300, 300], "co2eq_forecast": [],
            "data": [{"from": "0001-01-01T00:00Z", "to": "9999-01-01T00:00Z", "intensity": {"forecast": 1}}],
            "carbonIntensity": 1, "datetime": "0001-01-01T00:00:00Z", "history": [], "forecast": [],
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_answer_is_one_reason_and_nothing_else(how: str, name: str) -> None:
    began_s = time.monotonic()
    with service(HOSTILE[how]) as base, pytest.raises(NoLive) as refused:
        ask(name, base)

    assert time.monotonic() - began_s < 10
    assert refused.value.reason
    assert "\n" not in refused.value.reason
    assert KEY not in f"{refused.value.reason} {refused.value.hint}"


def test_nobody_at_home_is_one_reason() -> None:
    with pytest.raises(NoLive, match="does not answer"):
        ask("neso", "http://127.0.0.1:9")


def test_one_bad_value_costs_itself_alone() -> None:
    entries = [
        {"from": iso(start), "to": iso(start + HALF), "intensity": {"forecast": value, "actual": None}}
        for start, value in zip(times(4, HALF, 1), (100, -1, "x", 120), strict=True)
    ]
    with service(body({"data": [*entries, None, 7, {"intensity": None}]})) as base:
        told = ask("neso", base)

    assert [slot.g_per_kwh for slot in told.slots] == [100, 120]


def test_overlapping_values_are_put_in_order() -> None:
    entries = [
        {"from": iso(start), "to": iso(start + HOUR), "intensity": {"forecast": 100, "actual": None}}
        for start in (NOW + HALF, NOW)
    ]
    with service(body({"data": entries})) as base:
        sane(ask("neso", base))


def test_it_is_asked_once_more_after_the_time_that_it_wants() -> None:
    pauses: list[float] = []
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        (neso if len(asked) == 2 else later("1"))(request)

    found = providers.provider("neso", "--grid")
    with service(answer) as base:
        sane(found.fetch(Client(base, sleep=pauses.append), "GB", NOW, NOW + HOUR))

    assert pauses == [1.0]


def test_a_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        paths.append(request.path)
        neso(request)

    with service(answer) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        sane(ask("neso", "http://provider.invalid"))

    assert paths[0].startswith("http://provider.invalid/intensity/")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8)
    | st.sampled_from([iso(NOW), iso(NOW + HALF), NOW, 300]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["data", "from", "to", "intensity", "actual", "forecast", "history", "unix_seconds",
                         "co2eq", "co2eq_forecast", "carbonIntensity", "datetime"]),
        inner, max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip


class Told(Client):
    """A client that has an answer already."""

    def __init__(self, document: object) -> None:
        super().__init__()
        self._document = document

    def get(self, url: str, headers: Any = None) -> object:
        """That answer."""
        return self._document


@pytest.mark.parametrize("name", PROVIDERS)
@given(document=JSON)
def test_no_answer_is_more_than_slots_or_a_reason(name: str, document: object) -> None:
    keyless = providers.provider(name, "--grid")
    zone = keyless.zone_of(PROVIDERS[name][1], None)
    try:
        told = keyless.fetch(Told(document), zone, NOW - HOUR, NOW + HOUR)
    except NoLive:
        return

    sane(told)


@pytest.mark.parametrize(
    ("given_all", "words"),
    [
        ({"grid": "moon"}, "there is no live provider 'moon'"),
        ({"grid": "neso:"}, "names no zone after its colon"),
        ({"grid": "neso", "intensity": "300"}, "--intensity and --grid are two answers to one question"),
        ({"wait_for_green": "6h"}, "--wait-for-green needs a live provider"),
        ({"grid": "neso", "wait_for_green": "soon"}, "'soon' is no duration"),
        ({"grid": "neso", "wait_for_green": "6h", "lasting": "-1h"}, "--lasting: '-1h' is no duration"),
    ],
)
def test_what_cannot_work_is_refused_before_the_command_starts(given_all: dict[str, str], words: str) -> None:
    with pytest.raises(UserError) as refused:
        live.check(settings(**given_all))

    assert words in refused.value.message
    assert refused.value.hint


def key_file(home: Path, text: str, mode: int = 0o600) -> Path:
    path = home / ".config/energywrap/keys.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_is_of_the_environment_or_of_a_file_that_nobody_else_can_read(home: Path) -> None:
    path = key_file(home, f'electricity-maps = "{KEY}"\n')
    environ = {"HOME": str(home)}

    assert keys.key("electricity-maps", "ELECTRICITY_MAPS_KEY", environ) == KEY
    assert keys.key("x", "ELECTRICITY_MAPS_KEY", {"ELECTRICITY_MAPS_KEY": "other"}) == "other"
    path.chmod(0o640)
    with pytest.raises(UserError, match="others can read") as refused:
        keys.key("electricity-maps", "ELECTRICITY_MAPS_KEY", environ)
    assert refused.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("text", ["", "electricity-maps = ", 'electricity-maps = "a\\nb"', "\0"])
def test_a_missing_or_damaged_key_is_refused_without_a_word_of_it(text: str, home: Path) -> None:
    key_file(home, text)
    with pytest.raises(UserError) as refused:
        keys.key("electricity-maps", "ELECTRICITY_MAPS_KEY", {"HOME": str(home)})

    assert "a\nb" not in refused.value.line()


def told(*values: float, kind: str = "actual", start: float = NOW, step: float = HALF) -> tuple[Slot, ...]:
    """Slots with these values, one after the other."""
    return tuple(
        Slot(start + index * step, start + (index + 1) * step, value, kind)
        for index, value in enumerate(values)
    )


def as_live(*values: float, kind: str = "actual") -> Live:
    return Live("neso", "GB", "direct", "CO2", "consumption", "s", "l", NOW, False, told(*values, kind=kind))


def test_what_was_told_is_found_again_and_newer_words_count(home: Path) -> None:
    kept = cache.Cache({"HOME": str(home)})
    kept.save(as_live(100, 110, 120, kind="forecast"), NOW)
    kept.save(as_live(99), NOW)
    found = kept.load("neso", "GB")

    assert found is not None
    assert found.cached
    assert [(slot.g_per_kwh, slot.kind) for slot in found.slots] == [
        (99, "actual"), (110, "forecast"), (120, "forecast"),
    ]  # fmt: skip
    (file,) = (home / ".cache/energywrap/grid").iterdir()
    assert file.stat().st_mode & 0o77 == 0
    assert kept.load("neso", "13") is None


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"version": 1}', b"\xff", b'{"version": 2, "slots": []}']
)
def test_a_damaged_cache_is_none_and_is_replaced(text: bytes, home: Path) -> None:
    kept = cache.Cache({"HOME": str(home)})
    kept.save(as_live(100), NOW)
    (file,) = (home / ".cache/energywrap/grid").iterdir()
    file.write_bytes(text)

    assert kept.load("neso", "GB") is None
    kept.save(as_live(100), NOW)
    assert kept.load("neso", "GB") is not None


def test_a_cache_that_cannot_be_written_costs_nothing_but_itself() -> None:
    kept = cache.Cache({"HOME": "/proc/nowhere"})

    assert kept.save(as_live(100), NOW).slots == told(100)
    assert kept.load("neso", "GB") is None


def test_a_forecast_that_has_become_past_is_asked_for_again() -> None:
    known = told(100, 110, kind="forecast")

    assert cache.enough(known, NOW, NOW + HALF, NOW + 60)
    assert not cache.enough(known, NOW, NOW + HALF, NOW + HALF + 60)
    assert cache.enough(told(100, 110), NOW, NOW + HOUR, NOW + 2 * HOUR)
    assert not cache.enough(told(100), NOW, NOW + HOUR, NOW + HOUR)


def test_an_answer_is_kept_until_its_slot_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        neso(request)

    found = providers.provider("neso", "--grid")
    with service(answer) as base:
        for _ in range(3):
            live.fetch(found, None, BRITAIN, time.time() - 5, time.time(), client=Client(base))

    assert len(asked) == 1


def lookup(base: str, started_at_s: float, place: Callable[[], Place] = lambda: BRITAIN) -> live.Lookup:
    client = Client(base, sleep=lambda seconds: None)
    found = live.Lookup(settings(grid="neso"), place, started_at_s, client)
    found.start()
    return found


def test_a_run_has_the_slots_that_it_fell_into() -> None:
    with service(neso) as base:
        outcome = lookup(base, NOW - HALF).finish(NOW + 60, 5)

    assert outcome.warnings == ()
    assert outcome.live is not None
    assert [slot.g_per_kwh for slot in outcome.live.slots] == [130, 140]


def test_a_provider_that_fails_is_said_and_nothing_more() -> None:
    with service(lambda request: say(request, b"", 404)) as base:
        outcome = lookup(base, NOW).finish(NOW + 1, 5)

    assert outcome.live is None
    assert outcome.warnings == (
        "neso: it answers HTTP 404; it does not know this zone; the yearly value is used",
    )


def test_a_provider_that_hangs_holds_nobody_up() -> None:
    with service(slow) as base:
        began_s = time.monotonic()
        outcome = lookup(base, NOW).finish(NOW + 1, 0.2)

        assert time.monotonic() - began_s < 2
    assert outcome.live is None
    assert "no answer 0.2 s after the command's end" in outcome.warnings[0]


pieces = st.lists(
    st.tuples(st.floats(0, 7200), st.floats(1, 3600), st.floats(0, 1e6)), min_size=1, max_size=8
).map(lambda found: [(NOW + start, NOW + start + length, joules) for start, length, joules in found])


def test_energy_counts_by_the_slot_that_it_was_drawn_in() -> None:
    """300 J in a slot of 100 g/kWh and 100 J in one of 500: the mean is (300 x 100 + 100 x 500) / 400."""
    drawn = [(NOW, NOW + HALF, 300.0), (NOW + HALF, NOW + HOUR, 100.0)]

    assert slots.weighted(told(100, 500), drawn) == (200.0, 1.0)
    assert slots.weighted(told(100, 500), [(NOW + HALF / 2, NOW + HALF * 1.5, 1.0)]) == (300.0, 1.0)
    assert slots.weighted(told(100), drawn) == (100.0, 0.75)
    assert slots.weighted((), drawn) == (None, 0.0)


@given(drawn=pieces, values=st.lists(st.floats(0, 1000), min_size=1, max_size=6), part=st.floats(0.01, 0.99))
def test_a_mean_lies_between_its_slots_and_does_not_depend_on_how_the_pieces_are_cut(
    drawn: list[tuple[float, float, float]], values: list[float], part: float
) -> None:
    known = told(*values)
    mean, inside = slots.weighted(known, drawn)
    cut = [
        piece
        for start, end, joules in drawn
        for middle in [start + part * (end - start)]
        for piece in ((start, middle, part * joules), (middle, end, (1 - part) * joules))
    ]
    again, inside_again = slots.weighted(known, cut)

    assert inside == pytest.approx(inside_again, abs=1e-6)
    if mean is not None and again is not None and inside > 1e-6:
        assert mean == pytest.approx(again, rel=1e-4, abs=1e-6)
        assert min(values) * (1 - 1e-9) - 1e-9 <= mean <= max(values) * (1 + 1e-9)  # 1e-300 of 1e-300 is 0


@given(
    values=st.lists(st.floats(0, 1000), min_size=2, max_size=12),
    lasting=st.floats(60, 7200),
    within=st.floats(0, 14400),
)
def test_no_other_start_is_greener_than_the_greenest(
    values: list[float], lasting: float, within: float
) -> None:
    known = told(*values)
    found = slots.greenest(known, NOW, within, lasting)
    if found is None:
        assert slots.mean(known, NOW, NOW + lasting) is None
        return

    assert NOW <= found.start_s <= NOW + within
    for step in range(41):
        other = slots.mean(known, NOW + within * step / 40, NOW + within * step / 40 + lasting)
        assert other is None or found.g_per_kwh <= other + 1e-6


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("6h", 21600), ("1d", 86400), ("1.5 h", 5400)]
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert slots.duration_s(text, "--within") == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "-6h", "6 weeks", "nanh", "infd", "1e9d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no duration"):
        slots.duration_s(text, "--within")


def waited(base: str, **given_all: str) -> tuple[str, list[float]]:
    """What came of waiting, and for how long it slept."""
    slept: list[float] = []
    words = live.wait_for_green(
        settings(grid="neso", **given_all),
        BRITAIN,
        NOW,
        slept.append,
        Client(base, sleep=lambda seconds: None),
    )
    return words, slept


def falling(request: BaseHTTPRequestHandler) -> None:
    """From half hour to half hour greener, and then worse again."""
    values = [300, 250, 200, 100, 100, 260, 270, 280]
    entries = [
        {
            "from": iso(NOW + i * HALF),
            "to": iso(NOW + (i + 1) * HALF),
            "intensity": {"forecast": v, "actual": None},
        }
        for i, v in enumerate(values)
    ]
    say(request, json.dumps({"data": entries}).encode())


def test_the_start_is_put_off_to_the_greenest_window() -> None:
    with service(falling) as base:
        words, slept = waited(base, wait_for_green="6h", lasting="1h")

    assert slept == [3 * HALF]
    assert words == "started 90 min later for 100 g/kWh, 275 now (neso)"


def test_nobody_waits_longer_than_was_allowed() -> None:
    with service(falling) as base:
        _, slept = waited(base, wait_for_green="30m", lasting="30m")

    assert slept == [HALF]


@pytest.mark.parametrize("answer", [HOSTILE["404"], HOSTILE["no JSON"], HOSTILE["empty"]])
def test_without_a_forecast_nobody_waits(answer: Answer) -> None:
    with service(answer) as base:
        words, slept = waited(base, wait_for_green="6h")

    assert slept == []
    assert words.startswith("not waiting for a green hour: neso: ")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a package that brings a provider called `mine`."""

    def install(code: str) -> None:
        (tmp_path / "mine_grid.py").write_text(code)
        meta = tmp_path / "mine_grid-1.0.dist-info"
        meta.mkdir()
        (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-grid\nVersion: 1.0\n")
        (meta / "entry_points.txt").write_text("[energywrap.grid]\nmine = mine_grid:Mine\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    yield install
    import sys

    sys.modules.pop("mine_grid", None)


MINE = """
from energywrap.model import Live, Slot
class Mine:
    name, title, forecasts = "mine", "my own", False
    def zone_of(self, place, wanted): return wanted or place.zone
    def fetch(self, client, zone, from_s, to_s):
        {how}
"""


def test_another_package_can_bring_a_provider(package: Callable[[str], None]) -> None:
    slot = "Slot(from_s, to_s, 77.0, 'actual')"
    package(MINE.format(how=f"return Live('x', zone, 'direct', 'CO2', 'p', 's', 'l', 0.0, False, ({slot},))"))
    found = providers.provider("mine", "--grid")
    answer = found.fetch(Client(), found.zone_of(GERMANY, None), NOW, NOW + HOUR)

    assert (answer.provider, answer.slots[0].g_per_kwh) == ("mine", 77.0)


@pytest.mark.parametrize(
    "how", ["raise RuntimeError('x')", "return 5", "raise SystemExit", "return Live(*'abcdefghi', (1,))"]
)
def test_whatever_goes_wrong_in_it_stays_there(how: str, package: Callable[[str], None]) -> None:
    package(MINE.format(how=how))
    found = providers.provider("mine", "--grid")
    with pytest.raises(NoLive):
        found.fetch(Client(), "DE", NOW, NOW + HOUR)
