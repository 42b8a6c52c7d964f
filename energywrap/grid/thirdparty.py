"""Providers that other installed packages bring, by the entry point group `energywrap.grid`."""

from __future__ import annotations

from energywrap.errors import UserError, printable
from energywrap.grid import answers
from energywrap.grid.client import MOST_WORDS, NoLive
from energywrap.model import Live, Slot
from energywrap.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from energywrap.grid.client import Client
    from energywrap.grid.providers import Provider
    from energywrap.model import Place

GROUP = "energywrap.grid"
TROUBLE = (Exception, SystemExit)  # whatever foreign code may raise
LABELS = ("zone", "boundary", "gas", "accounting", "source", "licence")


def find(name: str, where: str) -> Provider | None:
    """The provider of that name; None if no package brings one. Raises UserError if it cannot be loaded."""
    try:
        point = next((each for each in _points() if each.name == name), None)
        inner = point.load()() if point is not None else None
        found = Guarded(name, inner) if inner is not None else None
    except TROUBLE as trouble:
        raise UserError(f"{where}: the provider {name!r} cannot be loaded: {_words(trouble)}") from trouble
    if inner is not None and not (hasattr(inner, "zone_of") and hasattr(inner, "fetch")):
        raise UserError(f"{where}: the provider {name!r} is none: it has no zone_of or no fetch")
    return found


def _points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=GROUP))


def _words(trouble: BaseException) -> str:
    """What foreign code has raised, in one line."""
    try:
        text = str(trouble)
    except TROUBLE:
        text = ""
    return printable(f"{type(trouble).__name__}: {text}" if text else type(trouble).__name__)[:MOST_WORDS]


class Guarded:
    """A provider of somebody else's: whatever goes wrong inside is a reason, and what it tells is checked."""

    def __init__(self, name: str, inner: Provider) -> None:
        self.name = name
        self.title = str(getattr(inner, "title", name))
        self.forecasts = bool(getattr(inner, "forecasts", False))
        self._inner = inner

    def check(self, wanted: str | None) -> None:
        """Let it refuse before the command starts, if it can. Raises UserError."""
        refuse = getattr(self._inner, "check", None)
        try:
            if refuse is not None:
                refuse(wanted)
        except UserError:
            raise
        except TROUBLE as trouble:
            raise UserError(f"the provider {self.name!r} fails: {_words(trouble)}") from trouble

    def zone_of(self, place: Place, wanted: str | None) -> str:
        """As the provider says. Raises NoLive, and UserError if the provider does."""
        try:
            return str(self._inner.zone_of(place, wanted))
        except (NoLive, UserError):
            raise
        except TROUBLE as trouble:
            raise NoLive(f"it fails on the place: {_words(trouble)}") from trouble

    def fetch(self, client: Client, zone: str, from_s: float, to_s: float) -> Live:
        """What it tells, checked as if it came over the network. Raises NoLive, and UserError if it does."""
        try:
            told = self._inner.fetch(client, zone, from_s, to_s)
        except (NoLive, UserError):
            raise
        except TROUBLE as trouble:
            raise NoLive(f"it fails: {_words(trouble)}") from trouble
        if not _is_whole(told):
            raise NoLive("what it tells is no Live with Slots")
        checked = (_checked(each) for each in told.slots)
        return replace(
            told,
            provider=self.name,
            zone=zone,
            fetched_at_s=client.now_s(),
            cached=False,
            slots=answers.good(checked, client),
        )


def _is_whole(told: object) -> bool:
    """Whether it has the labels of a Live in words, and slots."""
    if not isinstance(told, Live) or not isinstance(told.slots, (tuple, list)):
        return False
    labelled = all(isinstance(getattr(told, name), str) for name in LABELS)
    return labelled and all(isinstance(each, Slot) for each in told.slots)


def _checked(told: Slot) -> Slot | None:
    from_s, to_s = answers.number(told.from_s), answers.number(told.to_s)
    return answers.slot(from_s, to_s, answers.grams(told.g_per_kwh), told.kind)
