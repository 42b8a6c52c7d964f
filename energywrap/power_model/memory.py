"""Power of memory by its size, its kind and the utilisation of the processor, in W.

Sources and what was never measured: docs/power-model.md#memory.
"""

from __future__ import annotations

from energywrap.power_model.watts import Watts
from energywrap.record import record


@record
class Dimms:
    """W per GB (1e9 bytes) of a kind: usual and P10 to P90, idle and beside a fully busy processor."""

    idle: Watts
    full: Watts


# DDR4: DC power of modules on riser cards (ICPE 2024), and of an unregistered one at its worst (2014)
DDR4 = Dimms(Watts(0.06, 0.04, 0.11), Watts(0.16, 0.055, 0.31))
KINDS = {
    # six modules of 4 GB in a server of 2009: 0.21 and 1.33 at the wall; later ones hold four times as much
    "ddr3": Dimms(Watts(0.10, 0.06, 0.18), Watts(0.43, 0.16, 1.13)),
    "ddr4": DDR4,
    "ddr5": Dimms(Watts(0.06, 0.03, 0.15), Watts(0.16, 0.045, 0.40)),  # not measured: as DDR4, and wider
    "lpddr": Dimms(Watts(0.03, 0.01, 0.06), Watts(0.10, 0.03, 0.20)),  # not measured: our assumption
}
# an old machine is known by its generation, so what is not known is DDR4 or DDR5
UNKNOWN = Dimms(Watts(0.06, 0.03, 0.15), Watts(0.16, 0.045, 0.40))
# P10 and P90 of a machine's memory over the usual one for its cores and age, on the fitted machines
SIZE_LOW, SIZE_HIGH = 0.61, 1.74


def ram(gigabytes: float, utilisation: float, doubt: float = 0.0, kind: str | None = None) -> Watts:
    """Power of so much memory at a utilisation (0..1) known to +-`doubt`.

    How busy memory is does not follow from how busy the processor is: idle at worst, saturated at best.
    """
    dimms = KINDS.get(kind or "", UNKNOWN)
    u = min(1.0, max(0.0, utilisation))
    under, over = max(0.0, u - doubt), min(1.0, u + doubt)
    return Watts(
        gigabytes * _at(dimms.idle.value, dimms.full.value, u),
        gigabytes * _at(dimms.idle.low, dimms.full.low, under),
        gigabytes * _at(dimms.idle.high, dimms.full.high, over),
    )


def guessed(usual: Watts) -> Watts:
    """The power of memory whose size is not known."""
    return Watts(usual.value, usual.low * SIZE_LOW, usual.high * SIZE_HIGH)


def _at(idle: float, full: float, u: float) -> float:
    return idle + (full - idle) * u
