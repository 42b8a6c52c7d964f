"""The words of the two tools that ask a BMC for its power (IPMI DCMI): a pure function to W."""

from __future__ import annotations

from energywrap.sources.polled import NoAnswer
from energywrap.sources.program import last_line

# How each tool calls the power, the state of its measurement, and the state in which it can be believed.
FORMATS = (
    ("instantaneous power reading", "power reading state is", "activated"),
    ("current power", "power measurement", "active"),
)
MAX_W = 30_000.0  # three times the largest server


def watts_of(text: str) -> float:
    """W as one of the tools words it. Raises NoAnswer for anything that is no power of a running machine."""
    told = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        told[key.strip().lower()] = value.strip().lower()
    for reading, state, active in FORMATS:
        if reading in told:
            if told.get(state) != active:
                raise NoAnswer(f"its power measurement is {told.get(state) or 'in no known state'}")
            number, _, unit = told[reading].partition(" ")
            if not (number.isascii() and number.isdigit() and unit.strip() == "watts"):
                raise NoAnswer(f"it says {told[reading]!r}")
            if not 0 < float(number) <= MAX_W:
                raise NoAnswer(f"it says {number} W, which no running machine draws")
            return float(number)
    raise NoAnswer(last_line(text) or "it says nothing")
