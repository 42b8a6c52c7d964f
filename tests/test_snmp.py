"""Power strips through snmpget: the unit of each number, and what is no number."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from energywrap import config, plan
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind
from energywrap.record import replace
from energywrap.sources import meters, program, snmp
from energywrap.sources.polled import NoAnswer, Polled

SNMPGET = Path(__file__).parent / "fakes/commands/snmpget"
OUTLET = f"{meters.OUTLET_OID}3"
PATIENCE_S = 10.0
Open: TypeAlias = Callable[..., Polled]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the PDUs of a setting with a scripted snmpget; they are closed with the test."""
    with ExitStack() as stack:

        def start(meter: str, **script: str) -> Polled:
            environ = {
                "PATH": "/usr/bin:/bin",
                "HOME": "/home/me",
                "FAKE_SEEN": str(tmp_path / "seen"),
                **script,
            }
            settings = replace(config.resolve({}, {}, "/"), meter=meter)
            source = snmp.open_snmp(settings, snmpget=str(SNMPGET), environ=environ)
            stack.callback(source.close)
            return source

        yield start


def test_hundredths_of_a_kilowatt_become_watts(opened: Open) -> None:
    source = opened("snmp+pdu.test", FAKE_SNMP_VALUE="42")
    (channel,) = source.channels

    assert source.read() == {"snmp:power": 420.0}
    assert (channel.component, channel.kind) == (Component.MACHINE, Kind.GAUGE)
    assert plan.family(channel) in plan.PRECEDENCE[Component.MACHINE]
    assert channel.shared


def test_an_outlets_own_power_is_in_watts(opened: Open) -> None:
    assert opened(f"snmp+pdu.test/{OUTLET}", FAKE_SNMP_VALUE="42").read() == {"snmp:power": 42.0}


def test_a_number_of_another_maker_has_the_unit_that_the_user_gives(opened: Open) -> None:
    assert opened("snmp+pdu.test/.1.3.6.1*0.5", FAKE_SNMP_VALUE="42").read() == {"snmp:power": 21.0}


def test_steps_of_10_w_are_in_the_interval_of_a_small_machine(opened: Open) -> None:
    (small,) = opened("snmp+pdu.test", FAKE_SNMP_VALUE="2").channels
    (large,) = opened("snmp+pdu.test", FAKE_SNMP_VALUE="200").channels

    assert small.error == 0.25  # 5 of 20 W
    assert large.error == snmp.ERROR


def test_the_users_own_access_is_used_and_no_secret_is_on_the_command_line(
    opened: Open, tmp_path: Path
) -> None:
    opened("snmp+pdu.test", LC_ALL="de_DE.UTF-8")
    call = (tmp_path / "seen").read_text().splitlines()[0]

    assert call.endswith(f"pdu.test .{meters.DEVICE_OID}1 locale C home /home/me")
    assert not {"-c", "-v", "-A", "-X"} & set(call.split())


def test_warnings_around_the_answer_do_no_harm(opened: Open) -> None:
    assert opened("snmp+pdu.test", FAKE_SNMP_TROUBLE="noise").read() == {"snmp:power": 420.0}


@pytest.mark.parametrize(
    ("trouble", "why"), [("timeout", "No Response"), ("instance", "No Such Instance"), ("text", "forty two")]
)
def test_a_refusal_is_no_reading_and_says_why(trouble: str, why: str, opened: Open) -> None:
    source = opened("snmp+pdu.test", FAKE_SNMP_TROUBLE=trouble)

    assert source.read() == {}
    assert why in source.skipped[0].why
    assert source.skipped[0].fix
    assert not source.skipped[0].expected


@pytest.mark.parametrize("value", ["0", "-1", "nan", "4.2", "99999999", "1" * 30, "٤٢"])
def test_a_power_that_cannot_be_is_no_reading(value: str, opened: Open) -> None:
    assert opened("snmp+pdu.test", FAKE_SNMP_VALUE=value).read() == {}


def test_the_number_of_another_oid_is_not_taken() -> None:
    with pytest.raises(NoAnswer):
        snmp.number(".1.3.6.1.2 42\n", "1.3.6.1")


def test_two_pdus_of_one_machine_add_up(opened: Open) -> None:
    assert opened("snmp+a.test,snmp+b.test").read() == {"snmp:power": 840.0}


def test_a_pdu_that_hangs_is_given_up_in_time_and_closed_at_once(opened: Open) -> None:
    began_s = time.monotonic()
    source = opened("snmp+pdu.test", FAKE_SNMP_TROUBLE="hang")
    taken_s = time.monotonic() - began_s
    source.close()

    assert taken_s < snmp.PATIENCE_S + 1
    assert time.monotonic() - began_s - taken_s < 0.5
    assert source.read() == {}


def test_without_a_pdu_in_the_settings_nothing_is_run(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        snmp.open_snmp(replace(config.resolve({}, {}, "/"), meter="shelly2+http://a"), snmpget="/nowhere")

    assert caught.value.expected


def test_a_missing_snmpget_is_named(tmp_path: Path) -> None:
    if program.find("snmpget", {"PATH": str(tmp_path)}) is not None:
        pytest.skip("snmpget is installed among the system's tools")
    settings = replace(config.resolve({}, {}, "/"), meter="snmp+pdu.test")
    with pytest.raises(Unavailable) as caught:
        snmp.open_snmp(settings, environ={"PATH": str(tmp_path)})

    assert "snmpget" in caught.value.reason
    assert caught.value.fix
    assert not caught.value.expected
