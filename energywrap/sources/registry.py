"""The list of sources: when each is opened, whether it is worth importing at all, what opens it."""

from __future__ import annotations

import os

from energywrap import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from energywrap.config import Settings
    from energywrap.sources import Source

    Promising = Callable[[Settings], bool]
    Opener = Callable[[Settings], Source]
    # stage, promising, opener, and the sources beside which it is not needed
    Opening = tuple[str, Promising, Opener, tuple[str, ...]]

QUICK, SLOW, MODEL = "before the command", "on the sampler's thread", "from the snapshots alone"
USUAL = ("rapl", "model")  # of the others most machines have none: their absence is worth no line

NAMES = {
    "rapl": "energy counters of CPU and memory (RAPL)",
    "perf": "RAPL through perf",
    "msr": "RAPL through model-specific registers",
    "amd_energy": "energy counters of AMD sockets (amd_energy)",
    "nvml": "energy counters of NVIDIA GPUs (NVML)",
    "model": "power model",
}


def label(name: str) -> str:
    """What a person calls the source."""
    return NAMES.get(name, name)


def _exists(*parts: str) -> Promising:
    return lambda settings: os.path.exists(os.path.join(settings.sysfs_root, *parts))


def _opener(module: str, function: str) -> Opener:
    """Import the source's module only when it is opened."""

    def open_it(settings: Settings) -> Source:
        found = __import__(f"energywrap.sources.{module}", fromlist=(function,))
        source: Source = getattr(found, function)(settings)
        return source

    return open_it


def _has_powercap(settings: Settings) -> bool:
    trees = ("class/powercap", "devices/virtual/powercap")
    return any(os.path.isdir(os.path.join(settings.sysfs_root, tree)) for tree in trees)


def _has_driver(settings: Settings) -> bool:
    return not syscalls.LINUX or syscalls.library_present("libnvidia-ml.so.1")


def _always(settings: Settings) -> bool:
    return True


OPENERS: Mapping[str, Opening] = {
    "rapl": (QUICK, _has_powercap, _opener("rapl", "open_rapl"), ()),
    "nvml": (SLOW, _has_driver, _opener("nvml", "open_nvml"), ()),
    "model": (MODEL, _always, _opener("modelled", "open_model"), ()),
}
