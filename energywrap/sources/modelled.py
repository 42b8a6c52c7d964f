"""CPU, RAM and the rest of the machine from utilisation and memory size, by the generic power model."""

from __future__ import annotations

from energywrap import power_model
from energywrap.errors import Unavailable
from energywrap.power_model import Watts
from energywrap.readings import Basis, Channel, Component, Kind
from energywrap.record import replace
from energywrap.sources import procstat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.config import Settings
    from energywrap.machine.identify import Identified
    from energywrap.model import Baseline, Idle
    from energywrap.power_model import Power
    from energywrap.power_model.calibrated import Anchor, Calibration
    from energywrap.readings import Gpu, Skipped, Snapshot

SETTLED_S = 0.9  # 90 ticks: at an interval of a second every reading settles
LEAST = "T5"  # the tier of a machine of which only the number of threads is known
PARTS = (
    (Component.CPU, "cpu"),
    (Component.RAM, "memory"),
    (Component.REST, "board, fans, power supply"),
)

WHOLE = (Component.MACHINE, "all parts")
MEASURABLE = (Component.CPU, Component.RAM, Component.MACHINE)


class Modelled:
    """Joules as three growing sums (value, low, high) per component, from the machine's busy CPU seconds."""

    name = "model"
    gpus: tuple[Gpu, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __init__(self, identified: Identified, *, rest: bool = True) -> None:
        self.identified = identified
        self._cpus = identified.machine.threads
        self.power = power_model.curve(identified.machine)
        self.tier = power_model.tier(identified.machine)
        self._settled = _zeros()
        self._shown = _zeros()
        self._before: Snapshot | None = None
        self._concentration = power_model.Concentration()
        parts = tuple(part for part in PARTS if rest or part[0] != Component.REST)
        whole = (WHOLE,) if rest else ()  # no line of its own: its interval is narrower than its parts' sums
        self._parts = parts + whole
        self.channels = self._channels()

    def calibrate(self, measured: Baseline) -> None:
        """Take the watts that were measured of this machine in place of the fitted ones, and say so."""
        found = calibration(measured)
        if found is not None:
            from energywrap.power_model import calibrated

            self.power = calibrated.curve(self.power, found)
            self.tier = calibrated.TIER
        self.identified = replace(
            self.identified, evidence=(*self.identified.evidence, said_of(measured, found))
        )
        self.channels = self._channels()

    def _channels(self) -> tuple[Channel, ...]:
        return tuple(_channel(part, device, _label(self, part)) for part, device in self._parts)

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
        if now.running is not None:
            self._concentration.see(now.running, self._cpus)
        seconds = now.at_s - before.at_s
        if seconds <= 0 or (seconds < SETTLED_S and not final):
            return None
        step = self._joules(seconds, before, now)
        sums = {name: joules + step[name] for name, joules in self._settled.items()}
        self._shown = {name: max(joules, sums[name]) for name, joules in self._shown.items()}
        if seconds >= SETTLED_S:
            self._settled, self._before = sums, now
        return dict(self._shown)

    def _joules(self, seconds: float, before: Snapshot, now: Snapshot) -> dict[str, float]:
        watts = self._watts(seconds, before, now)
        found = {}
        for component, part in (
            (Component.CPU, watts.cpu),
            (Component.RAM, watts.ram),
            (Component.REST, watts.rest),
            (Component.MACHINE, watts.total),
        ):
            for suffix, value in (("", part.value), (":low", part.low), (":high", part.high)):
                found[f"model:{component}{suffix}"] = value * seconds
        return found

    def _watts(self, seconds: float, before: Snapshot, now: Snapshot) -> Power:
        """Power at the mean utilisation of the step, and at how it lay on the CPUs where that is known."""
        busy_s = (now.busy_s or 0.0) - (before.busy_s or 0.0)
        mean = min(1.0, max(0.0, busy_s / (seconds * self._cpus)))
        doubt = min(1.0, procstat.TICK_S / seconds)
        was, is_now = procstat.each_busy_s(before.stat), procstat.each_busy_s(now.stat)
        each = [min(1.0, max(0.0, (is_now[cpu] - was[cpu]) / seconds)) for cpu in is_now if cpu in was]
        constant = self._concentration.step(mean, self._cpus, settled=seconds >= SETTLED_S)
        return self.power(mean, max(constant, power_model.packedness(each)), doubt)

    def close(self) -> None:
        """Nothing is held open."""


def open_model(settings: Settings) -> Modelled:
    """The model of last resort. Raises Unavailable without /proc."""
    from energywrap.machine import identify

    try:
        procstat.busy_s(procstat.read())
        identified = identify.describe(identify.of_settings(settings))
    except (OSError, ValueError) as err:
        raise Unavailable(f"utilisation cannot be read: {err}", "mount /proc") from err
    return Modelled(identified, rest=not settings.no_rest)


def calibration(measured: Baseline) -> Calibration | None:
    """What was measured, as the power model takes it; None where nothing of it can be used."""
    from energywrap.power_model.calibrated import Calibration

    parts = {part: _anchors(by_load, measured.threads) for part, by_load in measured.parts.items()}
    cpu, ram, machine = (parts.get(part, ()) for part in MEASURABLE)
    return Calibration(cpu, ram, machine) if cpu or ram or machine else None


def said_of(measured: Baseline, found: Calibration | None) -> str:
    """The sentence about a calibration: what it measured of the machine and how; or why it is not used."""
    if found is None:
        return f"a calibration is kept but not used: {measured.how}"
    parts = ", ".join(
        f"{part} {by_load['0'].watts:.3g} W idle{_loaded(by_load)} by {measured.by[part]}"
        for part, by_load in measured.parts.items()
    )
    return f"calibrated: {parts}, {measured.how}"


def _loaded(by_load: Mapping[str, Idle]) -> str:
    most = max(by_load, key=int)
    return f" and {by_load[most].watts:.3g} W with {most} threads busy" if most != "0" else ""


def _anchors(by_load: Mapping[str, Idle], threads: int) -> tuple[Anchor, ...]:
    """By rising load, from the idle machine; none of it where that was not measured or drew nothing."""
    from energywrap.power_model.calibrated import Anchor

    if "0" not in by_load or by_load["0"].watts <= 0:
        return ()
    return tuple(
        Anchor(int(busy) / threads, Watts(watts.watts, watts.low_w, watts.high_w))
        for busy, watts in sorted(by_load.items(), key=lambda pair: int(pair[0]))
    )


def _label(model: Modelled, part: str) -> str:
    """What a line of the report says of where its number is from."""
    machine = model.identified.machine
    if model.tier == LEAST:
        return "model: W per GB" if part == Component.RAM else "model: vCPU count only"
    known = machine.cpu or machine.arch or "processor unknown"
    return f"model: {known}, {model.tier}"


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
    return {f"model:{c}{s}": 0.0 for c, _ in (*PARTS, WHOLE) for s in ("", ":low", ":high")}
