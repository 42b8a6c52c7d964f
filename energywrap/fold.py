"""Snapshots folded into one tally per channel and a trace: constant memory however long the run. Pure."""

from __future__ import annotations

from energywrap import energy
from energywrap.model import Tally
from energywrap.trace import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from energywrap.model import Channel, Snapshot

GAP_PERIODS, SHORTEST_GAP_S = 3.0, 1.0  # a gauge is not integrated across a longer silence
SUSPENDED_S = 0.5  # the clock that counts sleep ran ahead by this much: the machine was suspended
COMPANIONS = (":low", ":high")


class Fold:
    """What a run's readings add up to so far."""

    def __init__(self, channels: Iterable[Channel], period_s: float) -> None:
        self._max_gap_s = max(GAP_PERIODS * period_s, SHORTEST_GAP_S)
        self._channels = _with_companions(channels)
        self._before: Snapshot | None = None
        self._share: float | None = None
        self.tallies = {name: Tally() for name in self._channels}
        self.trace = Recorder(period_s)
        self.busy_s: float | None = None  # of all CPUs of the machine
        self.own_s = 0.0  # energywrap's own part of it
        self.suspended_s = 0.0

    def add(self, now: Snapshot) -> None:
        """Take in one snapshot."""
        before, self._before = self._before, now
        slept = now.ahead_s - before.ahead_s if before else 0.0
        suspended = slept > SUSPENDED_S
        self.suspended_s += slept if suspended else 0.0
        if before is not None:
            self.own_s += now.own_s - before.own_s
            self._share = self._slice_share(before, now)
        for name, channel in self._channels.items():
            at_s = now.read_at_s.get(channel.id, now.at_s)
            moment = energy.Moment(at_s, self._share, suspended)
            self._take(name, channel, now.values.get(name), moment)

    def _take(self, name: str, channel: Channel, value: float | None, moment: energy.Moment) -> None:
        old = self.tallies[name]
        new = energy.add(old, value, channel, moment, self._max_gap_s)
        self.tallies[name] = new
        seconds = new.covered_s - old.covered_s
        if seconds > 0 and not name.endswith(COMPANIONS):
            self.trace.add(name, moment.at_s - seconds, moment.at_s, new.joules - old.joules)

    def _slice_share(self, before: Snapshot, now: Snapshot) -> float | None:
        """The command's share of the machine's CPU time since the snapshot before."""
        if now.busy_s is None or before.busy_s is None:
            return self._share
        passed = now.busy_s - before.busy_s
        self.busy_s = (self.busy_s or 0.0) + passed
        if now.tree_s is None or before.tree_s is None:
            return self._share
        used = max(0.0, now.tree_s - before.tree_s)
        return used / max(passed, used) if used > 0 else 0.0


def _with_companions(channels: Iterable[Channel]) -> dict[str, Channel]:
    """Channels by id; a model's bounds are folded by the rules of their channel."""
    found = {}
    for channel in channels:
        for name in (channel.id, channel.low_id, channel.high_id):
            if name is not None:
                found[name] = channel
    return found
