"""Power of a machine of which only the number of hardware threads is known, and perhaps the memory size.

Formulas, sources and the meaning of the intervals: docs/power-model.md.
"""

from __future__ import annotations

from energywrap.power_model.interval import BANDS, around
from energywrap.power_model.memory import guessed, ram
from energywrap.power_model.split import MOST_OF_IDLE, OF_LOAD, part
from energywrap.power_model.watts import Power, Watts

# W per hardware thread at the wall, idle and full, and the exponent between them: fitted on 1,074 published
# SPECpower_ssj2008 results (see data/SOURCES.md).
IDLE_W, FULL_W, EXPONENT = 0.63, 3.36, 0.75
WORKLOAD_SIGMA = 0.20  # spread over kinds of work at full load, TU Dresden's nine kernels on one machine
# GB per hardware thread of the fitted machines (64 cores of 2021, by the fit of memory on cores and year):
# their memory is inside the wall power above, so the rest is what remains beside that much memory
FITTED_GB_PER_THREAD = 1.3
TIER = "T5"


def machine(threads: int, utilisation: float, doubt: float = 0.0) -> Watts:
    """Wall power of `threads` hardware threads at a mean `utilisation` (0..1), known to +-`doubt`."""
    u = min(1.0, max(0.0, utilisation))
    return around(lambda x: threads * _per_thread(x), BANDS[TIER], u, doubt, WORKLOAD_SIGMA)


def split(
    threads: int,
    gigabytes: float | None,
    utilisation: float,
    doubt: float = 0.0,
    memory_kind: str | None = None,
) -> Power:
    """The machine's power by component; the rest is wall power less the CPU and a usual amount of memory."""
    u = min(1.0, max(0.0, utilisation))
    usual_gb = threads * FITTED_GB_PER_THREAD
    whole, usual = machine(threads, u, doubt), ram(usual_gb, u, doubt, memory_kind)
    idle_w = threads * IDLE_W
    cpu_w = MOST_OF_IDLE * idle_w + OF_LOAD * (whole.value - idle_w)
    beyond_gb = gigabytes - usual_gb if gigabytes else 0.0
    return Power(
        total=around(
            lambda x: threads * _per_thread(x) + ram(beyond_gb, x, kind=memory_kind).value,
            BANDS[TIER],
            u,
            doubt,
            WORKLOAD_SIGMA,
        ),
        cpu=part(cpu_w, whole),
        ram=ram(gigabytes, u, doubt, memory_kind) if gigabytes else guessed(usual),
        rest=part(whole.value - cpu_w - usual.value, whole),
        tier=TIER,
    )


def _per_thread(u: float) -> float:
    return IDLE_W + (FULL_W - IDLE_W) * float(u**EXPONENT)
