"""Everything that can tell power or energy: one file per kind of hardware, each opened once."""

from __future__ import annotations

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
# By name: whether the source is worth importing before the command starts, and what opens it.
OPENERS: Mapping[str, tuple[Promising, Opener]] = {
    "rapl": (_has_powercap, _rapl),
    "nvml": (_has_driver, _nvml),
    "model": (lambda settings: True, _model),
}


def open_all(settings: Settings) -> tuple[list[Source], list[Skipped], list[str]]:
    """The sources opened here, the parts of them that do not speak, and the names without promise."""
    opened: list[Source] = []
    skipped: list[Skipped] = []
    absent: list[str] = []
    for name, (promising, opener) in OPENERS.items():
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


def explain(settings: Settings, absent: Sequence[str], *, expected: bool = False) -> list[Skipped]:
    """Why the sources without promise cannot be opened, in their own words; asked when there is time.

    A missing NVIDIA driver is to be expected on most machines: it is only explained to who wants all.
    """
    found = []
    for name in absent:
        if name == "nvml" and not expected:
            continue
        try:
            OPENERS[name][1](settings).close()
        except Unavailable as absence:
            found.append(_skipped(name, absence))
    return found


def _skipped(name: str, absence: Unavailable) -> Skipped:
    return Skipped(NAMES[name], absence.reason, absence.fix, absence.expected)
