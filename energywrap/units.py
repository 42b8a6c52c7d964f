"""Conversion factors: inside the program everything is s, J, W, g and g/kWh."""

from __future__ import annotations

J_PER_KWH = 3.6e6
BYTES_PER_GB = 1e9
BYTES_PER_KIB = 1024


def joules_from_microjoules(microjoules: float) -> float:
    """µJ (powercap, hwmon) to J."""
    return microjoules / 1e6


def joules_from_millijoules(millijoules: float) -> float:
    """mJ (NVML) to J."""
    return millijoules / 1e3


def watts_from_milliwatts(milliwatts: float) -> float:
    """mW (NVML) to W."""
    return milliwatts / 1e3


def kwh_from_joules(joules: float) -> float:
    """J to kWh."""
    return joules / J_PER_KWH


def seconds_from_nanoseconds(nanoseconds: float) -> float:
    """ns (perf) to s."""
    return nanoseconds / 1e9
