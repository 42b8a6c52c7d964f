"""Energy of Intel Gaudi accelerators from their driver, through pyhlml where that is installed."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Gpu, Kind, Skipped
from energywrap.units import joules_from_millijoules, watts_from_milliwatts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from energywrap.config import Settings

MODULE = "module/habanalabs"  # below /sys: the kernel's driver
TICK_S = 1.0  # not documented; hl-smi shows the mean of the last second
MAX_W = 3000.0
QUANTITIES = (("energy", Kind.COUNTER), ("power", Kind.GAUGE))
ERROR = 0.10  # a guess: no published comparison with a meter
SHARED = "its driver does not tell who uses it"
MODULE_FIX, TOOL_FIX = "pip install habana-pyhlml", "hl-smi must work"


class Gaudi:
    """All Gaudi accelerators of the machine; one that stops answering is absent from the reading."""

    name = "gaudi"

    def __init__(self, library: Any) -> None:
        self._library = library
        self._handles: dict[str, tuple[Any, str]] = {}
        channels: list[Channel] = []
        gpus, skipped = [], []
        for index in range(library.hlmlDeviceGetCount()):
            device, before = f"gaudi-{index}", len(channels)
            try:
                handle = library.hlmlDeviceGetHandleByIndex(index)
                gpu = Gpu(_text(library.hlmlDeviceGetName(handle)), _text(library.hlmlDeviceGetUUID(handle)))
            except library.HLMLError as error:
                skipped.append(Skipped(device, f"it does not answer: {error}", TOOL_FIX))
                continue
            gpus.append(gpu)
            for quantity, kind in QUANTITIES:
                if self._ask(handle, quantity) is not None:
                    channels.append(_channel(gpu.uuid, device, quantity, kind))
                    self._handles[channels[-1].id] = (handle, quantity)
            if len(channels) == before:
                skipped.append(Skipped(device, "it tells neither energy nor power", TOOL_FIX))
        self.channels, self.gpus, self.skipped = tuple(channels), tuple(gpus), tuple(skipped)

    def _ask(self, handle: Any, quantity: str) -> float | None:
        """J or W; None for a failed call, which some versions of pyhlml do not raise but answer with 0."""
        try:
            if quantity == "energy":
                return (
                    joules_from_millijoules(self._library.hlmlDeviceGetTotalEnergyConsumption(handle)) or None
                )
            return watts_from_milliwatts(self._library.hlmlDeviceGetPowerUsage(handle)) or None
        except (self._library.HLMLError, AttributeError):
            return None

    def read(self) -> dict[str, float]:
        """Joules and watts by channel id."""
        values = {name: self._ask(*asked) for name, asked in self._handles.items()}
        return {name: value for name, value in values.items() if value is not None}

    def close(self) -> None:
        """Shut the library down."""
        try:
            self._library.hlmlShutdown()
        except self._library.HLMLError:
            pass  # the driver has gone before us


def open_gaudi(settings: Settings) -> Gaudi:
    """Initialise HLML once. Raises Unavailable without the driver, pyhlml or a device that answers."""
    if not os.path.isdir(os.path.join(settings.sysfs_root, MODULE)):
        raise Unavailable("there is no Gaudi driver on this machine", expected=True)
    try:
        import pyhlml  # type: ignore[import-not-found]
    except ImportError as err:
        raise Unavailable("the pyhlml module is not installed", MODULE_FIX) from err
    try:
        pyhlml.hlmlInit()
        source = Gaudi(pyhlml)
    except (pyhlml.HLMLError, OSError) as err:
        raise Unavailable(f"the Gaudi driver does not answer: {err}", TOOL_FIX) from err
    if not source.channels:
        source.close()
        raise Unavailable("no Gaudi accelerator here tells its energy or power")
    return source


def _channel(uuid: str, device: str, quantity: str, kind: str) -> Channel:
    name, source = f"gaudi:{uuid}:{quantity}", f"gaudi {quantity}"
    return Channel(name, Component.GPU, device, source, kind,
                   max_w=MAX_W, tick_s=TICK_S, error=ERROR, shared=SHARED)  # fmt: skip


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
