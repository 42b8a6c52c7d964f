"""Tallies to joules per component: who speaks for what, and what is left over. Pure."""

from __future__ import annotations

from energywrap.energy import same_counter
from energywrap.model import Basis, Component, ComponentEnergy, Kind, Skipped, Spoken, Tally
from energywrap.plan import family
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from energywrap.model import Channel
    from energywrap.plan import Leaf, Plan

MODEL = "model"
TOO_LITTLE = 0.1  # of the parts' energy: a meter that misses more than that does not see the whole machine
LONG_ENOUGH_S, SANE = (
    1.0,
    10.0,
)  # a counter that is off by more than that from the device's own power is wrong


@record
class Total:
    """The energies of a run and what its counters did that a reader must know."""

    components: tuple[ComponentEnergy, ...]
    channels: tuple[str | None, ...]  # the channel that spoke for each component; None for what is left over
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    meter: ComponentEnergy | None = None
    whole: ComponentEnergy | None = None  # the modelled machine, where all its parts are modelled with it
    spoken: tuple[Spoken, ...] = ()


def total(plan: Plan, tallies: Mapping[str, Tally], duration_s: float) -> Total:
    """Joules per component with their P10-P90 interval and coverage.

    Of a component's alternatives the first that has a living channel speaks; a channel lives if its value
    moved (a counter that never moves measures nothing). A meter of the whole machine is not added: what it
    saw beyond the parts is the rest. Rules: docs/methodology.md#joules.
    """
    silent: list[Silent] = []
    living = [pair for alternatives in plan.choices for pair in _first_alive(alternatives, tallies, silent)]
    living = _without_covered(living, silent)
    metered = _meter(plan, living, tallies, silent)
    if metered is None and any(leaf.component == Component.CPU for leaf, _ in living):
        living += _first_alive((plan.rest,), tallies, silent)
    components = [_component(leaf, channel, tallies, duration_s) for leaf, channel in living]
    heard = living + ([metered] if metered else [])
    warnings = [
        text for leaf, channel in heard for text in _oddities(leaf, channel, tallies[channel.id], duration_s)
    ]
    channels: list[str | None] = [channel.id for _, channel in living]
    meter = _component(*metered, tallies, duration_s) if metered else None
    if meter is not None:
        rest, warning = _left_over(meter, components)
        if rest is None:
            meter = None
        else:
            components.append(rest)
            channels.append(None)
        warnings += warning
    skipped = tuple(
        Skipped(f"{s.channel.source} {s.leaf.device}", s.why, expected=s.expected) for s in silent
    )
    spoken = _spoken(plan, heard, silent)
    whole = _modelled_whole(plan, living, tallies, duration_s) if meter is None else None
    return Total(tuple(components), tuple(channels), skipped, tuple(warnings), meter, whole, spoken)


def _modelled_whole(
    plan: Plan, living: list[tuple[Leaf, Channel]], tallies: Mapping[str, Tally], duration_s: float
) -> ComponentEnergy | None:
    """The modelled machine, if nothing but the parts of that same model speaks, and all of them do."""
    parts = {leaf.component for leaf, channel in living if family(channel) == MODEL}
    if len(parts) != len(living) or parts != {Component.CPU, Component.RAM, Component.REST}:
        return None
    return next((_component(leaf, leaf.channels[0], tallies, duration_s) for leaf in plan.whole), None)


@record
class Silent:
    """A channel that was passed over, and why."""

    leaf: Leaf
    channel: Channel
    why: str
    expected: bool = False


def _without_covered(living: list[tuple[Leaf, Channel]], silent: list[Silent]) -> list[tuple[Leaf, Channel]]:
    """A reading of a whole module holds its processor and memory as well: those get no line beside it."""
    covered = {part: channel for _, channel in living for part in channel.covers}
    kept = []
    for leaf, channel in living:
        cover = covered.get(leaf.component)
        if cover is None or cover is channel:
            kept.append((leaf, channel))
        else:
            silent.append(
                Silent(leaf, channel, f"its energy is inside that of {cover.source}", expected=True)
            )
    return kept


def _meter(
    plan: Plan, living: list[tuple[Leaf, Channel]], tallies: Mapping[str, Tally], silent: list[Silent]
) -> tuple[Leaf, Channel] | None:
    """The first meter that lives; psys must at least have seen the package and memory beside it."""
    parts_j = sum(
        tallies[channel.id].joules
        for leaf, channel in living
        if channel.basis == Basis.MEASURED and leaf.component in (Component.CPU, Component.RAM)
    )
    for leaf in plan.meters:
        channel = _speaker(leaf, tallies, silent)
        if channel is None:
            continue
        if family(channel) == "psys" and tallies[channel.id].joules < parts_j:
            silent.append(Silent(leaf, channel, "it shows less than the package and memory inside it"))
            continue
        return leaf, channel
    return None


def _left_over(
    meter: ComponentEnergy, components: list[ComponentEnergy]
) -> tuple[ComponentEnergy | None, list[str]]:
    """The rest of the machine: the meter's energy less its parts'; a warning if that is negative."""
    parts_j = sum(part.energy_j for part in components)
    joules = meter.energy_j - parts_j
    high = max(0.0, meter.high_j - sum(part.low_j for part in components))
    if joules < -TOO_LITTLE * parts_j:
        return None, [
            f"{meter.source} shows less than the parts of the machine together: it is left out (does it see "
            "the whole machine?)"
        ]
    low = meter.low_j - sum(part.high_j for part in components)
    modelled = any(part.basis != Basis.MEASURED for part in components)
    basis = Basis.MODELLED if modelled else Basis.MEASURED
    source = f"{meter.source} less the parts"
    rest = ComponentEnergy(
        Component.REST, "all else", max(0.0, joules), max(0.0, low), high, basis, source, meter.coverage
    )
    if joules >= 0:
        return rest, []
    return rest, [f"{meter.source} shows a little less than the parts of the machine together"]


def _spoken(plan: Plan, heard: list[tuple[Leaf, Channel]], silent: list[Silent]) -> tuple[Spoken, ...]:
    """Every channel of the plan: whether it was used, and why not."""
    used = {channel.id for _, channel in heard}
    reasons = {each.channel.id: each.why for each in silent}
    leaves = [
        leaf for options in (*plan.choices, (plan.rest, plan.meters)) for leaves in options for leaf in leaves
    ]
    found = []
    for leaf in leaves:
        best = next((channel.source for channel in leaf.channels if channel.id in used), "another source")
        for channel in leaf.channels:
            speaks = channel.id in used
            why = "best of those that answered" if speaks else reasons.get(channel.id, f"{best} is preferred")
            found.append(Spoken(leaf.component, leaf.device, channel.source, speaks, why))
    return tuple(found)


def names(total: Total) -> dict[str, str]:
    """What each speaking channel is called in a trace."""
    parts = zip(total.channels, total.components)
    return {
        channel: part.component if part.device == part.component else f"{part.component} {part.device}"
        for channel, part in parts
        if channel is not None
    }


def _first_alive(
    alternatives: Iterable[tuple[Leaf, ...]], tallies: Mapping[str, Tally], silent: list[Silent]
) -> list[tuple[Leaf, Channel]]:
    for leaves in alternatives:
        chosen = [(leaf, _speaker(leaf, tallies, silent)) for leaf in leaves]
        living = [(leaf, channel) for leaf, channel in chosen if channel is not None]
        if living:
            return living
    return []


def _speaker(leaf: Leaf, tallies: Mapping[str, Tally], silent: list[Silent]) -> Channel | None:
    """The best channel of a leaf that lives, noting why better ones do not."""
    for channel in leaf.channels:
        tally = tallies.get(channel.id, Tally())
        original = channel.duplicate_of
        if original is not None and same_counter(tally, tallies.get(original, Tally()), channel.wrap_j):
            silent.append(Silent(leaf, channel, "shows the same counter as another die", expected=True))
            return None
        why = _fault(leaf, channel, tally, tallies)
        if why is None:
            return channel
        silent.append(Silent(leaf, channel, why))
    return None


def _fault(leaf: Leaf, channel: Channel, tally: Tally, tallies: Mapping[str, Tally]) -> str | None:
    """Why a channel cannot be believed; None if it can."""
    if tally.readings < 2:
        return f"answered {tally.readings} of {tally.readings + tally.missing} readings"
    if channel.kind == Kind.GAUGE:
        return "no two of its readings could be compared" if tally.covered_s <= 0 else None
    if tally.first == tally.last and tally.joules == 0:
        return f"its counter did not move in {tally.last_at_s:.3g} s"
    if tally.covered_s <= 0:
        return "no two of its readings could be compared"
    for gauge in leaf.channels:
        told = tallies.get(gauge.id, Tally())
        seconds = min(tally.covered_s, told.covered_s)
        if gauge.kind != Kind.GAUGE or seconds < LONG_ENOUGH_S or told.joules <= 0:
            continue
        ratio = (tally.joules / tally.covered_s) / (told.joules / told.covered_s)
        if not 1 / SANE <= ratio <= SANE:
            return f"its counter rose by {ratio:.2g} times what its power says"
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
        channel.shared,
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
