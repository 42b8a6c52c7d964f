"""The state of NVIDIA GPUs: how each is set up, and how it fared during a run."""

from __future__ import annotations

from energywrap.sources.nvmldevices import text, told
from energywrap.units import watts_from_milliwatts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from energywrap.sources.nvmldevices import Device, Fact
    from energywrap.sources.nvmlvisible import Visible

GPU_SENSOR, SM_CLOCK = 0, 1  # NVML_TEMPERATURE_GPU, NVML_CLOCK_SM
REASONS = {  # nvmlClocksThrottleReason*; bit 0 is idleness, which holds nothing back
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
REASON_QUERIES = ("nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetCurrentClocksEventReasons")


def facts(library: Any, device: Device, visible: Visible) -> dict[str, Fact]:
    """What a reader of this GPU's numbers must know; what the driver does not tell is absent."""
    handle = device.handle
    found: dict[str, Fact] = {
        "driver": told(library, lambda: text(library.nvmlSystemGetDriverVersion())),
        "power_limit_w": told(
            library, lambda: watts_from_milliwatts(library.nvmlDeviceGetEnforcedPowerLimit(handle))
        ),
        "persistence_mode": told(library, lambda: library.nvmlDeviceGetPersistenceMode(handle) == 1),
        "memory_bytes": told(library, lambda: float(library.nvmlDeviceGetMemoryInfo(handle).total)),
        "visible_to_command": None if visible.doubtful else device.uuid in visible.gpus,
    }
    if device.mig:
        found["mig_slices"] = float(len(device.slices))
        found.update(_fractions(library, device, visible.slices))
    return {name: value for name, value in found.items() if value is not None}


def _fractions(library: Any, device: Device, names: frozenset[str]) -> dict[str, Fact]:
    """The parts of a cut GPU that are the command's, an estimate of its share; none if that is not known."""
    seen = [part for part in device.slices if part.uuid in names]
    if not seen and len(device.slices) == 1:
        seen = list(device.slices)
    memory = told(library, lambda: library.nvmlDeviceGetMemoryInfo(device.handle).total)
    pieces = told(library, lambda: library.nvmlDeviceGetMaxMigDeviceCount(device.handle))
    if not seen or not memory or not pieces:
        return {}
    return {
        "mig_memory_share": sum(part.memory_bytes for part in seen) / memory,
        "mig_compute_share": sum(part.compute for part in seen) / pieces,
    }


class Health:
    """The extremes of one GPU over a run, as they were seen when looked at."""

    def __init__(self) -> None:
        self._extremes: dict[str, float] = {}
        self._reasons = 0

    def look(self, library: Any, handle: Any) -> None:
        """Take in the state of this moment; what the driver does not tell is left out."""
        celsius = told(library, lambda: library.nvmlDeviceGetTemperature(handle, GPU_SENSOR))
        self._widen("temperature_c", celsius, least=False)
        used = told(library, lambda: library.nvmlDeviceGetMemoryInfo(handle).used)
        self._widen("memory_used_bytes", used, least=False)
        self._widen("sm_clock_mhz", told(library, lambda: library.nvmlDeviceGetClockInfo(handle, SM_CLOCK)))
        for name in REASON_QUERIES:
            reasons = told(library, _asking(library, name, handle))
            if reasons is not None:
                self._reasons |= reasons
                break

    def _widen(self, name: str, value: float | None, *, least: bool = True) -> None:
        if value is None:
            return
        for bound, extreme in (("min", min), ("max", max)):
            if bound == "max" or least:
                key = f"{bound}_{name}"
                self._extremes[key] = extreme(self._extremes.get(key, float(value)), float(value))

    def facts(self) -> dict[str, Fact]:
        """What was seen, by a name with its unit; `throttled` names what held the clocks back."""
        found: dict[str, Fact] = {**self._extremes}
        words = [word for bit, word in REASONS.items() if self._reasons & bit]
        if words:
            found["throttled"] = ", ".join(words)
        return found


def _asking(library: Any, name: str, handle: Any) -> Callable[[], Any]:
    return lambda: getattr(library, name)(handle)
