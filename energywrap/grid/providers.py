"""Who can be asked for a live intensity: built in, one line each, or brought by another package."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.grid.client import NoLive
from energywrap.model import Live, Slot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from energywrap.grid.client import Client
    from energywrap.model import Place

    class Provider(Protocol):
        """A provider of live intensities; `check(wanted)` may refuse before the command starts."""

        name: str
        title: str
        forecasts: bool

        def zone_of(self, place: Place, wanted: str | None) -> str:
            """The place, or what the user wants, as the provider calls it. Raises NoLive."""

        def fetch(self, client: Client, zone: str, from_s: float, to_s: float) -> Live:
            """What is known of a time, past and to come, in slots. Raises NoLive."""


GROUP = "energywrap.grid"
BUILT_IN = {
    "energy-charts": ("energywrap.grid.energy_charts", "EnergyCharts"),
    "neso": ("energywrap.grid.neso", "Neso"),
    "electricity-maps": ("energywrap.grid.electricity_maps", "ElectricityMaps"),
}


def provider(name: str, where: str) -> Provider:
    """The provider of that name. Raises UserError for one that nobody has."""
    if name in BUILT_IN:
        from importlib import import_module

        module, cls = BUILT_IN[name]
        found: Provider = getattr(import_module(module), cls)()
        return found
    return _of_others(name, where)


def check(found: Provider, wanted: str | None) -> None:
    """Let a provider refuse what cannot work, a missing key say. Raises UserError."""
    refuse = getattr(found, "check", None)
    if refuse is not None:
        refuse(wanted)


def _of_others(name: str, where: str) -> Provider:
    """A provider that another installed package brings, by an entry point of our group."""
    from importlib.metadata import entry_points

    points = [point for point in entry_points(group=GROUP) if point.name == name]
    if not points:
        raise UserError(f"{where}: there is no live provider {name!r}", f"one of {', '.join(BUILT_IN)}")
    try:
        return Guarded(name, points[0].load()())
    except (Exception, SystemExit) as trouble:
        raise UserError(f"{where}: the provider {name!r} cannot be loaded: {trouble!r}") from trouble


class Guarded:
    """A provider of somebody else's: whatever goes wrong inside is a reason, and what it tells is checked."""

    def __init__(self, name: str, inner: object) -> None:
        self.name = name
        self.title = str(getattr(inner, "title", name))
        self.forecasts = bool(getattr(inner, "forecasts", False))
        self._inner: Provider = inner  # type: ignore[assignment]

    def zone_of(self, place: Place, wanted: str | None) -> str:
        """As the provider says."""
        try:
            return str(self._inner.zone_of(place, wanted))
        except NoLive:
            raise
        except (Exception, SystemExit) as trouble:
            raise NoLive(f"it fails on the place: {trouble!r}") from trouble

    def fetch(self, client: Client, zone: str, from_s: float, to_s: float) -> Live:
        """What it tells, checked as if it came over the network."""
        from energywrap.grid import answers

        try:
            found = self._inner.fetch(client, zone, from_s, to_s)
        except NoLive:
            raise
        except (Exception, SystemExit) as trouble:
            raise NoLive(f"it fails: {trouble!r}") from trouble
        if not isinstance(found, Live) or not all(isinstance(each, Slot) for each in found.slots):
            raise NoLive("what it tells is no Live with Slots")
        checked = answers.good(
            answers.slot(
                answers.number(each.from_s),
                answers.number(each.to_s),
                answers.grams(each.g_per_kwh),
                each.kind,
            )
            for each in found.slots
        )
        from energywrap.record import replace

        return replace(found, provider=self.name, slots=checked)
