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


def watts_from_microwatts(microwatts: float) -> float:
    """µW (hwmon, power_supply) to W."""
    return microwatts / 1e6


def watts_from_milli(millivolts: float, milliamperes: float) -> float:
    """mV and mA (hwmon) to W."""
    return millivolts * milliamperes / 1e6


def watts_from_micro(microvolts: float, microamperes: float) -> float:
    """µV and µA (power_supply) to W."""
    return microvolts * microamperes / 1e12


def seconds_from_milliseconds(milliseconds: float) -> float:
    """ms (hwmon) to s."""
    return milliseconds / 1e3


def joules_from_picowatt_hours(picowatt_hours: float) -> float:
    """pWh (Windows' Energy Meter Interface) to J."""
    return picowatt_hours * 3.6e-9


def bytes_from_mib(mebibytes: float) -> float:
    """MiB (NVML) to bytes."""
    return mebibytes * 1048576


def joules_from_watt_minutes(watt_minutes: float) -> float:
    """Watt-minutes (first Shelly plugs) to J."""
    return watt_minutes * 60


def joules_from_watt_hours(watt_hours: float) -> float:
    """Wh (smart plugs) to J."""
    return watt_hours * 3600


def joules_from_kwh(kwh: float) -> float:
    """kWh (smart plugs) to J."""
    return kwh * J_PER_KWH


def watts_from_hundredths_of_kw(hundredths: float) -> float:
    """Hundredths of a kW (APC power strips) to W."""
    return hundredths * 10
