"""Everything that can tell power or energy: one file per kind of hardware, each opened once."""

from __future__ import annotations

from energywrap.errors import Unavailable
from energywrap.model import Skipped
from energywrap.sources import modelled, nvml, rapl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from energywrap.config import Settings
    from energywrap.model import Channel, Gpu

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

    Opener = Callable[[Settings], Source]

OPENERS: Mapping[str, Opener] = {
    "rapl": rapl.open_rapl,
    "nvml": nvml.open_nvml,
    "model": modelled.open_model,
}


def open_all(settings: Settings) -> tuple[list[Source], list[Skipped]]:
    """Every source that can be opened here, and why each other one, or a part of it, cannot."""
    opened: list[Source] = []
    skipped: list[Skipped] = []
    for name, opener in OPENERS.items():
        try:
            source = opener(settings)
        except Unavailable as absence:
            skipped.append(Skipped(name, absence.reason, absence.fix, absence.expected))
        else:
            opened.append(source)
            skipped.extend(source.skipped)
    return opened, skipped
