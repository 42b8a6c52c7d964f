"""A machine whose power was measured once, idle and under load: what was measured takes the fitted place.

Formulas: docs/power-model.md#a-machine-that-was-measured.
"""

from __future__ import annotations

from bisect import bisect_right

from energywrap.power_model.interval import Z90, around, widened
from energywrap.power_model.split import MOST_OF_REMAINDER, part
from energywrap.power_model.watts import Power, Watts
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from energywrap.power_model.interval import Band

    Curve = Callable[[float, float, float], Power]

TIER = "T0"
WORKLOAD_SIGMA = 0.20  # spread over kinds of work at full load: what was measured is one kind
ANOTHER_DAY = 0.05  # P90: warmer air, other services, another kernel; our assumption
# standard deviation of a fitted curve between its ends, greatest at half load: on the machines of the test
# split the shape alone is off by 6.5 % on average
SHAPE_SIGMA = 0.08
KNOTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@record
class Anchor:
    """Mean power at a mean utilisation (0..1) of all threads, some of them pegged and the others idle."""

    utilisation: float
    watts: Watts


@record
class Calibration:
    """What was measured of a machine, by rising utilisation; empty: not measured. The first is idle."""

    cpu: tuple[Anchor, ...] = ()
    ram: tuple[Anchor, ...] = ()
    machine: tuple[Anchor, ...] = ()  # without its GPUs


def curve(base: Curve, found: Calibration) -> Curve:
    """The model with measured watts in place of what was fitted, at utilisation, packedness and doubt."""
    knots = [base(u, 0.0, 0.0).total.value for u in KNOTS]
    cpu = Line(found.cpu, knots) if found.cpu else None
    machine = Line(found.machine, knots) if found.machine else None
    idle = base(0.0, 0.0, 0.0)

    def at(utilisation: float, packed: float, doubt: float) -> Power:
        model = base(utilisation, packed, doubt)
        ram = _shifted(model.ram, idle.ram, found.ram[0].watts) if found.ram else model.ram
        processor = cpu.at(utilisation, packed, doubt, model) if cpu else None
        if machine is None:
            return _sum(processor or model.cpu, ram, model.rest)
        whole = machine.at(utilisation, packed, doubt, model)
        return _divided(whole, processor, ram, model, measured_ram=bool(found.ram))

    return at


class Line:
    """Power of a part, or of the whole, through what was measured of it."""

    def __init__(self, anchors: tuple[Anchor, ...], fitted_w: list[float]) -> None:
        self._at = [anchor.utilisation for anchor in anchors]
        self._watts: list[float] = []
        for anchor in anchors:  # more threads never draw less: a step down is the meter's noise
            self._watts.append(max([*self._watts, anchor.watts.value]))
        self._idle, self._top = anchors[0].watts, anchors[-1].watts
        span = fitted_w[-1] - fitted_w[0]
        self._spread = [(watts - fitted_w[0]) / span for watts in fitted_w]
        self._fitted_idle_w = fitted_w[0]
        self._band = _band(self._idle, self._top)

    def at(self, utilisation: float, packed: float, doubt: float, model: Power) -> Watts:
        """W at a utilisation known to +-`doubt`, where `model` is what the fit says."""
        if len(self._at) == 1:  # only the idle machine was measured: the fit tells what load adds
            added = model.total.value - self._fitted_idle_w
            low, high = model.total.low / model.total.value, model.total.high / model.total.value
            value, idle = self._watts[0] + added, self._idle
            return Watts(value, min(value, idle.low + added * low), max(value, idle.high + added * high))
        u = min(1.0, max(0.0, utilisation))
        pegged = min(1.0, max(0.0, packed))
        return around(lambda x: self._power(x, pegged), self._band, u, doubt, WORKLOAD_SIGMA)

    def _power(self, u: float, packed: float) -> float:
        idle_w, span = self._watts[0], self._watts[-1] - self._watts[0]
        spread = idle_w + span * between(KNOTS, self._spread, u)
        return (1 - packed) * spread + packed * between(self._at, self._watts, u)


def between(xs: tuple[float, ...] | list[float], ys: list[float], x: float) -> float:
    """The straight line between the two points around `x`; beyond the last point, its value."""
    if x <= xs[0]:
        return ys[0]
    if x >= xs[-1]:
        return ys[-1]
    i = bisect_right(xs, x)
    return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1])


def _band(idle: Watts, top: Watts) -> Band:
    """Factors by load: the instrument's at both ends, and between them the doubt about the curve as well."""
    low, high = widened(idle.low / idle.value, idle.high / idle.value, ANOTHER_DAY)
    full = widened(top.low / top.value, top.high / top.value, ANOTHER_DAY)
    little, half = Z90 * SHAPE_SIGMA * 0.64, Z90 * SHAPE_SIGMA  # 4 u (1 - u) at 0.2 and at 0.5
    return (low, high), widened(low, high, little), widened(*full, half), full


def _shifted(now: Watts, idle: Watts, measured: Watts) -> Watts:
    """The measured idle power, and what the model adds for the load."""
    value = measured.value + now.value - idle.value
    low = measured.low + max(0.0, now.low - idle.low)
    return Watts(value, min(value, low), max(value, measured.high + now.high - idle.high))


def _sum(cpu: Watts, ram: Watts, rest: Watts) -> Power:
    """The machine from parts whose errors are independent: half-widths add in quadrature."""
    found = (cpu, ram, rest)
    value = sum(each.value for each in found)
    under = sum((each.value - each.low) ** 2 for each in found) ** 0.5
    over = sum((each.high - each.value) ** 2 for each in found) ** 0.5
    return Power(Watts(value, max(0.0, value - under), value + over), cpu, ram, rest, TIER)


def _divided(whole: Watts, cpu: Watts | None, ram: Watts, model: Power, *, measured_ram: bool) -> Power:
    """The measured whole: its measured parts as they are, the others as the model divides what is left."""
    beside_w = max(0.0, whole.value - (cpu.value if cpu else 0.0))
    most_w = beside_w if measured_ram else MOST_OF_REMAINDER * beside_w
    ram = Watts(min(ram.value, most_w), min(ram.low, most_w), ram.high)
    if cpu is None:
        fitted_w = model.cpu.value + model.rest.value
        cpu = part(model.cpu.value * (whole.value - ram.value) / fitted_w, whole)
    rest_w = max(0.0, whole.value - cpu.value - ram.value)
    # a part that is above the whole is its instrument's noise: what adds up is the total, and no less
    times = (cpu.value + ram.value + rest_w) / whole.value
    total = Watts(whole.value * times, whole.low * times, whole.high * times)
    return Power(total, cpu, ram, part(rest_w, whole), TIER)
