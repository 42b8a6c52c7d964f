"""CPU, RAM and the rest of the machine from utilisation and memory size, by the generic power model."""

from __future__ import annotations

import time

from energywrap.errors import Unavailable
from energywrap.readings import Basis, Channel, Component, Kind
from energywrap.sources.procstat import STAT, CpuTimes, ram_bytes, recent_cpu_times
from energywrap.units import BYTES_PER_GB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.readings import Gpu, Skipped

SETTLED_S = 0.5  # 50 ticks
SOURCE = "model: vCPU count only"
RAM_SOURCE = "model: W per GB"
PARTS = (
    (Component.CPU, "cpu", SOURCE),
    (Component.RAM, "memory", RAM_SOURCE),
    (Component.REST, "board, fans, power supply", SOURCE),
)


class Modelled:
    """Joules as three growing sums (value, low, high) per component, from the jiffies of /proc/stat."""

    name = "model"
    gpus: tuple[Gpu, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __init__(self, stat: str, ram_bytes: int) -> None:
        self._stat = stat
        self._gigabytes = ram_bytes / BYTES_PER_GB
        self._settled = _zeros()
        self._shown = _zeros()
        self._before: tuple[float, CpuTimes] | None = None
        self.channels = tuple(_channel(component, device, source) for component, device, source in PARTS)

    def read(self) -> dict[str, float]:
        """Modelled J since the first reading, by channel id; nothing when /proc/stat fails.

        The kernel counts in ticks of 10 ms and power is no straight line in utilisation, so a step is settled
        once it is long enough to know the utilisation; until then it is taken anew at every reading.
        """
        try:
            now = (time.monotonic(), recent_cpu_times(self._stat))
        except (OSError, ValueError):
            return {}
        if self._before is None:
            self._before = now
            return dict(self._shown)
        seconds = now[0] - self._before[0]
        if seconds > 0:
            step = self._joules(seconds, self._before[1], now[1])
            sums = {name: joules + step[name] for name, joules in self._settled.items()}
            self._shown = {name: max(joules, sums[name]) for name, joules in self._shown.items()}
            if seconds >= SETTLED_S:
                self._settled, self._before = sums, now
        return dict(self._shown)

    def _joules(self, seconds: float, before: CpuTimes, now: CpuTimes) -> dict[str, float]:
        from energywrap.power_model import generic  # not needed before the command has started

        doubt = min(1.0, now.tick_s / seconds)
        mean = (now.busy_s - before.busy_s) / (seconds * now.cpus)
        watts = generic.split(now.cpus, self._gigabytes, mean, doubt)
        found = {}
        for component, part in (
            (Component.CPU, watts.cpu),
            (Component.RAM, watts.ram),
            (Component.REST, watts.rest),
        ):
            for suffix, value in (("", part.value), (":low", part.low), (":high", part.high)):
                found[f"model:{component}{suffix}"] = value * seconds
        return found

    def close(self) -> None:
        """Nothing is held open."""


def open_model(settings: Settings) -> Modelled:
    """The model of last resort. Raises Unavailable without /proc."""
    try:
        return Modelled(STAT, ram_bytes())
    except (OSError, ValueError) as err:
        raise Unavailable(f"utilisation cannot be read: {err}", "mount /proc") from err


def _channel(component: str, device: str, source: str) -> Channel:
    name = f"model:{component}"
    return Channel(
        id=name,
        component=component,
        device=device,
        source=source,
        kind=Kind.COUNTER,
        basis=Basis.MODELLED,
        max_w=1e6,
        low_id=f"{name}:low",
        high_id=f"{name}:high",
    )


def _zeros() -> dict[str, float]:
    return {f"model:{c}{s}": 0.0 for c, _, _ in PARTS for s in ("", ":low", ":high")}
