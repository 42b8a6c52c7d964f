"""Readings to joules. Pure: no clock, no file, no thread."""

from __future__ import annotations

from energywrap.model import Basis, Component, ComponentEnergy, Kind, Skipped, Tally
from energywrap.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from energywrap.model import Channel
    from energywrap.plan import Leaf, Plan

SHORTEST_STEP_S = 0.05  # two readings closer than this may straddle a whole tick of the counter
SAME_COUNTER_J = 2.0  # two dies that show one counter differ by what it moved between the two reads
SAME_MOMENT_S = 0.05
SAME_POWER = 0.02


@record
class Step:
    """What one counter did between two readings; `sure` is False where joules is only a lower bound."""

    joules: float
    event: str  # "", "wrap", "reset" or "jump"
    sure: bool


@record
class Moment:
    """One instant of reading: when, what part of the machine's CPU time was the command's, slept before?"""

    at_s: float
    share: float | None = None
    suspended: bool = False


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
    return replace(
        tally,
        **here,
        joules=tally.joules + step.joules,
        shared_j=tally.shared_j + step.joules * (1.0 if moment.share is None else moment.share),
        covered_s=tally.covered_s + (seconds if step.sure else 0.0),
        wraps=tally.wraps + (step.event == "wrap"),
        resets=tally.resets + (step.event in ("reset", "jump")),
        missing=tally.missing + (step.event == "gap"),
        doubtful=tally.doubtful + twice,
    )


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


@record
class Total:
    """The energies of a run and what its counters did that a reader must know."""

    components: tuple[ComponentEnergy, ...]
    channels: tuple[str, ...]  # the channel that spoke for each component, in the same order
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]


def total(plan: Plan, tallies: Mapping[str, Tally], duration_s: float) -> Total:
    """Joules per component with their P10-P90 interval and coverage.

    Of a component's alternatives the first that has a living channel speaks; a channel lives if its value
    moved (a counter that never moves measures nothing). Rules: docs/methodology.md#joules.
    """
    skipped: list[Skipped] = []
    living = [pair for alternatives in plan.choices for pair in _first_alive(alternatives, tallies, skipped)]
    if any(leaf.component == Component.CPU and channel.basis != Basis.MEASURED for leaf, channel in living):
        living += _first_alive((plan.rest,), tallies, skipped)
    components = [_component(leaf, channel, tallies, duration_s) for leaf, channel in living]
    warnings = [
        text for leaf, channel in living for text in _oddities(leaf, channel, tallies[channel.id], duration_s)
    ]
    spoke = tuple(channel.id for _, channel in living)
    return Total(tuple(components), spoke, tuple(skipped), tuple(warnings))


def names(total: Total) -> dict[str, str]:
    """What each speaking channel is called in a trace."""
    parts = zip(total.channels, total.components)
    return {
        channel: part.component if part.device == part.component else f"{part.component} {part.device}"
        for channel, part in parts
    }


def _first_alive(
    alternatives: Iterable[tuple[Leaf, ...]], tallies: Mapping[str, Tally], skipped: list[Skipped]
) -> list[tuple[Leaf, Channel]]:
    for leaves in alternatives:
        chosen = [(leaf, _speaker(leaf, tallies, skipped)) for leaf in leaves]
        living = [(leaf, channel) for leaf, channel in chosen if channel is not None]
        if living:
            return living
    return []


def _speaker(leaf: Leaf, tallies: Mapping[str, Tally], skipped: list[Skipped]) -> Channel | None:
    """The best channel of a leaf that lives, noting why better ones do not."""
    for channel in leaf.channels:
        tally = tallies.get(channel.id, Tally())
        original = channel.duplicate_of
        if original is not None and same_counter(tally, tallies.get(original, Tally()), channel.wrap_j):
            skipped.append(
                Skipped(
                    f"{channel.source} {leaf.device}", "shows the same counter as another die", expected=True
                )
            )
            return None
        if tally.readings < 2:
            why = f"answered {tally.readings} of {tally.readings + tally.missing} readings"
        elif channel.kind == Kind.COUNTER and tally.first == tally.last and tally.joules == 0:
            why = f"its counter did not move in {tally.last_at_s:.3g} s"
        elif tally.covered_s <= 0:
            why = "no two of its readings could be compared"
        else:
            return channel
        skipped.append(Skipped(f"{channel.source} {leaf.device}", why))
    return None


def _component(
    leaf: Leaf, channel: Channel, tallies: Mapping[str, Tally], duration_s: float
) -> ComponentEnergy:
    tally = tallies[channel.id]
    coverage = 1.0 if duration_s <= 0 else min(1.0, tally.covered_s / duration_s)
    if channel.low_id is not None and channel.high_id is not None:
        low, high = tallies[channel.low_id].joules, tallies[channel.high_id].joules
    else:
        seconds = max(tally.covered_s, channel.tick_s, 1e-9)
        margin = tally.joules * channel.error + tally.joules / seconds * min(channel.tick_s, seconds)
        low, high = max(0.0, tally.joules - margin), tally.joules + margin
    if 0 < coverage < 1:
        high = high / coverage  # the time that was not covered may have used as much
    return ComponentEnergy(
        leaf.component,
        leaf.device,
        tally.joules,
        low,
        high,
        channel.basis,
        channel.source,
        round(coverage, 4),
    )


def _oddities(leaf: Leaf, channel: Channel, tally: Tally, duration_s: float) -> list[str]:
    """What happened to a counter, in words."""
    name = f"{channel.source} {leaf.device}"
    found = []
    if tally.resets:
        found.append(f"{name}: the counter restarted {tally.resets} time(s); its energy is a lower bound")
    if tally.doubtful:
        found.append(f"{name}: read so late that it may have wrapped around twice; its energy may be too low")
    if duration_s > 0 and tally.covered_s < 0.95 * duration_s:
        found.append(f"{name}: covered {100 * tally.covered_s / duration_s:.0f} % of the run")
    return found
