"""Live intensities: each provider's own format from a local server, and whatever else a server may answer."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.config import Settings, resolve
from energywrap.errors import UserError
from energywrap.grid import keys, live, providers, slots
from energywrap.grid.client import NoLive
from energywrap.model import Live, Place
from fakes.gridserver import (
    HALF,
    HOUR,
    KEY,
    NOW,
    QUARTER,
    Told,
    client,
    electricity_maps,
    energy_charts,
    half_hours,
    iso,
    neso,
    times,
)
from fakes.web import Answer, say, service

GERMANY, BRITAIN = Place("DE", "flag"), Place("GB", "flag")
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
    return found.fetch(client(base), found.zone_of(PROVIDERS[name][1], None), from_s, to_s)


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
            sane(found.fetch(client(base), found.zone_of(GERMANY, wanted), NOW, NOW + HOUR))

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
    ("name", "where"),
    [("neso", GERMANY), ("energy-charts", Place("WORLD", "none"))],
)
def test_a_place_that_a_provider_does_not_cover_is_refused(name: str, where: Place) -> None:
    with pytest.raises(NoLive) as refused:
        providers.provider(name, "--grid").zone_of(where, None)

    assert refused.value.hint


MALFORMED = [
    "neso:0", "neso:18", "neso:99999", "neso:x y", "neso:RG1 0AA", "neso:\u0661\u0663", "neso:../13",
    "energy-charts:germany", "energy-charts:d", "energy-charts:1e", "energy-charts:\u00e9e",
    "electricity-maps:D E", "electricity-maps:../DE", "electricity-maps:-",
]  # fmt: skip


@pytest.mark.parametrize("grid", MALFORMED)
def test_a_zone_that_no_provider_can_mean_is_refused_before_the_command_starts(grid: str) -> None:
    with pytest.raises(UserError) as refused:
        live.check(settings(grid=grid))

    assert refused.value.hint
    found, wanted = live.named(settings(grid=grid))
    with pytest.raises(UserError):
        found.zone_of(GERMANY, wanted)


@pytest.mark.parametrize(
    ("grid", "zone"),
    [("neso:03", "3"), ("neso:13", "13"), ("neso:rg10", "RG10"), ("neso:gb", "GB"),
     ("energy-charts:FR", "fr"), ("energy-charts:SE-SE3", "se"),
     ("electricity-maps:us-cal-ciso", "US-CAL-CISO")],
)  # fmt: skip
def test_a_zone_that_was_named_needs_no_place(grid: str, zone: str) -> None:
    live.check(settings(grid=grid))
    found, wanted = live.named(settings(grid=grid))

    assert found.zone_of(Place("WORLD", "none"), wanted) == zone


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


def test_how_many_values_made_no_sense_is_said() -> None:
    entries = [
        {"from": iso(start), "to": iso(start + HALF), "intensity": {"forecast": value, "actual": None}}
        for start, value in zip(times(4, HALF, 1), (100, -1, 1e9, 120), strict=True)
    ]
    asking = Told({"data": entries})
    providers.provider("neso", "--grid").fetch(asking, "GB", NOW, NOW + HOUR)
    assert asking.remark == "2 of 4 values made no sense and are left out"

    asking = Told({"data": entries[:1]})
    providers.provider("neso", "--grid").fetch(asking, "GB", NOW, NOW + HOUR)
    assert asking.remark is None


def test_columns_that_do_not_fit_each_other_are_not_guessed_at() -> None:
    document = {"unix_seconds": times(4, QUARTER, 0), "co2eq": [1, 2, 3], "co2eq_forecast": [1, 2, 3, 4]}
    with pytest.raises(NoLive, match="3 values for 4 times"):
        providers.provider("energy-charts", "--grid").fetch(Told(document), "de", NOW, NOW + HOUR)


def test_a_column_may_be_missing() -> None:
    document = {"unix_seconds": times(2, QUARTER, 0), "co2eq": [1, 2]}
    told = providers.provider("energy-charts", "--grid").fetch(Told(document), "de", NOW, NOW + HOUR)

    assert [slot.g_per_kwh for slot in told.slots] == [1, 2]


def test_hours_and_quarters_of_hours_are_told_apart() -> None:
    document = {"unix_seconds": times(3, HOUR, 0), "co2eq": [1, 2, 3]}
    told = providers.provider("energy-charts", "--grid").fetch(Told(document), "de", NOW, NOW + HOUR)

    assert [slot.to_s - slot.from_s for slot in told.slots] == [HOUR, HOUR, HOUR]


def test_what_was_measured_counts_before_what_was_expected() -> None:
    """The running hour is in the latest value and in the forecast."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        if "/forecast" in request.path:
            ahead = [{"carbonIntensity": 1, "datetime": iso(NOW + i * HOUR)} for i in range(3)]
            say(request, json.dumps({"forecast": ahead}).encode())
        else:
            say(request, json.dumps({"carbonIntensity": 300, "datetime": iso(NOW)}).encode())

    with service(answer) as base:
        told = ask("electricity-maps", base, NOW + 60)

    assert [(slot.g_per_kwh, slot.kind) for slot in told.slots] == [
        (300, "actual"), (1, "forecast"), (1, "forecast"),
    ]  # fmt: skip


def test_a_cloud_region_is_asked_for_by_its_own_names() -> None:
    asked: list[dict[str, list[str]]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(parse_qs(urlsplit(request.path).query))
        electricity_maps(request)

    found = providers.provider("electricity-maps", "--grid")
    with service(answer) as base:
        zone = found.zone_of(Place("IE", "x", region="aws:eu-west-1"), None)
        sane(found.fetch(client(base), zone, NOW, NOW + 5))

    assert asked == [
        {
            "dataCenterProvider": ["aws"],
            "dataCenterRegion": ["eu-west-1"],
            "emissionFactorType": ["lifecycle"],
        }
    ]


def test_an_answer_without_end_is_refused_before_it_takes_long() -> None:
    document = {"unix_seconds": [NOW + i * QUARTER for i in range(40_000)], "co2eq": [1] * 40_000}
    with pytest.raises(NoLive, match="more than 10000 values"):
        providers.provider("energy-charts", "--grid").fetch(Told(document), "de", NOW, NOW + HOUR)


def test_overlapping_values_are_put_in_order() -> None:
    entries = [
        {"from": iso(start), "to": iso(start + HOUR), "intensity": {"forecast": 100, "actual": None}}
        for start in (NOW + HALF, NOW)
    ]
    with service(body({"data": entries})) as base:
        sane(ask("neso", base))


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


def whole() -> dict[str, Any]:
    """What all three providers would take for an answer."""
    return {
        "unix_seconds": times(4, QUARTER, 2), "co2eq": [300, 301, None, None], "co2eq_forecast": [1, 2, 3, 4],
        "data": half_hours(140, 150, 160, before=1),
        "carbonIntensity": 350, "datetime": iso(NOW), "isEstimated": True,
        "history": [{"carbonIntensity": 340, "datetime": iso(NOW - HOUR)}],
        "forecast": [{"carbonIntensity": 330, "datetime": iso(NOW + HOUR)}, {}],
    }  # fmt: skip


def places(document: Any) -> list[tuple[Any, Any]]:
    """Each container in it with each of its keys."""
    keys = (
        document if isinstance(document, dict) else range(len(document) if isinstance(document, list) else 0)
    )
    return [place for key in keys for place in ((document, key), *places(document[key]))]


odd: st.SearchStrategy[object] = st.sampled_from(
    [None, True, -1, 0, 5001, 1e300, float("nan"), float("inf"), 10**400, "", "300", "NaN", [], {}, [[]], NOW,
     iso(NOW), "0001-01-01T00:00Z", "9999-12-31T23:59-23:59", "2027-01-15", "2027-W02-5", "x" * 99, "\ud800"]
)  # fmt: skip


@pytest.mark.parametrize("name", PROVIDERS)
@given(changes=st.lists(st.tuples(st.integers(0, 99), odd), min_size=1, max_size=5))
def test_no_answer_with_some_odd_values_is_more_than_slots_or_a_reason(
    name: str, changes: list[tuple[int, object]]
) -> None:
    document = whole()
    for which, value in changes:
        found = places(document)
        container, key = found[which % len(found)] if found else (document, "data")
        container[key] = deepcopy(value)
    provider = providers.provider(name, "--grid")
    try:
        told = provider.fetch(
            Told(document), provider.zone_of(PROVIDERS[name][1], None), NOW - 2 * HOUR, NOW + HOUR
        )
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
