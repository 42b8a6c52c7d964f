"""Power over time in a bounded number of slices, however long the run. Pure."""

from __future__ import annotations

from energywrap.model import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_SLICES = 600
SHARED = " of the command"  # after a channel's name: no channel's id ends so


class Recorder:
    """Joules and covered seconds per channel and slice; when the slices run out, pairs of them merge."""

    def __init__(self, slice_s: float) -> None:
        self.slice_s = slice_s
        self._cells: dict[str, list[tuple[float, float]]] = {}

    def add(self, name: str, start_s: float, end_s: float, joules: float) -> None:
        """Spread `joules`, drawn evenly from `start_s` to `end_s`, over the slices they fall into."""
        while end_s > self.slice_s * MOST_SLICES:
            self._merge()
        cells = self._cells.setdefault(name, [])
        start_s, width = max(0.0, start_s), self.slice_s
        power = joules / (end_s - start_s) if end_s > start_s else 0.0
        for index in range(int(start_s / width), MOST_SLICES):
            if index * width >= end_s:
                break
            while len(cells) <= index:
                cells.append((0.0, 0.0))
            seconds = min(end_s, (index + 1) * width) - max(start_s, index * width)
            cells[index] = (cells[index][0] + power * seconds, cells[index][1] + seconds)

    def _merge(self) -> None:
        self.slice_s *= 2
        for name, cells in self._cells.items():
            pairs = zip(cells[::2], [*cells[1::2], (0.0, 0.0)], strict=False)
            self._cells[name] = [(a[0] + b[0], a[1] + b[1]) for a, b in pairs]

    def add_shared(self, name: str, start_s: float, end_s: float, joules: float) -> None:
        """The command's part of what `add` was told of the same channel and time."""
        self.add(name + SHARED, start_s, end_s, joules)

    def trace(self, names: Mapping[str, str]) -> Trace:
        """Mean power in W per slice under the given name of each channel; None where nothing was read."""
        count = max((len(self._cells.get(channel, ())) for channel in names), default=0)
        power: dict[str, tuple[float | None, ...]] = {}
        for channel, name in names.items():
            cells = self._cells.get(channel, [])
            padded = cells + [(0.0, 0.0)] * (count - len(cells))
            power[name] = tuple(joules / seconds if seconds > 0 else None for joules, seconds in padded)
        starts = tuple(round(index * self.slice_s, 6) for index in range(count))
        return Trace(self.slice_s, starts, power, self._shared(names, count))

    def _shared(self, names: Iterable[str], count: int) -> tuple[float | None, ...]:
        """The command's mean power in W per slice, of all these channels together."""
        joules, seconds = [0.0] * count, [0.0] * count
        for channel in names:
            for index, (part_j, part_s) in enumerate(self._cells.get(channel + SHARED, [])[:count]):
                joules[index] += part_j
                seconds[index] = max(seconds[index], part_s)
        return tuple(j / s if s > 0 else None for j, s in zip(joules, seconds))
