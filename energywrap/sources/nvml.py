"""GPU energy from NVIDIA's driver, through pynvml: the energy counter where there is one, power always."""

from __future__ import annotations

from energywrap import syscalls
from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Gpu, Kind, Skipped
from energywrap.units import joules_from_millijoules, watts_from_milliwatts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from energywrap.config import Settings

LIBRARY = "libnvidia-ml.so.1"
TICK_S = 0.1  # the energy counter moves every 20 to 100 ms
MAX_W = 3000.0  # well above any module sold; tells a restarted counter from a real step
# Half-widths of the printed band, see docs/methodology.md#measured-energy
QUANTITIES = (("energy", Kind.COUNTER, 0.05), ("power", Kind.GAUGE, 0.10))
GPU_FIX = "nvidia-smi -q shows the state of each GPU"
DRIVER_FIX = "install or load the NVIDIA driver (nvidia-smi must work)"


class Nvml:
    """All GPUs of the machine; one that stops answering is absent from the reading, the others go on."""

    name = "nvml"

    def __init__(self, library: Any) -> None:
        self._library = library
        self._handles: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._silent: list[Skipped] = []
        self._reopened = False
        self._enumerate()
        self.channels = tuple(channel for uuid in self._handles for channel in self._channels(uuid))
        self.skipped = tuple(self._silent)
        self.gpus = tuple(Gpu(name, uuid) for uuid, name in self._names.items())

    def _enumerate(self) -> None:
        for index in range(self._library.nvmlDeviceGetCount()):
            try:
                handle = self._library.nvmlDeviceGetHandleByIndex(index)
                uuid = _words(self._library.nvmlDeviceGetUUID(handle))
                self._names[uuid] = _words(self._library.nvmlDeviceGetName(handle))
                self._numbers[uuid] = index
                self._handles[uuid] = handle
            except self._library.NVMLError as error:
                self._silent.append(Skipped(f"nvml gpu-{index}", f"it does not answer: {error}", GPU_FIX))

    def _channels(self, uuid: str) -> list[Channel]:
        found, refusal = [], ""
        for quantity, kind, band in QUANTITIES:
            try:
                self._ask(uuid, quantity)
            except self._library.NVMLError as error:
                refusal = str(error)  # asked, not guessed from the architecture: some GPUs lack one
                continue
            found.append(
                Channel(
                    id=f"nvml:{uuid}:{quantity}",
                    component=Component.GPU,
                    device=f"gpu-{self._numbers[uuid]}",
                    source=f"nvml {quantity}",
                    kind=kind,
                    max_w=MAX_W,
                    tick_s=TICK_S,
                    error=band,
                )
            )
        if not found:
            name = f"nvml gpu-{self._numbers[uuid]}"
            self._silent.append(Skipped(name, f"tells neither energy nor power: {refusal}", GPU_FIX))
        return found

    def _ask(self, uuid: str, quantity: str) -> float:
        handle = self._handles[uuid]
        if quantity == "energy":
            return joules_from_millijoules(self._library.nvmlDeviceGetTotalEnergyConsumption(handle))
        return watts_from_milliwatts(self._library.nvmlDeviceGetPowerUsage(handle))

    def read(self) -> dict[str, float]:
        """Joules and watts by channel id."""
        values = {}
        for channel in self.channels:
            _, uuid, quantity = channel.id.split(":")
            try:
                values[channel.id] = self._ask(uuid, quantity)
            except self._library.NVMLError as error:
                if not self._reopen_after(error):
                    continue
                try:
                    values[channel.id] = self._ask(uuid, quantity)
                except self._library.NVMLError:
                    continue
        return values

    def _reopen_after(self, error: Exception) -> bool:
        """Once per run: a reloaded driver forgets that it was initialised."""
        if self._reopened or not isinstance(error, self._library.NVMLError_Uninitialized):
            return False
        self._reopened = True
        try:
            self._library.nvmlInit()
            self._enumerate()
        except self._library.NVMLError:
            return False
        return True

    def close(self) -> None:
        """Shut the library down."""
        try:
            self._library.nvmlShutdown()
        except self._library.NVMLError:
            pass  # the driver has gone before us


def open_nvml(settings: Settings) -> Nvml:
    """Initialise NVML once. Raises Unavailable without a driver or without a GPU that tells its power."""
    if syscalls.LINUX and not syscalls.library_present(LIBRARY):
        raise Unavailable("there is no NVIDIA driver library on this machine", DRIVER_FIX, expected=True)
    try:
        import pynvml
    except ImportError as err:
        raise Unavailable("the pynvml module is not installed", "pip install nvidia-ml-py") from err
    try:
        pynvml.nvmlInit()
        source = Nvml(pynvml)
    except pynvml.NVMLError as err:
        raise Unavailable(f"the NVIDIA driver does not answer: {err}", DRIVER_FIX) from err
    if not source.channels:
        source.close()
        raise Unavailable("no NVIDIA GPU here tells its energy or power")
    return source


def _words(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text
