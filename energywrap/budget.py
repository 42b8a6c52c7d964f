"""What a run may use: limits of energy and of CO2e, and what to say as they come near. Pure."""

from __future__ import annotations

from energywrap import amounts
from energywrap.errors import UserError
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from energywrap.config import Settings

WARN, TERM = "warn", "term"
NEAR = 0.8  # of a limit: the first warning
NAMES = {"max_energy": "energy", "max_co2e": "CO2e"}


@record
class Limits:
    """The limits of a run, in J and g, None for none; and what happens when one is reached."""

    energy_j: float | None
    co2e_g: float | None
    term: bool
    grace_s: float


@record
class Spent:
    """What the machine has used since the run began; None: it is not known."""

    energy_j: float | None
    co2e_g: float | None


def limits(settings: Settings) -> Limits | None:
    """The limits that are set; None for none. Raises UserError for what is no amount."""
    if settings.on_exceed not in (WARN, TERM):
        origin = settings.origin["on_exceed"]
        raise UserError(f"--on-exceed {settings.on_exceed!r} ({origin}) is unknown", f"one of {WARN}, {TERM}")
    energy, co2e = settings.max_energy, settings.max_co2e
    if energy is None and co2e is None:
        if settings.origin["on_exceed"] == "flag":
            raise UserError("--on-exceed without a limit", "give --max-energy or --max-co2e as well")
        return None
    return Limits(
        energy_j=None if energy is None else amounts.energy_j(energy, _where(settings, "max_energy")),
        co2e_g=None if co2e is None else amounts.mass_g(co2e, _where(settings, "max_co2e")),
        term=settings.on_exceed == TERM,
        grace_s=settings.grace,
    )


def _where(settings: Settings, name: str) -> str:
    origin = settings.origin[name]
    return f"--{name.replace('_', '-')}" if origin == "flag" else f"{origin}: {name}"


class Budget:
    """Follows what is spent and tells of each limit once that it is near and once that it is reached."""

    def __init__(self, given: Limits, words: Mapping[str, Callable[[float | None], str]]) -> None:
        self._limits = {"max_energy": given.energy_j, "max_co2e": given.co2e_g}
        self._words = words
        self._told: dict[str, int] = {}

    @property
    def exceeded(self) -> bool:
        """Whether a limit has been reached."""
        return any(level == 2 for level in self._told.values())

    def look(self, spent: Spent, after: str) -> list[str]:
        """What is to be said now."""
        lines = []
        for name, used in (("max_energy", spent.energy_j), ("max_co2e", spent.co2e_g)):
            limit = self._limits[name]
            if limit is None or used is None:
                continue
            level = 2 if used >= limit else 1 if used >= NEAR * limit else 0
            if level > self._told.get(name, 0):
                self._told[name] = level
                lines.append(self._line(name, used, limit, after))
        return lines

    def unknown(self, spent: Spent) -> list[str]:
        """What to say of limits that nobody could watch."""
        return [
            f"the limit of {NAMES[name]} could not be watched: it is not known what the run has used"
            for name, used in (("max_energy", spent.energy_j), ("max_co2e", spent.co2e_g))
            if self._limits[name] is not None and used is None
        ]

    def _line(self, name: str, used: float, limit: float, after: str) -> str:
        show, what = self._words[name], NAMES[name]
        if used >= limit:
            return f"the limit of {what} is exceeded: {show(used)} of {show(limit)} used {after}"
        return (
            f"{100 * used / limit:.0f} % of the limit of {what} used {after}: {show(used)} of {show(limit)}"
        )
