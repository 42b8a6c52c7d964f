"""The parts of a footprint, the hidden ones among them: cooling, making, network, storage, water. Pure.

Formulas and their sources: docs/methodology.md#the-hidden-parts.
"""

from __future__ import annotations

from energywrap.footprint import Factor, ends, product, total
from energywrap.model import Basis, FootprintLine
from energywrap.record import record
from energywrap.units import BYTES_PER_GB, kwh_from_joules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.extras import Extras
    from energywrap.model import CarbonIntensity, Facility, Made, Making, Scope

SECONDS_PER_YEAR = 31_557_600  # 365.25 days
HOURS_PER_DAY = 24
BYTES_PER_TB = 1e12
G_PER_KG, WH_PER_KWH = 1000, 1000
GRAMS, LITRES = "gCO2e", "L"
MACHINE, COMMAND = "machine", "command"


@record
class Known:
    """A factor with its source."""

    factor: Factor
    source: str


@record
class Around:
    """What stands around a run's energy: the factors of all that is not energy times intensity."""

    duration_s: float
    making: Making | None
    network_bytes: int | None
    network: Known  # kWh per GB
    drives: Known  # Wh per TB and hour
    copies: Known  # of what is stored
    grid_water: Known | None  # L per kWh


def lines(
    scopes: Mapping[str, Scope],
    intensities: Mapping[str, CarbonIntensity],
    facility: Facility,
    around: Around,
    extras: Extras,
) -> tuple[FootprintLine, ...]:
    """Every part of each scope that something can be said of, with a total of those that count."""
    found: list[FootprintLine] = []
    for name in (MACHINE, COMMAND):
        scope, intensity = scopes[name], intensities[name]
        parts = _operational(name, scope, intensity, facility)
        parts += _embodied(name, around, extras)
        if name == MACHINE:
            parts += _network(around, intensity, extras)
        else:
            parts += _storage(around, intensity, facility, extras)
        whole = _total(name, scope, parts)
        found += [*parts, *whole]
        if name == MACHINE:
            found += _water(scope, facility, around, extras) + _cost(scope, facility, extras)
    return tuple(found)


def made_g(made: Made, seconds: float, part: float) -> Factor:
    """The part of its making that falls to so long a use: kg x 1000 x s / lifetime x part (SCI's M)."""
    share = G_PER_KG * seconds / (made.years * SECONDS_PER_YEAR) * part
    return Factor(made.kg * share, made.low_kg * share, made.high_kg * share)


def _operational(
    name: str, scope: Scope, intensity: CarbonIntensity, facility: Facility
) -> list[FootprintLine]:
    """What the IT draws, and what the site adds to that."""
    if scope.energy_j is None or scope.low_j is None or scope.high_j is None:
        return []
    energy = Factor(*(kwh_from_joules(j) for j in (scope.energy_j, scope.low_j, scope.high_j)))
    grid = Factor(intensity.g_per_kwh, intensity.low_g_per_kwh, intensity.high_g_per_kwh)
    overhead = Factor(facility.pue - 1, facility.low - 1, facility.high - 1)
    it = f"energy x {intensity.g_per_kwh:.4g} g/kWh of {intensity.zone} ({intensity.boundary})"
    site = f"energy x (PUE {facility.pue:g} - 1) x intensity"
    return [
        _line("it", name, product(energy, grid), GRAMS, Basis.MODELLED, it, True),
        _line("facility", name, product(energy, overhead, grid), GRAMS, Basis.ASSUMED, site, True),
    ]


def _embodied(name: str, around: Around, extras: Extras) -> list[FootprintLine]:
    """The machine's making by time and reserved resources; each GPU by time."""
    making = around.making
    if making is None:
        return []
    counts = "embodied" in extras.include
    part = making.part * (making.reserved if name == COMMAND else 1.0)
    found = [_made("embodied", name, making.machine, around.duration_s, part, counts)]
    found += [_made("embodied gpu", name, gpu, around.duration_s, 1.0, counts) for gpu in making.gpus]
    return found


def _made(kind: str, name: str, made: Made, seconds: float, part: float, counts: bool) -> FootprintLine:
    share = f"{part:.3g} of " if part < 1 else ""
    words = f"{share}{made.what}, {made.kg:.0f} kg over {made.years:g} years ({made.source})"
    return _line(kind, name, made_g(made, seconds, part), GRAMS, made.basis, words, counts)


def _network(around: Around, intensity: CarbonIntensity, extras: Extras) -> list[FootprintLine]:
    """An allocated estimate: most of a network's energy does not follow the bytes."""
    if around.network_bytes is None:
        return []
    sent = around.network_bytes / BYTES_PER_GB
    grid = Factor(intensity.g_per_kwh, intensity.low_g_per_kwh, intensity.high_g_per_kwh)
    grams = product(Factor(sent, sent, sent), around.network.factor, grid)
    per_gb = f"{around.network.factor.value:g} kWh/GB"
    words = f"{sent:.3g} GB x {per_gb}, an allocated estimate ({around.network.source})"
    return [_line("network", MACHINE, grams, GRAMS, Basis.ASSUMED, words, "network" in extras.include)]


def _storage(
    around: Around, intensity: CarbonIntensity, facility: Facility, extras: Extras
) -> list[FootprintLine]:
    """What the run keeps, in remote storage: TB x Wh/TB.h x hours x copies x PUE x intensity."""
    kept = extras.storage
    if kept is None:
        return []
    drives, copies = around.drives, around.copies
    amount = kept.size_bytes / BYTES_PER_TB * kept.days * HOURS_PER_DAY / WH_PER_KWH
    grams = product(
        Factor(amount, amount, amount),
        drives.factor,
        copies.factor,
        Factor(facility.pue, facility.low, facility.high),
        Factor(intensity.g_per_kwh, intensity.low_g_per_kwh, intensity.high_g_per_kwh),
    )
    words = (
        f"{kept.size_bytes / BYTES_PER_TB:.3g} TB for {kept.days:g} days, {drives.factor.value:g} Wh/TB.h x "
        f"{copies.factor.value:g} copies ({', '.join(dict.fromkeys((drives.source, copies.source)))})"
    )
    return [_line("storage", COMMAND, grams, GRAMS, Basis.ASSUMED, words, "storage" in extras.include)]


def _total(name: str, scope: Scope, parts: list[FootprintLine]) -> list[FootprintLine]:
    """The lines that count. IT and facility err together: their sum has the operational CO2e's bounds."""
    if scope.co2e_g is None or scope.co2e_low_g is None or scope.co2e_high_g is None:
        return []
    operational = Factor(scope.co2e_g, scope.co2e_low_g, scope.co2e_high_g)
    further = [line for line in parts if line.in_total and line.name not in ("it", "facility")]
    summed = total(operational, *(Factor(line.value, line.low, line.high) for line in further))
    names = ", ".join(dict.fromkeys(["operational", *(line.name for line in further)]))
    return [_line("total", name, summed, GRAMS, Basis.MODELLED, names, False)]


def _water(scope: Scope, facility: Facility, around: Around, extras: Extras) -> list[FootprintLine]:
    """Litres: IT kWh x (site's + PUE x grid's)."""
    energy = scope.energy_j
    if not extras.water or energy is None or scope.low_j is None or scope.high_j is None:
        return []
    kwh = Factor(*(kwh_from_joules(j) for j in (energy, scope.low_j, scope.high_j)))
    found = []
    if facility.wue_l_per_kwh:
        site = Factor(*ends(facility.wue_l_per_kwh, 0.5, 2.0))
        words = f"{facility.wue_l_per_kwh:g} L/kWh at the site"
        found.append(_line("water site", MACHINE, product(kwh, site), LITRES, Basis.ASSUMED, words, False))
    if around.grid_water is not None:
        pue = Factor(facility.pue, facility.low, facility.high)
        grams = product(kwh, pue, around.grid_water.factor)
        words = f"PUE x {around.grid_water.factor.value:.3g} L/kWh of the grid ({around.grid_water.source})"
        found.append(_line("water grid", MACHINE, grams, LITRES, Basis.ASSUMED, words, False))
    return found


def _cost(scope: Scope, facility: Facility, extras: Extras) -> list[FootprintLine]:
    """What the energy costs, the site's overhead included."""
    price = extras.price
    if price is None or scope.energy_j is None or scope.low_j is None or scope.high_j is None:
        return []
    kwh = Factor(*(kwh_from_joules(j) for j in (scope.energy_j, scope.low_j, scope.high_j)))
    cost = product(
        kwh,
        Factor(facility.pue, facility.low, facility.high),
        Factor(price.amount, price.amount, price.amount),
    )
    words = f"{price.amount:g} {price.currency} per kWh, as given, x PUE {facility.pue:g}"
    return [_line("cost", MACHINE, cost, price.currency, Basis.MODELLED, words, False)]


def _line(
    kind: str, scope: str, amount: Factor, unit: str, basis: str, source: str, counts: bool
) -> FootprintLine:
    return FootprintLine(kind, scope, amount.value, amount.low, amount.high, unit, basis, source, counts)
