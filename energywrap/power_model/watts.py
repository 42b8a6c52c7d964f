"""Modelled power: a value with its interval, and a machine's power by component."""

from __future__ import annotations

from energywrap.record import record


@record
class Watts:
    """A modelled power with its P10-P90 interval, in W."""

    value: float
    low: float
    high: float


@record
class Power:
    """A machine's power at the wall. The parts' values add up; their bounds are wider than the total's."""

    total: Watts
    cpu: Watts
    ram: Watts
    rest: Watts
    tier: str
