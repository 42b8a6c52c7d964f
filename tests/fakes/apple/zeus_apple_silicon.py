"""Stands for the package of that name, version 1.1.0, where this folder is on the path; tests set `told`."""

from __future__ import annotations

FIELDS = ("cpu_total_mj", "dram_mj", "gpu_mj", "gpu_sram_mj", "ane_mj", "efficiency_core_manager_mj")
told: dict[str, int] = {}
opening: Exception | None = None
asking: Exception | None = None


class AppleEnergyMetrics:
    """Whole mJ since the start of the machine; None for what the chip does not tell."""

    def __init__(self) -> None:
        for name in FIELDS:
            setattr(self, name, told.get(name))


class AppleEnergyMonitor:
    """One subscription."""

    def __init__(self) -> None:
        if opening is not None:
            raise opening

    def get_cumulative_energy(self) -> AppleEnergyMetrics:
        """The counters now."""
        if asking is not None:
            raise asking
        return AppleEnergyMetrics()
