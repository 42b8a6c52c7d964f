"""Who can be asked for a live intensity: built in, one line each, or brought by another package."""

from __future__ import annotations

from energywrap.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from energywrap.grid.client import Client
    from energywrap.model import Live, Place

    class Provider(Protocol):
        """A provider of live intensities; `check(wanted)` may refuse before the command starts."""

        name: str
        title: str
        forecasts: bool

        def zone_of(self, place: Place, wanted: str | None) -> str:
            """The place, or what the user wants, as the provider calls it.

            Asks nobody. Raises NoLive for a place it does not cover, UserError for a malformed zone.
            """

        def fetch(self, client: Client, zone: str, from_s: float, to_s: float) -> Live:
            """What is known of a time, past and to come, in slots. Raises NoLive."""


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
    from energywrap.grid import thirdparty

    foreign = thirdparty.find(name, where)
    if foreign is None:
        raise UserError(f"{where}: there is no live provider {name!r}", f"one of {', '.join(BUILT_IN)}")
    return foreign


def check(found: Provider, wanted: str | None) -> None:
    """Let a provider refuse what cannot work: a malformed zone, a missing key. Raises UserError."""
    refuse = getattr(found, "check", None)
    if refuse is not None:
        refuse(wanted)
