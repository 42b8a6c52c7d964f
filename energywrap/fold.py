"""Snapshots folded into one tally per channel and a trace: constant memory however long the run. Pure."""

from __future__ import annotations

from energywrap import energy
from energywrap.model import Component, Tally
from energywrap.trace import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from energywrap.model import Channel, Idle, Snapshot

    class Model(Protocol):
        """What tells joules from the snapshots themselves."""

        @property
        def channels(self) -> tuple[Channel, ...]:
            """The channels that it has values for."""

        def reckon(self, now: Snapshot, *, final: bool) -> dict[str, float] | None:
            """Growing sums of J by channel id; None if this snapshot need not be looked at."""


GAP_PERIODS, SHORTEST_GAP_S = 3.0, 1.0  # a gauge is not integrated across a longer silence
SUSPENDED_S = 0.5  # the clock that counts sleep ran ahead by this much: the machine was suspended
COMPANIONS = (":low", ":high")


class Fold:
    """What a run's readings add up to so far."""

    def __init__(
        self,
        channels: Iterable[Channel],
        period_s: float,
        model: Model | None = None,
        idle: Mapping[str, Idle] | None = None,
    ) -> None:
        self._max_gap_s = max(GAP_PERIODS * period_s, SHORTEST_GAP_S)
        self._model = model
        self._idle = {name: base.watts for name, base in (idle or {}).items()}
        self._read: dict[str, Channel] = {}
        self._modelled = _with_companions(model.channels) if model is not None else {}
        self._before: Snapshot | None = None
        self._modelled_before: Snapshot | None = None
        self._share: float | None = None
        self.held = False  # whether it was seen what part of the memory the command holds
        self.tallies = {name: Tally() for name in self._modelled}
        self.trace = Recorder(period_s)
        self.busy_s: float | None = None  # of all CPUs of the machine
        self.own_s = 0.0  # energywrap's own part of it
        self.suspended_s = 0.0
        self.watch(channels)

    def watch(self, channels: Iterable[Channel]) -> None:
        """Follow these channels from the next snapshot on."""
        for name, channel in _with_companions(channels).items():
            if name not in self.tallies:
                self._read[name] = channel
                self.tallies[name] = Tally()

    def add(self, now: Snapshot, *, final: bool = True) -> None:
        """Take in one snapshot; `final` where the sums are looked at before the next."""
        before, self._before = self._before, now
        slept = now.ahead_s - before.ahead_s if before else 0.0
        suspended = slept > SUSPENDED_S
        self.suspended_s += slept if suspended else 0.0
        if before is not None:
            self.own_s += now.own_s - before.own_s
            if now.busy_s is not None and before.busy_s is not None:
                self.busy_s = (self.busy_s or 0.0) + now.busy_s - before.busy_s
            self._share = _share(before, now, self._share)
        self.held = self.held or now.held is not None
        for name, channel in self._read.items():
            at_s = now.read_at_s.get(channel.id, now.at_s)
            share = self._part(channel, now)
            moment = energy.Moment(at_s, share, suspended, self._idle.get(channel.id))
            self._take(name, channel, now.values.get(name), moment)
        if self._model is not None:
            self._reckon(self._model, now, final or suspended, suspended)

    def _part(self, channel: Channel, now: Snapshot) -> float | None:
        """The command's part of what a channel shows: the channel's own word, else that of the CPU time."""
        if channel.share is not None:
            return channel.share
        if channel.share_id is not None:
            return min(1.0, max(0.0, now.values.get(channel.share_id, 1.0)))
        if channel.component == Component.GPU:
            return 1.0
        return _for_part(channel, now, self._share)

    def _reckon(self, model: Model, now: Snapshot, final: bool, suspended: bool) -> None:
        """The model's own steps are longer than those of the readings: each has the share of its whole."""
        values = model.reckon(now, final=final)
        if values is None:
            return
        before, self._modelled_before = self._modelled_before, now
        share = _share(before, now, self._share) if before is not None else None
        for name, channel in self._modelled.items():
            moment = energy.Moment(now.at_s, _for_part(channel, now, share), suspended)
            self._take(name, channel, values.get(name), moment)

    def _take(self, name: str, channel: Channel, value: float | None, moment: energy.Moment) -> None:
        old = self.tallies[name]
        new = energy.add(old, value, channel, moment, self._max_gap_s)
        self.tallies[name] = new
        seconds = new.covered_s - old.covered_s
        if seconds > 0 and not name.endswith(COMPANIONS):
            began_s = moment.at_s - seconds
            self.trace.add(name, began_s, moment.at_s, new.joules - old.joules)
            self.trace.add_shared(name, began_s, moment.at_s, new.shared_j - old.shared_j)


def _for_part(channel: Channel, now: Snapshot, share: float | None) -> float | None:
    """Memory is shared out by what the command holds of it, where that is known; all else by CPU time."""
    return now.held if channel.component == Component.RAM and now.held is not None else share


def _share(before: Snapshot, now: Snapshot, known: float | None) -> float | None:
    """The command's share of the machine's CPU time between two snapshots; `known` where they lack it."""
    if now.busy_s is None or before.busy_s is None or now.tree_s is None or before.tree_s is None:
        return known
    used = max(0.0, now.tree_s - before.tree_s)
    return used / max(now.busy_s - before.busy_s, used) if used > 0 else 0.0


def _with_companions(channels: Iterable[Channel]) -> dict[str, Channel]:
    """Channels by id; a model's bounds are folded by the rules of their channel."""
    found = {}
    for channel in channels:
        for name in (channel.id, channel.low_id, channel.high_id):
            if name is not None:
                found[name] = channel
    return found
