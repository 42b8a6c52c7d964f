"""NVIDIA GPUs one by one: how each is named, cut into slices, and what it answers."""

from __future__ import annotations

from energywrap.readings import Skipped
from energywrap.record import record
from energywrap.sources import nvmlasks
from energywrap.sources.nvmlvisible import Identity
from energywrap.units import bytes_from_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from energywrap.readings import Channel
    from energywrap.sources.nvmlasks import Ask

    Fact = str | float | bool | None

GPU_FIX = "nvidia-smi -q shows the state of each GPU"


@record
class Slice:
    """One piece of a GPU that MIG cuts: its UUID, memory and compute slices, where the driver tells them."""

    uuid: str
    memory_bytes: float
    compute: float


class Device:
    """One GPU; `handle` is a new one after the driver was loaded again."""

    def __init__(self, library: Any, index: int) -> None:
        self.index = index
        self.handle = library.nvmlDeviceGetHandleByIndex(index)
        self.uuid = text(library.nvmlDeviceGetUUID(self.handle))
        self.model = text(library.nvmlDeviceGetName(self.handle))
        self.mig = told(library, lambda: library.nvmlDeviceGetMigMode(self.handle)[0] == 1) or False
        self.slices = tuple(_slices(library, self.handle)) if self.mig else ()
        self.asks: dict[str, Ask] = {}
        self.channels: tuple[Channel, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return f"gpu-{self.index}"

    def identity(self) -> Identity:
        """How a user may name it."""
        return Identity(self.uuid, self.model, tuple(part.uuid for part in self.slices))

    def probe(self, library: Any) -> str:
        """Ask for all it may tell, once; what was said last where it refused."""
        found, refusal = nvmlasks.probe(library, self.handle)
        self.asks = {quantity: ask for quantity, (_, ask) in found.items()}
        sources = {quantity: source for quantity, (source, _) in found.items()}
        self.channels = nvmlasks.channels(self.uuid, self.name, sources)
        return refusal


def find(library: Any) -> tuple[list[Device], tuple[Skipped, ...]]:
    """The GPUs that answer, each asked for all it may tell, and those that do not."""
    found, silent = [], []
    for index in range(library.nvmlDeviceGetCount()):
        name = f"nvml gpu-{index}"
        try:
            device = Device(library, index)
        except library.NVMLError as error:
            silent.append(Skipped(name, f"it does not answer: {error}", GPU_FIX))
            continue
        refusal = device.probe(library)
        if not device.channels:
            silent.append(Skipped(name, f"tells neither energy nor power: {refusal}", GPU_FIX))
        found.append(device)
    return found, tuple(silent)


def told(library: Any, ask: Callable[[], Any]) -> Any:
    """An answer, or None where the driver or pynvml does not know the question."""
    try:
        return ask()
    except (library.NVMLError, AttributeError):
        return None


def text(value: str | bytes) -> str:
    """Words of the driver: bytes in some versions of pynvml."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def identities(library: Any, devices: Sequence[Device]) -> list[Identity]:
    """All GPUs in the order of the PCI bus; one that does not answer keeps its place, without a name."""
    count = library.nvmlDeviceGetCount()
    if len(devices) == count:
        return [device.identity() for device in sorted(devices, key=lambda device: _bus(library, device))]
    known = {device.index: device.identity() for device in devices}  # NVML's order is that of the bus, mostly
    return [known.get(index, Identity("", "")) for index in range(count)]


def _bus(library: Any, device: Device) -> tuple[str, int]:
    place = told(library, lambda: library.nvmlDeviceGetPciInfo(device.handle).busId)
    return (text(place).lower() if place else "", device.index)


def _slices(library: Any, handle: Any) -> list[Slice]:
    found = []
    for index in range(told(library, lambda: library.nvmlDeviceGetMaxMigDeviceCount(handle)) or 0):
        try:
            part = library.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
            uuid = text(library.nvmlDeviceGetUUID(part))
            size = library.nvmlDeviceGetAttributes(part)
        except library.NVMLError:
            continue  # the numbers have gaps
        found.append(Slice(uuid, bytes_from_mib(size.memorySizeMB), float(size.computeInstanceSliceCount)))
    return found
