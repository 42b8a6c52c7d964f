"""Everything that can tell power or energy: one file per kind of hardware, each opened once."""

from __future__ import annotations

import _thread

from energywrap.errors import Unavailable, UserError
from energywrap.readings import Skipped
from energywrap.record import replace
from energywrap.sources import registry
from energywrap.sources.registry import MODEL, QUICK, SLOW, label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Protocol

    from energywrap.config import Settings
    from energywrap.model import Baseline
    from energywrap.readings import Channel, Gpu
    from energywrap.sources.modelled import Modelled
    from energywrap.sources.registry import Opening

    Fact = str | float | bool | None

    class Source(Protocol):
        """Opened once, read many times, closed once."""

        name: str
        channels: tuple[Channel, ...]
        skipped: tuple[Skipped, ...]  # the parts of it that do not speak
        gpus: tuple[Gpu, ...]

        def read(self) -> dict[str, float]:
            """The values now, J or W by channel id; what could not be read is absent."""

        def close(self) -> None:
            """Let go of the hardware."""


TOO_SHORT = "the run was over before its driver had answered"
NOT_NEEDED = "not needed beside {}"
SWITCHED_OFF = "switched off by {}"
OFF, ONLY = "off", "only"


class Sources:
    """A run's sources: the quick ones are open before the command starts, the others while it runs."""

    def __init__(self, settings: Settings, openers: Mapping[str, Opening] | None = None) -> None:
        self._settings = settings
        self._openers = registry.OPENERS if openers is None else openers
        self._door = _thread.allocate_lock()
        self._asked = self._closed = False
        self._pid: int | None = None
        self._model: Modelled | None = None
        self._names: set[str] = set()  # of those that are open
        self.answered: set[str] = set()  # and of those that have nothing to tell here, for a good reason
        self._waiting = {stage: self._of(stage) for stage in (QUICK, SLOW, MODEL)}
        self.opened: list[Source] = []
        self.skipped: list[Skipped] = []
        self.absent: list[str] = []  # the names of those without promise
        self._switched = check(settings.source, settings.origin["source"], self._openers)
        for name in self._waiting[QUICK]:
            self._add(self._open(QUICK, name), name)

    @property
    def channels(self) -> list[Channel]:
        """Every channel of every source."""
        return [channel for source in self.opened for channel in source.channels]

    @property
    def gpus(self) -> list[Gpu]:
        """Every graphics processor that a source reads, with what is known of each by now."""
        found: dict[str, Gpu] = {}
        for source in self.opened:
            facts: dict[str, dict[str, Fact]] = getattr(source, "facts", dict)()
            for gpu in source.gpus:
                known = {**(gpu.facts or {}), **facts.get(gpu.uuid, {})}
                found.setdefault(gpu.uuid, replace(gpu, facts=known or None))
        return list(found.values())

    def warnings(self) -> list[str]:
        """What the sources have noticed that a reader of the report must know."""
        return [warning for source in self.opened for warning in getattr(source, "warnings", ())]

    def follow(self, pid: int) -> None:
        """Tell those who can tell users apart whom to look for: the command's process."""
        self._pid = pid
        _tell(self.opened, pid)

    def open_slow(self) -> Iterator[str]:
        """Open those whose drivers take their time, one after the other; the name of each that has opened.

        Called on the sampler's thread, which can read each before it asks for the next.
        """
        self._asked = True
        for name in self._waiting[SLOW]:
            found = self._open(SLOW, name)
            with self._door:
                closed = self._closed
                if not closed:
                    self._add(found, name)
            if closed:
                for source in found.opened:
                    source.close()
                return
            if found.opened:
                yield name

    def model(self, measured: Baseline | None = None) -> Modelled | None:
        """The power model, opened when it is first asked for; None where there is nothing to go by.

        What was measured of this machine takes the place of what the model would assume.
        """
        for name in self._waiting[MODEL]:
            found = self._open(MODEL, name)
            self._add(found, name)
            self._model = found.opened[0] if found.opened else None  # type: ignore[assignment]
            if self._model is not None and measured is not None:
                self._model.calibrate(measured)
        return self._model

    def conclude(self) -> bool:
        """From now on no source is added; whether some were just being opened.

        After a run so short that none was looked for, nobody waits to hear which there might have been: the
        report says of such a run that it was too short, and which GPUs are on the bus and were not read.
        """
        with self._door:
            self._closed = True
        unfinished = self._waiting[SLOW] if self._asked else ()
        for name in unfinished:
            if name not in self._switched and self._openers[name][1](self._settings):
                self.skipped.append(Skipped(label(name), TOO_SHORT))
        return bool(unfinished)

    def close(self) -> None:
        """Let go of all hardware."""
        for source in self.opened:
            source.close()

    def _open(self, stage: str, name: str) -> Found:
        """One source if it opens here, the parts of it that do not speak; or why it does not."""
        found = Found(stage)
        _, promising, opener, spare_for = self._openers[name]
        needless = next((other for other in spare_for if other in self._names), None)
        if name in self._switched:
            found.skipped.append(Skipped(label(name), self._switched[name], expected=True))
        elif not promising(self._settings):
            found.absent.append(name)
        elif needless is not None:
            found.skipped.append(Skipped(label(name), NOT_NEEDED.format(label(needless)), expected=True))
        else:
            found.open(name, opener, self._settings)
        return found

    def _add(self, found: Found, name: str) -> None:
        self._waiting[found.stage] = tuple(each for each in self._waiting[found.stage] if each != name)
        self._names |= found.names
        self.answered |= found.answered
        self.opened = [*self.opened, *found.opened]  # whoever goes through the old list can go on
        self.skipped += found.skipped
        self.absent += found.absent
        if self._pid is not None:
            _tell(found.opened, self._pid)

    def _of(self, stage: str) -> tuple[str, ...]:
        return tuple(name for name, opening in self._openers.items() if opening[0] == stage)


class Found:
    """What opening the sources of one stage has brought."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.names: set[str] = set()
        self.answered: set[str] = set()
        self.opened: list[Source] = []
        self.skipped: list[Skipped] = []
        self.absent: list[str] = []

    def open(self, name: str, opener: registry.Opener, settings: Settings) -> None:
        """Open one, or note why that is not possible."""
        try:
            source = opener(settings)
        except Unavailable as absence:
            self.skipped.append(_skipped(name, absence))
            self.answered |= {name} if absence.expected else set()
        else:
            self.names.add(name)
            self.answered.add(name)
            self.opened.append(source)
            self.skipped.extend(source.skipped)


def check(
    given: str | None, origin: str = "", openers: Mapping[str, Opening] = registry.OPENERS
) -> dict[str, str]:
    """The sources that `--source` leaves out, with the reason. Raises UserError for what it cannot mean."""
    wishes: dict[str, str] = {}
    where = "--source" if origin == "flag" else f"source ({origin})"
    for wish in given.split(",") if given else ():
        name, _, word = wish.strip().partition("=")
        if name not in openers:
            raise UserError(f"{where}: there is no source {name!r}", f"one of {', '.join(openers)}")
        if word not in (OFF, ONLY):
            raise UserError(f"{where}: {wish!r} is neither {name}=off nor {name}=only")
        wishes[name] = word
    alone = [name for name, word in wishes.items() if word == ONLY]
    left_out = [name for name in openers if (name not in alone if alone else wishes.get(name) == OFF)]
    return {name: SWITCHED_OFF.format(f"{where} {given}") for name in left_out}


def open_all(settings: Settings) -> Sources:
    """All sources at once, for one who can wait."""
    sources = Sources(settings)
    for _ in sources.open_slow():
        pass
    sources.model()
    return sources


def explain(settings: Settings, absent: Sequence[str], *, expected: bool = False) -> list[Skipped]:
    """Why the sources without promise cannot be opened, in their own words; asked when there is time.

    Hardware that most machines lack is only explained to who wants all.
    """
    found = []
    for name in absent:
        if name not in registry.USUAL and not expected:
            continue
        try:
            registry.OPENERS[name][2](settings).close()
        except Unavailable as absence:
            found.append(_skipped(name, absence))
    return found


def _tell(sources: Sequence[Source], pid: int) -> None:
    for source in sources:
        follow = getattr(source, "follow", None)
        if follow is not None:
            follow(pid)


def _skipped(name: str, absence: Unavailable) -> Skipped:
    return Skipped(label(name), absence.reason, absence.fix, absence.expected)
