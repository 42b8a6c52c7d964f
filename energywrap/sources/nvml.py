"""GPU energy from NVIDIA's driver, through pynvml: an energy counter where there is one, power always."""

from __future__ import annotations

import os
import time

from energywrap import syscalls
from energywrap.errors import Unavailable
from energywrap.readings import Gpu
from energywrap.sources import nvmldevices, nvmlhealth, nvmlprocesses, nvmlshares, nvmlvisible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from energywrap.config import Settings
    from energywrap.sources.nvmldevices import Device, Fact

LIBRARY = "libnvidia-ml.so.1"
LOOK_EVERY_S = 1.0  # at heat and clocks, and for the command on GPUs that it should not see
DRIVER_FIX = "install or load the NVIDIA driver (nvidia-smi must work)"


class Nvml:
    """All GPUs of the machine; one that stops answering is absent from the reading, the others go on."""

    name = "nvml"

    def __init__(self, library: Any, environ: Mapping[str, str], proc_root: str) -> None:
        self._library, self._proc_root = library, proc_root
        self._devices, silent = nvmldevices.find(library)
        self._visible = nvmlvisible.visible(nvmldevices.identities(library, self._devices), environ)
        self._hidden = nvmlprocesses.hidden(proc_root)
        self.channels = tuple(
            channel
            for device in self._devices
            for channel in nvmlshares.channels(library, device, self._visible, self._hidden)
        )
        told = {channel.share_id for channel in self.channels}
        self._followed = [device for device in self._devices if nvmlshares.id_of(device) in told]
        self.skipped = silent
        self.gpus = tuple(
            Gpu(device.model, device.uuid, nvmlhealth.facts(library, device, self._visible))
            for device in self._devices
        )
        self._health = {device.uuid: nvmlhealth.Health() for device in self._devices}
        self._looked_at_s = -LOOK_EVERY_S
        self._sharing: nvmlprocesses.Sharing | None = None
        self._reopened = False
        self.warnings: list[str] = []  # what a reader must know of the command's share

    def follow(self, pid: int) -> None:
        """From now on, tell the share of this process and its descendants with every reading."""
        if not self._hidden:
            tree = nvmlprocesses.Tree(pid, self._proc_root)
            self._sharing = nvmlprocesses.Sharing(self._library, tree, time.time_ns())

    def read(self) -> dict[str, float]:
        """Joules and watts by channel id, and the command's share (0..1) of each GPU that it sees."""
        values: dict[str, float] = {}
        for device in self._devices:
            for quantity, ask in device.asks.items():
                self._take(values, f"nvml:{device.uuid}:{quantity}", device, ask)
        if self._sharing is not None:
            self._add_shares(values, self._sharing)
        now_s = time.monotonic()
        if now_s - self._looked_at_s >= LOOK_EVERY_S:
            self._looked_at_s = now_s
            self._look_around()
        return values

    def _take(
        self, values: dict[str, float], name: str, device: Device, ask: Callable[[Any], float | None]
    ) -> None:
        """One value, if there is one; asked again after the driver was loaded anew."""
        try:
            value = ask(device.handle)
        except self._library.NVMLError as error:
            if not self._reopen_after(error):
                return
            try:
                value = ask(device.handle)
            except self._library.NVMLError:
                return
        if value is not None:
            values[name] = value

    def _add_shares(self, values: dict[str, float], sharing: nvmlprocesses.Sharing) -> None:
        for device in self._followed:
            name = nvmlshares.id_of(device)
            self._take(values, name, device, nvmlshares.asking(sharing, device))
            if device.uuid not in self._visible.gpus:  # in doubt: with nobody on it, it is not the one meant
                values.setdefault(name, 0.0)
            if device.uuid in sharing.untold:
                self._warn(f"{device.name}: others may use it too and the driver does not tell how much; "
                           "where that is so, all of it counts as the command's")  # fmt: skip

    def _reopen_after(self, error: Exception) -> bool:
        """Once per run: a driver that was loaded again has forgotten us and its old handles."""
        if self._reopened or not isinstance(error, self._library.NVMLError_Uninitialized):
            return False
        self._reopened = True
        try:
            self._library.nvmlInit()
        except self._library.NVMLError:
            return False
        for device in self._devices:
            try:
                device.handle = self._library.nvmlDeviceGetHandleByUUID(device.uuid)
            except self._library.NVMLError:
                continue  # it did not come back; the others did
        return True

    def _look_around(self) -> None:
        for device in self._devices:
            self._health[device.uuid].look(self._library, device.handle)
            unseen = device.uuid not in self._visible.gpus and device not in self._followed
            if unseen and self._sharing and nvmlshares.strays(self._library, device, self._sharing.tree):
                self._warn(f"{device.name}: the command uses it although {self._visible.variable} hides it; "
                           "none of its energy counts as the command's")  # fmt: skip

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def facts(self) -> dict[str, dict[str, Fact]]:
        """By UUID: the heat, memory and clocks that were seen, and what throttled the GPU."""
        return {uuid: health.facts() for uuid, health in self._health.items()}

    def close(self) -> None:
        """Shut the library down."""
        try:
            self._library.nvmlShutdown()
        except self._library.NVMLError:
            pass  # the driver has gone before us


def open_nvml(
    settings: Settings, *, environ: Mapping[str, str] | None = None, proc_root: str = "/proc"
) -> Nvml:
    """Initialise NVML once. Raises Unavailable without a driver or without a GPU that tells its power."""
    if syscalls.LINUX and not syscalls.library_present(LIBRARY):
        raise Unavailable("there is no NVIDIA driver library on this machine", DRIVER_FIX, expected=True)
    try:
        import pynvml
    except ImportError as err:
        raise Unavailable("the pynvml module is not installed", "pip install nvidia-ml-py") from err
    try:
        pynvml.nvmlInit()
        source = Nvml(pynvml, os.environ if environ is None else environ, proc_root)
    except pynvml.NVMLError as err:
        raise Unavailable(f"the NVIDIA driver does not answer: {err}", DRIVER_FIX) from err
    if not source.channels:
        source.close()
        raise Unavailable("no NVIDIA GPU here tells its energy or power")
    return source
