"""Power of a machine of which only the number of hardware threads and the memory size are known.

Formulas, sources and the meaning of the intervals: docs/methodology.md#power-without-a-counter.
"""

from __future__ import annotations

from math import exp, log

from energywrap.record import record

# W per hardware thread at the wall, idle and full, and the exponent between them: fitted on 1,074 published
# SPECpower_ssj2008 results (see data/SOURCES.md).
IDLE_W, FULL_W, EXPONENT = 0.63, 3.36, 0.75
# P10 and P90 of measured over predicted power, held out: utilisation, low, high
BAND = ((0.0, 0.44, 2.14), (0.1, 0.58, 1.37), (0.3, 0.58, 1.37), (0.4, 0.46, 1.36), (1.0, 0.46, 1.36))
HIGH_TURNS_AT = 0.05533017  # between the band's knots the upper bound has one maximum, here
WORKLOAD_SIGMA = 0.20  # spread over kinds of work at full load, TU Dresden's nine kernels on one machine
Z90 = 1.2816  # P90 of the standard normal distribution
CPU_SHARE_OF_IDLE, CPU_SHARE_OF_LOAD = 0.45, 0.80  # of wall power, the rest being fans, board and losses
RAM_IDLE_W_PER_GB, RAM_LOAD_W_PER_GB = 0.06, 0.10  # measured DIMMs, ICPE 2024
RAM_IDLE_HIGH_W_PER_GB, RAM_LOAD_HIGH_W_PER_GB = 0.11, 0.20
# GB per hardware thread of the fitted machines (64 cores of 2021, by the fit of memory on cores and year):
# their memory is inside the wall power above, so the rest is what remains beside that much memory
FITTED_GB_PER_THREAD = 1.3


@record
class Watts:
    """A modelled power with its P10-P90 interval, in W."""

    value: float
    low: float
    high: float


@record
class Split:
    """The machine's power by component."""

    cpu: Watts
    ram: Watts
    rest: Watts


def machine(threads: int, utilisation: float, doubt: float = 0.0) -> Watts:
    """Wall power of `threads` hardware threads at a mean `utilisation` (0..1), known to +-`doubt`."""
    u = min(1.0, max(0.0, utilisation))
    under, over = max(0.0, u - doubt), min(1.0, u + doubt)
    turns = (*(knot for knot, _, _ in BAND), HIGH_TURNS_AT)
    possible = [under, u, over, *(turn for turn in turns if under < turn < over)]
    return Watts(
        threads * _per_thread(u),
        threads * min(_per_thread(x) * _factors(x)[0] for x in possible),
        threads * max(_per_thread(x) * _factors(x)[1] for x in possible),
    )


def ram(gigabytes: float, utilisation: float, doubt: float = 0.0) -> Watts:
    """Power of the installed memory; high up to the saturated figure, low at idle."""
    u = min(1.0, max(0.0, utilisation))
    over = min(1.0, u + doubt)
    return Watts(
        gigabytes * (RAM_IDLE_W_PER_GB + RAM_LOAD_W_PER_GB * u),
        gigabytes * RAM_IDLE_W_PER_GB,
        gigabytes * (RAM_IDLE_HIGH_W_PER_GB + RAM_LOAD_HIGH_W_PER_GB * over),
    )


def split(threads: int, gigabytes: float, utilisation: float, doubt: float = 0.0) -> Split:
    """The machine's power by component; the rest is wall power less the CPU and a usual amount of memory."""
    whole = machine(threads, utilisation, doubt)
    idle_w = threads * IDLE_W
    cpu_w = CPU_SHARE_OF_IDLE * idle_w + CPU_SHARE_OF_LOAD * (whole.value - idle_w)
    rest_w = whole.value - cpu_w - ram(threads * FITTED_GB_PER_THREAD, utilisation).value
    low, high = whole.low / whole.value, whole.high / whole.value
    return Split(
        cpu=Watts(cpu_w, cpu_w * low, cpu_w * high),
        ram=ram(gigabytes, utilisation, doubt),
        rest=Watts(rest_w, rest_w * low, rest_w * high),
    )


def _per_thread(u: float) -> float:
    return IDLE_W + (FULL_W - IDLE_W) * float(u**EXPONENT)


def _factors(u: float) -> tuple[float, float]:
    """Low and high factors at `u`: the machine's band and the workload's spread, in quadrature of logs."""
    for (u0, low0, high0), (u1, low1, high1) in zip(BAND, BAND[1:], strict=False):
        if u <= u1:
            at = (u - u0) / (u1 - u0)
            low, high = low0 + at * (low1 - low0), high0 + at * (high1 - high0)
            break
    work = (Z90 * WORKLOAD_SIGMA * u) ** 2
    return exp(-((log(low) ** 2 + work) ** 0.5)), exp((log(high) ** 2 + work) ** 0.5)
