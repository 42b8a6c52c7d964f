"""Smart plugs over real HTTP on this machine: three makers' formats, and all that a device can do wrong."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import config, energy, plan
from energywrap.config import Settings
from energywrap.errors import Unavailable, UserError
from energywrap.model import Component, Kind, Tally
from energywrap.record import replace
from energywrap.sources import httpget, meters, plugformats, plugs
from energywrap.sources.meters import Meter
from energywrap.sources.polled import NoAnswer, Polled
from fakes import plugs as fakes
from fakes.plugs import Answers, FakePlug

PATIENCE_S = 10.0
Devices: TypeAlias = Callable[[Answers], FakePlug]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The devices of these tests are on this machine, whatever proxy it has."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def device() -> Iterator[Devices]:
    """Makes plugs that end with the test."""
    with ExitStack() as stack:
        yield lambda answers: stack.enter_context(fakes.plug(answers))


@pytest.fixture
def opened() -> Iterator[Callable[[str], Polled]]:
    """Opens the plugs of a setting; they are closed with the test."""
    with ExitStack() as stack:

        def start(meter: str) -> Polled:
            source = plugs.open_plugs(settings(meter))
            stack.callback(source.close)
            return source

        yield start


def settings(meter: str | None) -> Settings:
    """Settings that name these meters."""
    return replace(config.resolve({}, {}, "/"), meter=meter)


def soon() -> float:
    """A moment to be done by."""
    return time.monotonic() + PATIENCE_S


# ---- what the makers' devices say ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "answers", "watts", "joules"),
    [
        ("shelly1", fakes.shelly1(61.5, 1000), 61.5, 60_000.0),
        ("shelly1", fakes.shelly1_em(61.5, 10.5), 61.5, 37_800.0),
        ("shelly2", fakes.shelly2(61.5, 10.5), 61.5, 37_800.0),
        ("shelly2", fakes.shelly2_em(61.5), 61.5, None),
        ("tasmota", fakes.tasmota(61, 0.5), 61.0, 1_800_000.0),
        ("tasmota", fakes.tasmota(61, 0.5, status=10), 61.0, 1_800_000.0),
        ("tasmota", fakes.old_tasmota(61, 0.5), 61.0, 1_800_000.0),
    ],
    ids=["shelly1", "shelly1-em", "shelly2", "shelly2-em", "tasmota", "tasmota-10", "tasmota-old"],
)
def test_each_makers_units_become_watts_and_joules(
    kind: str,
    answers: Answers,
    watts: float,
    joules: float | None,
    device: Devices,
    opened: Callable[[str], Polled],
) -> None:
    values = opened(f"{kind}+{device(answers).url}").read()

    assert values["plug:power"] == watts
    assert values.get("plug:energy") == joules


def test_a_plug_is_a_meter_of_the_machine_and_its_counter_comes_second(
    device: Devices, opened: Callable[[str], Polled]
) -> None:
    power, counter = opened("shelly2+" + device(fakes.shelly2(50.0)).url).channels
    ordered = plan.choose([counter, power, counter]).meters

    assert (power.component, power.kind, power.source) == (Component.MACHINE, Kind.GAUGE, "plug shelly2")
    assert (counter.kind, counter.wrap_j) == (Kind.COUNTER, None)
    assert plan.family(power) == plan.family(counter) == plan.PRECEDENCE[Component.MACHINE][0]
    assert power.shared
    assert len(ordered) == 3


def test_a_whole_step_of_the_counter_between_two_close_readings_is_no_jump(
    device: Devices, opened: Callable[[str], Polled]
) -> None:
    _, counter = opened("shelly2+" + device(fakes.shelly2(50.0)).url).channels
    tally = Tally()
    for at_s, joules in ((0.0, 7200.0), (0.05, 10_800.0)):
        tally = energy.add(tally, joules, counter, energy.Moment(at_s), 3)

    assert (tally.joules, tally.resets) == (3600.0, 0)


def test_another_switch_of_the_same_strip_can_be_named(
    device: Devices, opened: Callable[[str], Polled]
) -> None:
    strip = device({**fakes.shelly2(10.0), **fakes.shelly2(20.0, number=1)})

    assert opened(f"shelly2+{strip.url}/1").read()["plug:power"] == 20.0


def test_the_question_that_was_answered_is_asked_from_then_on(device: Devices) -> None:
    meter = device(fakes.shelly2_em(50.0))
    plug = plugs.Plug(Meter("shelly2", meter.url))
    plug.ask()
    before = len(meter.asked)
    plug.ask()

    assert meter.asked[before:] == ["/rpc/EM.GetStatus?id=0"]


def test_two_power_supplies_on_two_plugs_add_up(device: Devices, opened: Callable[[str], Polled]) -> None:
    one, other = device(fakes.shelly2(100.0)), device(fakes.tasmota(50))
    source = opened(f"shelly2+{one.url}, tasmota+{other.url}")

    assert source.read() == {"plug:power": 150.0}
    assert [channel.id for channel in source.channels] == ["plug:power"]


def test_half_of_two_power_supplies_is_no_reading(device: Devices, opened: Callable[[str], Polled]) -> None:
    one, other = device(fakes.shelly2(100.0)), device(fakes.tasmota(50))
    other.fault = "500"
    source = opened(f"shelly2+{one.url},tasmota+{other.url}")

    assert source.read() == {}
    assert [gap.what for gap in source.skipped] == [f"plug tasmota {other.host}"]
    assert "HTTP 500" in source.skipped[0].why


# ---- what is no reading ----------------------------------------------------------------------------

NO_POWER: list[Any] = [-3.0, 0, float("nan"), float("inf"), 1e9, 10**400, "61.5", [61.5], None, True, {}]


@pytest.mark.parametrize("watts", NO_POWER, ids=[str(watts)[:12] for watts in NO_POWER])
def test_a_power_that_cannot_be_is_no_reading(watts: object) -> None:
    question = plugformats.QUESTIONS["shelly2"][0]
    with pytest.raises(NoAnswer):
        plugformats.reading(question, {"apower": watts, "aenergy": {"total": 5.0}})


@pytest.mark.parametrize("total", [-1, float("nan"), "5", [5], None, True], ids=str)
def test_a_counter_that_cannot_be_is_left_out_and_the_power_stays(total: object) -> None:
    question = plugformats.QUESTIONS["shelly2"][0]

    assert plugformats.reading(question, {"apower": 5, "aenergy": {"total": total}}) == {"plug:power": 5.0}


def test_a_reading_that_the_plug_itself_calls_invalid_is_none() -> None:
    (answer,) = fakes.shelly1(61.5, valid=False).values()
    with pytest.raises(NoAnswer, match="invalid"):
        plugformats.reading(plugformats.QUESTIONS["shelly1"][0], answer)


def test_phases_in_a_list_are_not_added_by_guess() -> None:
    answer = {"StatusSNS": {"ENERGY": {"Power": [10, 20], "Total": 1.0}}}
    with pytest.raises(NoAnswer, match="no power"):
        plugformats.reading(plugformats.QUESTIONS["tasmota"][0], answer)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["apower", "aenergy", "total"]), inner)
        ),
    )
)
def test_whatever_a_device_says_a_reading_is_a_possible_power(answer: object) -> None:
    try:
        values = plugformats.reading(plugformats.QUESTIONS["shelly2"][0], answer)
    except NoAnswer:
        return
    assert 0 < values["plug:power"] <= plugformats.MAX_W
    assert 0 <= values.get("plug:energy", 0.0) < math.inf


# ---- what a device can do wrong --------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["slow", "hang", "headers"])
def test_a_device_that_takes_its_time_does_not_take_ours(fault: str, device: Devices) -> None:
    meter = device(fakes.shelly2(50.0))
    meter.fault = fault
    began_s = time.monotonic()
    with pytest.raises(NoAnswer, match="timed out"):
        httpget.get_json(f"{meter.url}/", began_s + 0.4)

    assert time.monotonic() - began_s < 2


@pytest.mark.parametrize(
    ("fault", "why"),
    [("500", "HTTP 500"), ("truncated", "no JSON"), ("huge", "more than"), ("404", "HTTP 404")],
)
def test_a_broken_answer_is_named_and_no_reading(fault: str, why: str, device: Devices) -> None:
    meter = device(fakes.shelly2(50.0))
    meter.fault = fault
    with pytest.raises(NoAnswer, match=why):
        httpget.get_json(meter.url + "/rpc/Switch.GetStatus?id=0", soon())


@pytest.mark.parametrize("text", ["", "hello", "{", "[" * 60_000, '{"apower": 5', "\xff\xfe{", "{}}"])
def test_an_answer_that_is_no_json_is_no_reading(text: str, device: Devices) -> None:
    meter = device({"/meter/0": text})
    with pytest.raises(NoAnswer, match="no JSON"):
        httpget.get_json(meter.url + "/meter/0", soon())


def test_a_device_cannot_send_us_elsewhere(device: Devices) -> None:
    other, meter = device(fakes.shelly1(50.0)), device({})
    meter.fault, meter.elsewhere = "elsewhere", other.url
    with pytest.raises(NoAnswer, match="HTTP 302"):
        httpget.get_json(meter.url + "/meter/0", soon())

    assert other.asked == []


def test_a_device_cannot_have_us_read_a_file(device: Devices) -> None:
    meter = device({})
    meter.fault, meter.elsewhere = "elsewhere", "file:///etc/passwd?"
    with pytest.raises(NoAnswer, match="HTTP 302"):
        httpget.get_json(meter.url + "/meter/0", soon())


def test_a_device_that_sends_us_round_in_circles_is_left(device: Devices) -> None:
    meter = device({})
    meter.fault, meter.elsewhere = "elsewhere", meter.url
    with pytest.raises(NoAnswer):
        httpget.get_json(meter.url + "/meter/0", soon())

    assert len(meter.asked) < 20


def test_a_plug_that_is_not_there_is_named_and_asked_on(
    device: Devices, opened: Callable[[str], Polled]
) -> None:
    meter = device(fakes.shelly2(50.0))
    meter.fault = "500"
    source = opened("shelly2+" + meter.url)
    before = source.read()
    meter.fault = ""
    deadline_s = soon()
    while not source.read():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)

    assert before == {}
    assert [gap.expected for gap in source.skipped] == [False]
    assert source.skipped[0].fix
    assert source.read() == {"plug:power": 50.0}


def test_a_plug_that_is_gone_leaves_its_key_out(device: Devices, opened: Callable[[str], Polled]) -> None:
    meter = device(fakes.shelly2(50.0))
    source = opened("shelly2+" + meter.url)
    first = source.read()
    meter.fault = "500"
    deadline_s = soon()
    while source.read():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)

    assert first.keys() == {"plug:power", "plug:energy"}
    assert source.read() == {}


def test_closing_does_not_wait_for_a_plug_that_hangs(device: Devices) -> None:
    meter = device(fakes.shelly2(50.0))
    meter.fault = "hang"
    done: list[Polled] = []
    opening = threading.Thread(target=lambda: done.append(plugs.open_plugs(settings("shelly2+" + meter.url))))
    opening.start()
    assert meter.called.wait(PATIENCE_S)
    opening.join(PATIENCE_S)
    began_s = time.monotonic()
    done[0].close()

    assert time.monotonic() - began_s < 0.5


# ---- the setting -----------------------------------------------------------------------------------


def test_without_a_meter_in_the_settings_nothing_is_asked() -> None:
    with pytest.raises(Unavailable) as caught:
        plugs.open_plugs(settings(None))

    assert caught.value.expected
    assert caught.value.fix is not None
    assert "--meter" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("shelly1+http://10.0.0.5", [Meter("shelly1", "http://10.0.0.5")]),
        ("shelly2+http://10.0.0.5:8080/3", [Meter("shelly2", "http://10.0.0.5:8080", "3")]),
        ("tasmota+http://plug.lan/", [Meter("tasmota", "http://plug.lan")]),
        ("shelly2+http://[fe80::1]:80", [Meter("shelly2", "http://[fe80::1]:80")]),
        ("snmp+pdu.lan", [Meter("snmp", "pdu.lan")]),
        ("snmp+udp6:[::1]:161/.1.3.6*0.1", [Meter("snmp", "udp6:[::1]:161", "1.3.6*0.1")]),
        ("snmp+a , snmp+b", [Meter("snmp", "a"), Meter("snmp", "b")]),
    ],
)
def test_a_meter_is_read_from_the_setting(text: str, found: list[Meter]) -> None:
    assert list(meters.parse(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "shelly3+http://10.0.0.5",
        "shelly2",
        "http://10.0.0.5",
        "shelly2+10.0.0.5",
        "shelly2+https://10.0.0.5",
        "shelly2+file:///etc/passwd",
        "shelly2+http://",
        "shelly2+http://a b",
        "shelly2+http://10.0.0.5:0",
        "shelly2+http://10.0.0.5:99999",
        "shelly2+http://10.0.0.5/cm?x=1",
        "tasmota+http://10.0.0.5/1",
        "shelly2+http://user:secret@10.0.0.5",
        "snmp+",
        "snmp+-v3",
        "snmp+pdu/x",
        "snmp+pdu/1.3.6",
        "snmp+pdu/1.3.6*0",
        "snmp+pdu/1.3.6*nan",
        "snmp+pdu name",
        "shelly2+http://a,shelly2+http://a",
        "shelly2+http://a,snmp+b",
    ],
)
def test_a_setting_that_is_no_meter_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UserError) as caught:
        meters.parse(text, "environment ENERGYWRAP_METER")

    assert caught.value.message.startswith("environment ENERGYWRAP_METER")
    assert caught.value.hint


def test_a_password_in_the_setting_is_not_repeated() -> None:
    with pytest.raises(UserError) as caught:
        meters.parse("shelly2+http://user:secret@10.0.0.5")

    assert "secret" not in caught.value.line()


@given(st.text(alphabet="shely2+htp:/.10,[]*-smn ", max_size=40))
def test_any_text_is_a_meter_or_the_users_mistake(text: str) -> None:
    try:
        found = meters.parse(text)
    except UserError:
        return
    assert all(
        meter.kind in (*meters.PLUGS, meters.SNMP) and not meter.where.startswith("-") for meter in found
    )
    assert json.dumps([meter.name() for meter in found])
