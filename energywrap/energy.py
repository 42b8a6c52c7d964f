"""Readings of one channel to joules. Pure: no clock, no file, no thread."""

from __future__ import annotations

from energywrap.model import Kind, Tally
from energywrap.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.model import Channel

SHORTEST_STEP_S = 0.05  # two readings closer than this may straddle a whole tick of the counter
SAME_COUNTER_J = 2.0  # two dies that show one counter differ by what it moved between the two reads
SAME_MOMENT_S = 0.05
SAME_POWER = 0.02
LONG_ENOUGH_S, SANE = (
    1.0,
    10.0,
)  # a counter that is off by more than that from the device's own power is wrong


@record
class Step:
    """What one counter did between two readings; `sure` is False where joules is only a lower bound."""

    joules: float
    event: str  # "", "wrap", "reset" or "jump"
    sure: bool


@record
class Moment:
    """One instant of reading: when, the command's part of what is read, slept before? power when idle?"""

    at_s: float
    share: float | None = None
    suspended: bool = False
    idle_w: float | None = None  # what the channel shows on the idle machine


def counter_step(before: float, after: float, channel: Channel, seconds: float, suspended: bool) -> Step:
    """Joules between two values of a counter `seconds` apart.

    A decrease is a wrap-around if the energy it implies is possible in that time at `channel.max_w`;
    otherwise, or across a suspend, the counter restarted and only what it shows now is certain.
    A rise beyond what is possible is a jump of the counter and worth nothing.
    """
    possible_j = channel.max_w * max(seconds, SHORTEST_STEP_S)
    if after >= before:
        rise = after - before
        return Step(rise, "", True) if rise <= possible_j else Step(0.0, "jump", False)
    if channel.wrap_j is not None and not suspended:
        wrapped = after - before + channel.wrap_j
        if 0 <= wrapped <= possible_j:
            return Step(wrapped, "wrap", True)
    return Step(min(after, possible_j), "reset", False)


def add(tally: Tally, value: float | None, channel: Channel, moment: Moment, max_gap_s: float) -> Tally:
    """Fold one value into a channel's tally; None (the read failed) leaves it waiting for the next value."""
    slept = tally.slept or moment.suspended
    if value is None:
        return replace(tally, missing=tally.missing + 1, slept=slept)
    here = {"last": value, "last_at_s": moment.at_s, "readings": tally.readings + 1, "slept": False}
    if tally.last is None:
        return replace(tally, first=value, **here)
    seconds = moment.at_s - tally.last_at_s
    if channel.kind == Kind.GAUGE:
        whole = seconds <= max_gap_s and not slept
        step = Step((tally.last + value) / 2 * seconds, "", True) if whole else Step(0.0, "gap", False)
    else:
        step = counter_step(tally.last, value, channel, seconds, slept)
    twice = channel.wrap_j is not None and channel.max_w * seconds > channel.wrap_j
    share = 1.0 if moment.share is None else moment.share
    return replace(
        tally,
        **here,
        joules=tally.joules + step.joules,
        shared_j=tally.shared_j + step.joules * share,
        above_j=_above(tally, step, seconds, share, moment.idle_w),
        covered_s=tally.covered_s + (seconds if step.sure else 0.0),
        wraps=tally.wraps + (step.event == "wrap"),
        resets=tally.resets + (step.event in ("reset", "jump")),
        missing=tally.missing + (step.event == "gap"),
        doubtful=tally.doubtful + twice,
    )


def _above(tally: Tally, step: Step, seconds: float, share: float, idle_w: float | None) -> float | None:
    """The command's share of what this step holds above idle; None without a baseline."""
    if idle_w is None:
        return tally.above_j
    above_j = max(0.0, step.joules - idle_w * seconds) if step.sure else 0.0
    return (tally.above_j or 0.0) + above_j * share


def same_counter(tally: Tally, other: Tally, wrap_j: float | None) -> bool:
    """Whether two dies show one and the same socket counter: equal at the start and at the end.

    If the last readings are of different moments (one failed), equal mean power replaces the latter.
    """
    if tally.first is None or other.first is None or tally.last is None or other.last is None:
        return False
    if _apart(tally.first, other.first, wrap_j) > SAME_COUNTER_J:
        return False
    if abs(tally.last_at_s - other.last_at_s) <= SAME_MOMENT_S:
        return _apart(tally.last, other.last, wrap_j) <= SAME_COUNTER_J
    seconds = min(tally.covered_s, other.covered_s)
    power, other_power = (t.joules / t.covered_s if t.covered_s > 0 else 0.0 for t in (tally, other))
    return abs(power - other_power) * seconds <= max(SAME_COUNTER_J, SAME_POWER * tally.joules)


def _apart(value: float, other: float, wrap_j: float | None) -> float:
    """Distance of two values of a counter that restarts from 0 at `wrap_j`."""
    distance = abs(value - other)
    return distance if wrap_j is None else min(distance, abs(wrap_j - distance))
