"""Metered power strips (PDU) over SNMP, by the user's own `snmpget` with the user's own access."""

from __future__ import annotations

import os
import time

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.sources import meters
from energywrap.sources.polled import NoAnswer, Poll, Polled
from energywrap.sources.program import Program, find, last_line
from energywrap.units import watts_from_hundredths_of_kw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from energywrap.config import Settings
    from energywrap.sources.meters import Meter

TIMEOUT_S = 2.0
PATIENCE_S = 2.5
TICK_S = 2.0  # asked every second; how often a PDU refreshes, its maker does not say
MAX_W = 50_000.0
ERROR = 0.05  # our judgement
# Of a whole PDU. Its energies come in steps of 0.1 kWh (360 kJ): the power is integrated instead.
DEVICE_STEP_W = watts_from_hundredths_of_kw(1)
WITHOUT_METER = "name the PDU that this machine is plugged into: --meter snmp+HOST"
TOOL_FIX = "apt install snmp   (as root)"
ACCESS_FIX = (
    "try `snmpget HOST OID`: version and community belong into ~/.snmp/snmp.conf (defVersion, defCommunity)"
)
BESIDE = "all that is plugged in behind the meter counts"


class Pdu:
    """One number of one PDU."""

    def __init__(self, meter: Meter, snmpget: str, environ: Mapping[str, str]) -> None:
        self._oid, self._watts, self.step_w = understood(meter.part)
        # numbers instead of names, no MIB files: quick, and the same on every machine
        words = (snmpget, "-m", "", "-On", "-Oq", "-t", "1", "-r", "0", meter.where, f".{self._oid}")
        self.program = Program(words, environ)

    def ask(self) -> dict[str, float]:
        """W by channel id. Raises NoAnswer."""
        watts = self._watts(number(self.program.ask(TIMEOUT_S), self._oid))
        if not 0 < watts <= MAX_W:
            raise NoAnswer(f"it says {watts:g} W, which no running machine draws")
        return {"snmp:power": watts}


def open_snmp(
    settings: Settings, *, snmpget: str | None = None, environ: Mapping[str, str] | None = None
) -> Polled:
    """Ask every named PDU once, then every second in the background. Raises Unavailable if none is named.

    A PDU that does not answer at first is asked on: it may be the network's fault.
    """
    named = [meter for meter in meters.configured(settings) if meter.kind == meters.SNMP]
    if not named:
        raise Unavailable("no PDU is named in the settings", WITHOUT_METER, expected=True)
    environ = os.environ if environ is None else environ
    snmpget = snmpget or find("snmpget", environ)
    if snmpget is None:
        raise Unavailable("snmpget is not installed", TOOL_FIX)
    pdus = [Pdu(meter, snmpget, environ) for meter in named]
    polls = [Poll(pdu.ask, cancel=pdu.program.cancel) for pdu in pdus]
    for poll in polls:
        poll.start()
    until_s, skipped, total_w = time.monotonic() + PATIENCE_S, [], 0.0
    for meter, poll in zip(named, polls):
        answer = poll.first(until_s - time.monotonic())
        total_w += answer.get("snmp:power", 0.0)
        if not answer:
            skipped.append(Skipped(meter.name(), f"no reading at first: {poll.error}", ACCESS_FIX))
    step_w = sum(pdu.step_w for pdu in pdus)
    return Polled("snmp", (_channel(step_w / 2 / total_w if total_w else 0.0),), polls, tuple(skipped))


def _channel(half_step: float) -> Channel:
    """The machine's power; `half_step` of it is lost in rounding."""
    return Channel(
        id="snmp:power",
        component=Component.MACHINE,
        device="machine",
        source="snmp pdu",
        kind=Kind.GAUGE,
        max_w=MAX_W,
        tick_s=TICK_S,
        error=max(ERROR, half_step),
        shared=BESIDE,
    )


def understood(part: str) -> tuple[str, Callable[[float], float], float]:
    """The OID, its conversion to W and its step in W."""
    oid, star, factor = (part or f"{meters.DEVICE_OID}1").partition("*")
    if star:
        per_unit_w = float(factor)
        return oid, lambda value: value * per_unit_w, per_unit_w
    if oid.startswith(meters.DEVICE_OID):
        return oid, watts_from_hundredths_of_kw, DEVICE_STEP_W
    return oid, lambda value: value, 1.0  # an outlet's, in whole W


def number(text: str, oid: str) -> float:
    """The whole number that snmpget shows for an OID. Raises NoAnswer for anything else."""
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if name.lstrip(".") == oid:
            value = value.strip()
            if value.isascii() and value.isdigit() and len(value) <= 20:
                return float(value)
            raise NoAnswer(f"it says {value[:60]!r}")
    raise NoAnswer(last_line(text) or "it says nothing")
