"""CPU, RAM and the rest of the machine from utilisation and memory size, by the generic power model."""

from __future__ import annotations

from energywrap import syscalls
from energywrap.errors import Unavailable
from energywrap.power_model import generic
from energywrap.readings import Basis, Channel, Component, Kind
from energywrap.sources.procstat import STAT, TICK_S, cpus, ram_bytes
from energywrap.units import BYTES_PER_GB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.readings import Gpu, Skipped, Snapshot

SETTLED_S = 0.5  # 50 ticks
SOURCE = "model: vCPU count only"
RAM_SOURCE = "model: W per GB"
PARTS = (
    (Component.CPU, "cpu", SOURCE),
    (Component.RAM, "memory", RAM_SOURCE),
    (Component.REST, "board, fans, power supply", SOURCE),
)


class Modelled:
    """Joules as three growing sums (value, low, high) per component, from the machine's busy CPU seconds."""

    name = "model"
    gpus: tuple[Gpu, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __init__(self, cpus: int, ram_bytes: int) -> None:
        self._cpus = cpus
        self._gigabytes = ram_bytes / BYTES_PER_GB
        self._settled = _zeros()
        self._shown = _zeros()
        self._before: Snapshot | None = None
        self.channels = tuple(_channel(component, device, source) for component, device, source in PARTS)

    def read(self) -> dict[str, float]:
        """Nothing: what the model goes by, the busy CPU seconds, is part of every snapshot."""
        return {}

    def reckon(self, now: Snapshot, *, final: bool) -> dict[str, float] | None:
        """Modelled J since the first snapshot, by channel id; None for one that need not be looked at.

        The kernel counts in ticks of 10 ms and power is no straight line in utilisation, so a step is settled
        once it is long enough to know the utilisation. A shorter one is taken only where the sums are wanted
        (`final`), and anew with the next.
        """
        if now.busy_s is None:
            return {}
        before = self._before
        if before is None or before.busy_s is None:
            self._before = now
            return dict(self._shown)
        seconds = now.at_s - before.at_s
        if seconds <= 0 or (seconds < SETTLED_S and not final):
            return None
        step = self._joules(seconds, now.busy_s - before.busy_s)
        sums = {name: joules + step[name] for name, joules in self._settled.items()}
        self._shown = {name: max(joules, sums[name]) for name, joules in self._shown.items()}
        if seconds >= SETTLED_S:
            self._settled, self._before = sums, now
        return dict(self._shown)

    def _joules(self, seconds: float, busy_s: float) -> dict[str, float]:
        doubt = min(1.0, TICK_S / seconds)
        watts = generic.split(self._cpus, self._gigabytes, busy_s / (seconds * self._cpus), doubt)
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
    """The model of last resort. Raises Unavailable without /proc (elsewhere than on Linux: psutil)."""
    try:
        return Modelled(cpus(STAT), ram_bytes())
    except (OSError, ValueError) as err:
        fix = "mount /proc" if syscalls.LINUX else "pip install psutil"
        raise Unavailable(f"utilisation cannot be read: {err}", fix) from err


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
