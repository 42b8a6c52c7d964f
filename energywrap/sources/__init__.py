"""Everything that can tell power or energy: one file per kind of hardware, each opened once."""

from __future__ import annotations

import _thread
import os

from energywrap import syscalls
from energywrap.errors import Unavailable
from energywrap.readings import Skipped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from energywrap.config import Settings
    from energywrap.readings import Channel, Gpu
    from energywrap.sources.modelled import Modelled

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

    Promising = Callable[[Settings], bool]
    Opener = Callable[[Settings], Source]
    Opening = tuple[str, Promising, Opener]


def _rapl(settings: Settings) -> Source:
    from energywrap.sources import rapl

    return rapl.open_rapl(settings)


def _nvml(settings: Settings) -> Source:
    from energywrap.sources import nvml

    return nvml.open_nvml(settings)


def _model(settings: Settings) -> Source:
    from energywrap.sources import modelled

    return modelled.open_model(settings)


def _has_powercap(settings: Settings) -> bool:
    trees = ("class/powercap", "devices/virtual/powercap")
    return any(os.path.isdir(os.path.join(settings.sysfs_root, tree)) for tree in trees)


def _has_driver(settings: Settings) -> bool:
    return not syscalls.LINUX or syscalls.library_present("libnvidia-ml.so.1")


NAMES = {
    "rapl": "energy counters of CPU and memory (RAPL)",
    "nvml": "energy counters of NVIDIA GPUs (NVML)",
    "model": "power model",
}
QUICK, SLOW, MODEL = "before the command", "on the sampler's thread", "from the snapshots alone"
TOO_SHORT = "the run was over before its driver had answered"
# By name: when the source is opened, whether it is worth importing at all, and what opens it.
OPENERS: Mapping[str, Opening] = {
    "rapl": (QUICK, _has_powercap, _rapl),
    "nvml": (SLOW, _has_driver, _nvml),
    "model": (MODEL, lambda settings: True, _model),
}


class Sources:
    """A run's sources: the quick ones are open before the command starts, the others while it runs."""

    def __init__(self, settings: Settings, openers: Mapping[str, Opening] | None = None) -> None:
        self._settings = settings
        self._openers = OPENERS if openers is None else openers
        self._door = _thread.allocate_lock()
        self._closed = False
        self._model: Modelled | None = None
        self._waiting = {stage: _of(stage, self._openers) for stage in (SLOW, MODEL)}
        self.opened: list[Source] = []
        self.skipped: list[Skipped] = []
        self.absent: list[str] = []  # the names of those without promise
        self._take(*open_stage(settings, QUICK, self._openers))

    @property
    def channels(self) -> list[Channel]:
        """Every channel of every source."""
        return [channel for source in self.opened for channel in source.channels]

    @property
    def gpus(self) -> list[Gpu]:
        """Every graphics processor that a source reads."""
        return [gpu for source in self.opened for gpu in source.gpus]

    def open_slow(self) -> bool:
        """Open those whose drivers take their time; whether there are any. Called on the sampler's thread."""
        found = open_stage(self._settings, SLOW, self._openers)
        with self._door:
            if not self._closed:
                self._waiting[SLOW] = ()
                self._take(*found)
                return bool(found[0])
        for source in found[0]:
            source.close()
        return False

    def model(self) -> Modelled | None:
        """The power model, opened when it is first asked for; None where there is nothing to go by."""
        if self._waiting[MODEL]:
            self._waiting[MODEL] = ()
            opened, skipped, absent = open_stage(self._settings, MODEL, self._openers)
            self._take(opened, skipped, absent)
            self._model = opened[0] if opened else None  # type: ignore[assignment]
        return self._model

    def conclude(self) -> bool:
        """From now on no source is added; whether some were still to be opened."""
        with self._door:
            self._closed = True
        for name in self._waiting[SLOW]:
            if self._openers[name][1](self._settings):
                self.skipped.append(Skipped(NAMES.get(name, name), TOO_SHORT))
            else:
                self.absent.append(name)
        return bool(self._waiting[SLOW])

    def close(self) -> None:
        """Let go of all hardware."""
        for source in self.opened:
            source.close()

    def _take(self, opened: list[Source], skipped: list[Skipped], absent: list[str]) -> None:
        self.opened = [*self.opened, *opened]  # whoever goes through the old list can go on
        self.skipped += skipped
        self.absent += absent


def open_all(settings: Settings) -> Sources:
    """All sources at once, for one who can wait."""
    sources = Sources(settings)
    sources.open_slow()
    sources.model()
    return sources


def open_stage(
    settings: Settings, stage: str, openers: Mapping[str, Opening]
) -> tuple[list[Source], list[Skipped], list[str]]:
    """The sources of one stage that open here, the parts of them that do not speak, those without promise."""
    opened: list[Source] = []
    skipped: list[Skipped] = []
    absent: list[str] = []
    for name in _of(stage, openers):
        _, promising, opener = openers[name]
        if not promising(settings):
            absent.append(name)
            continue
        try:
            source = opener(settings)
        except Unavailable as absence:
            skipped.append(_skipped(name, absence))
        else:
            opened.append(source)
            skipped.extend(source.skipped)
    return opened, skipped, absent


def _of(stage: str, openers: Mapping[str, Opening]) -> tuple[str, ...]:
    return tuple(name for name, opening in openers.items() if opening[0] == stage)


def explain(settings: Settings, absent: Sequence[str], *, expected: bool = False) -> list[Skipped]:
    """Why the sources without promise cannot be opened, in their own words; asked when there is time.

    A missing NVIDIA driver is to be expected on most machines: it is only explained to who wants all.
    """
    found = []
    for name in absent:
        if name == "nvml" and not expected:
            continue
        try:
            OPENERS[name][2](settings).close()
        except Unavailable as absence:
            found.append(_skipped(name, absence))
    return found


def _skipped(name: str, absence: Unavailable) -> Skipped:
    return Skipped(NAMES.get(name, name), absence.reason, absence.fix, absence.expected)
