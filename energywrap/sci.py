"""Software carbon intensity by ISO/IEC 21031:2024: SCI = (O + M) per R. Pure."""

from __future__ import annotations

from energywrap.footprint import Factor, total
from energywrap.model import Sci
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energywrap.model import FootprintLine, Scope

MACHINE, COMMAND = "machine", "command"


@record
class Served:
    """How many functional units the run served, and how that is known."""

    unit: str
    count: float
    how: str


def sci(served: Served, scopes: Mapping[str, Scope], lines: Sequence[FootprintLine]) -> Sci | None:
    """gCO2e per unit; None where the run's energy is not known.

    O is energy x PUE x location-based intensity (no market instrument is ever in it), M the embodied carbon
    by time and reserved resources. The software is the command: its share where that is known.
    """
    name = COMMAND if scopes[COMMAND].co2e_g is not None else MACHINE
    scope = scopes[name]
    if scope.co2e_g is None or scope.co2e_low_g is None or scope.co2e_high_g is None:
        return None
    operational = Factor(scope.co2e_g, scope.co2e_low_g, scope.co2e_high_g)
    made = [line for line in lines if line.scope == name and line.name.startswith("embodied")]
    embodied = total(*(Factor(line.value, line.low, line.high) for line in made))
    whole = total(operational, embodied)
    inside = "the command's share of the energy" if name == COMMAND else "the whole machine's energy"
    making = "; ".join(line.source for line in made) or "no embodied carbon is known"
    return Sci(
        unit=served.unit,
        count=served.count,
        g_per_unit=whole.value / served.count,
        low_g_per_unit=whole.low / served.count,
        high_g_per_unit=whole.high / served.count,
        operational_g=operational.value,
        embodied_g=embodied.value,
        boundary=f"{inside}, PUE included; making: {making}",
        count_from=served.how,
    )
