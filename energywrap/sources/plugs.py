"""The machine at the wall: smart plugs that the user has named, asked over HTTP in their own network."""

from __future__ import annotations

import time

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.sources import meters, plugformats
from energywrap.sources.polled import NoAnswer, Poll, Polled
from energywrap.units import joules_from_watt_hours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.sources.meters import Meter

TIMEOUT_S = 2.0
PATIENCE_S = 2.5  # for the first answers of all plugs together
TICK_S = 2.0  # asked every second; the plugs themselves refresh about once a second
ENERGY_TICK_S = 60.0  # steps of 1 Wh: one a minute at 60 W
SHORTEST_STEP_S = 0.05  # a whole step of 1 Wh may fall between two readings, however close
ERROR = 0.05  # uncalibrated meters of about 2 %, worse far from a resistive load: our judgement
WITHOUT_METER = "name the meter that this machine is plugged into: --meter shelly2+http://10.0.0.5"
FIX = "open its address in a browser: is it this kind of plug, and does it show its power without a password?"
BESIDE = "all that is plugged in behind the meter counts"


class Plug:
    """One plug: finds the question that it answers, then asks only that."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._questions = plugformats.QUESTIONS[meter.kind]

    def ask(self) -> dict[str, float]:
        """W, and J where it counts them, by channel id. Raises NoAnswer."""
        from energywrap.sources import httpget  # loads urllib

        why, until_s = "", time.monotonic() + TIMEOUT_S
        for question in self._questions:
            url = self._meter.where + question.path.format(part=self._meter.part or "0")
            try:
                values = plugformats.reading(question, httpget.get_json(url, until_s))
            except NoAnswer as no:
                why = why or str(no)
            else:
                self._questions = (question,)
                return values
        raise NoAnswer(why)


def open_plugs(settings: Settings) -> Polled:
    """Ask every named plug once, then every second in the background. Raises Unavailable if none is named.

    A plug that does not answer at first is asked on: it may be the network's fault.
    """
    plugs = [meter for meter in meters.configured(settings) if meter.kind in meters.PLUGS]
    if not plugs:
        raise Unavailable("no plug is named in the settings", WITHOUT_METER, expected=True)
    polls = [Poll(Plug(meter).ask) for meter in plugs]
    for poll in polls:
        poll.start()
    skipped, counts, until_s = [], False, time.monotonic() + PATIENCE_S
    for meter, poll in zip(plugs, polls):
        answer = poll.first(until_s - time.monotonic())
        counts = "plug:energy" in answer and len(plugs) == 1  # of several, one restart would spoil the sum
        if not answer:
            skipped.append(Skipped(f"plug {meter.name()}", f"no reading at first: {poll.error}", FIX))
    source = f"plug {plugs[0].kind}" if len(plugs) == 1 else f"plug x{len(plugs)}"
    channels = _channels(source)[: 2 if counts else 1]
    return Polled("plug", channels, polls, tuple(skipped))


def _channels(source: str) -> tuple[Channel, ...]:
    """The power and, second, the energy counter: its steps are too coarse for any but long runs."""
    power = Channel(
        id="plug:power",
        component=Component.MACHINE,
        device="machine",
        source=source,
        kind=Kind.GAUGE,
        max_w=plugformats.MAX_W,
        tick_s=TICK_S,
        error=ERROR,
        shared=BESIDE,
    )
    energy = Channel(
        id="plug:energy",
        component=Component.MACHINE,
        device="machine",
        source=f"{source} energy",
        kind=Kind.COUNTER,
        max_w=plugformats.MAX_W + joules_from_watt_hours(1) / SHORTEST_STEP_S,
        tick_s=ENERGY_TICK_S,
        error=ERROR,
        shared=BESIDE,
    )
    return power, energy
