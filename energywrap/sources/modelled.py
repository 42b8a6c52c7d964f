"""CPU, RAM and the rest of the machine from utilisation and memory size, by the generic power model."""

from __future__ import annotations

import time

from energywrap.errors import Unavailable
from energywrap.model import Basis, Channel, Component, Kind
from energywrap.sources.procstat import CpuTimes, cpu_times, ram_bytes
from energywrap.units import BYTES_PER_GB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.model import Gpu, Skipped

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
        self._sums: dict[str, float] = {}
        self._before = (time.monotonic(), cpu_times(stat))
        self.channels = tuple(_channel(component, device, source) for component, device, source in PARTS)

    def read(self) -> dict[str, float]:
        """Modelled J since the source was opened, by channel id; nothing when /proc/stat fails."""
        try:
            now = (time.monotonic(), cpu_times(self._stat))
        except (OSError, ValueError):
            return {}
        seconds = now[0] - self._before[0]
        if seconds > 0:
            self._add(seconds, now[1])
            self._before = now
        return dict(self._sums) if self._sums else _zeros()

    def _add(self, seconds: float, times: CpuTimes) -> None:
        from energywrap.power_model import generic  # not needed before the command has started

        busy = times.busy_s - self._before[1].busy_s
        doubt = min(1.0, times.tick_s / seconds)
        watts = generic.split(times.cpus, self._gigabytes, busy / (seconds * times.cpus), doubt)
        sums = self._sums or _zeros()
        for component, part in (
            (Component.CPU, watts.cpu),
            (Component.RAM, watts.ram),
            (Component.REST, watts.rest),
        ):
            for suffix, value in (("", part.value), (":low", part.low), (":high", part.high)):
                sums[f"model:{component}{suffix}"] += value * seconds
        self._sums = sums

    def close(self) -> None:
        """Nothing is held open."""


def open_model(settings: Settings) -> Modelled:
    """The model of last resort. Raises Unavailable without /proc."""
    try:
        return Modelled("/proc/stat", ram_bytes())
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
