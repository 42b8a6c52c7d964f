"""In one letter how far a result can be trusted, why, and the one thing that would raise it. Pure.

The rule is in docs/methodology.md#the-grade.
"""

from __future__ import annotations

from math import log

from energywrap.model import Basis, Grade
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.model import CarbonIntensity, ComponentEnergy, Facility, ModelBasis, Place, Scope

LETTERS = "ABCDE"
# P90 over P10 of the CO2e, up to which a letter is given; beyond the last one it is E
LIMITS = (1.35, 1.8, 3.0, 6.0)
SEEN = 0.9  # of the run: with less, the gap decides
SHORTEST_S = 0.05
WORLD, LEAST_TIER = "WORLD", "T5"
KNOWN = ("given", "live")  # an intensity of this quality needs no zone


@record
class Basics:
    """What a grade is made from."""

    scope: Scope  # the machine's
    components: Sequence[ComponentEnergy]
    model: ModelBasis | None
    intensity: CarbonIntensity
    place: Place
    facility: Facility
    virtual: bool
    duration_s: float


@record
class Doubt:
    """One reason for trusting a result less: the best letter that it leaves, its words, its cure."""

    letter: str
    reason: str
    cure: str | None


def grade(basics: Basics) -> Grade:
    """The letter of the worst doubt; of equal ones, what no interval tells comes first."""
    scope = basics.scope
    if scope.energy_j is None or not basics.components:
        return Grade("E", "no energy could be measured or modelled", "see `energywrap doctor`")
    doubts = [*_certain(basics), *_width(basics)]
    worst = max(doubts, key=lambda doubt: doubt.letter)
    if worst.letter == "A":
        return Grade("A", "measured, at a known place, with a fresh intensity", None)
    return Grade(worst.letter, worst.reason, worst.cure)


def _certain(basics: Basics) -> list[Doubt]:
    """What no interval tells."""
    found = [Doubt("A", "", None)]
    if basics.duration_s < SHORTEST_S:
        found.append(Doubt("D", "the run was shorter than the meters resolve", "repeat the command"))
    if basics.place.zone == WORLD and basics.intensity.quality not in KNOWN:
        found.append(Doubt("D", "the grid zone is not known", "--zone"))
    seen = min(part.coverage for part in basics.components)
    if seen < SEEN:
        found.append(Doubt("C", f"a part was seen for {100 * seen:.0f} % of the run only", None))
    if all(part.basis != Basis.MEASURED for part in basics.components):
        least = basics.model is not None and basics.model.tier == LEAST_TIER
        words = "the energy is modelled" + (" from the number of threads alone" if least else "")
        found.append(Doubt("D" if least else "B", words, _of_energy(basics)))
    if basics.virtual and basics.facility.evidence.endswith("default") and basics.place.site is None:
        found.append(
            Doubt("C", "the site is not known: no overhead is counted for a virtual machine's", "--site")
        )
    return found


def _width(basics: Basics) -> list[Doubt]:
    """The letter by the interval's width, with the factor that widens it most."""
    scope, grid, site = basics.scope, basics.intensity, basics.facility
    if not scope.co2e_low_g or scope.co2e_high_g is None:
        return [Doubt("E", "the interval reaches down to nothing", _of_energy(basics))]
    ratio = scope.co2e_high_g / scope.co2e_low_g
    letter = LETTERS[sum(ratio > limit for limit in LIMITS)]
    widths = {
        "energy": _spread(scope.low_j, scope.high_j),
        "grid": _spread(grid.low_g_per_kwh, grid.high_g_per_kwh),
        "site": _spread(site.low, site.high),
    }
    widest = max(widths, key=lambda name: widths[name])
    reason, cure = {
        "energy": ("the energy's interval is wide", _of_energy(basics)),
        "grid": ("the carbon intensity's interval is wide", _of_grid(basics)),
        "site": ("the site's PUE is not known well", "--pue"),
    }[widest]
    return [Doubt(letter, f"{reason}: P90 is {ratio:.2g} times P10", cure)]


def _spread(low: float | None, high: float | None) -> float:
    return log(high / low) if low and high else float("inf")


def _of_energy(basics: Basics) -> str | None:
    hints = basics.model.hints if basics.model is not None else ()
    first = next((hint.partition(":")[0] for hint in hints), None)
    return first or "a counter or a meter (`energywrap doctor`)"


def _of_grid(basics: Basics) -> str | None:
    if basics.place.evidence != "flag" and basics.intensity.quality != "given":
        return "--zone, or --grid with a live provider"
    return "--grid with a live provider"
