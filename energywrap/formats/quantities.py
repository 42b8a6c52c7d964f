"""Quantities in words: three significant digits and the unit that fits."""

from __future__ import annotations

SMALL_CHANGE = 1e-3  # of money: below, it is written as a power of ten


def joules(value: float | None) -> str:
    """An energy with its unit, three significant digits."""
    return _scaled(value, (("uJ", 1e-6), ("mJ", 1e-3), ("J", 1.0), ("kJ", 1e3), ("MJ", 1e6), ("GJ", 1e9)))


def grams(value: float | None) -> str:
    """A mass of CO2e with its unit, three significant digits."""
    return _scaled(value, (("ug", 1e-6), ("mg", 1e-3), ("g", 1.0), ("kg", 1e3), ("t", 1e6)))


def litres(value: float | None) -> str:
    """A volume of water with its unit."""
    return _scaled(value, (("uL", 1e-6), ("mL", 1e-3), ("L", 1.0), ("m3", 1e3)))


def money(value: float, currency: str) -> str:
    """An amount of money with its currency, three significant digits."""
    if abs(value) < SMALL_CHANGE and value:
        return f"{value:.1e} {currency}"
    return f"{float(f'{value:.3g}'):.10g} {currency}"


def octets(value: float) -> str:
    """A size with its unit."""
    return _scaled(value, (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12)))


def seconds(value: float) -> str:
    """A duration: us, ms, s, min, h or d."""
    return _scaled(
        value, (("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0)), 2.0
    )


def _scaled(value: float | None, units: tuple[tuple[str, float], ...], least: float = 0.9995) -> str:
    """Three significant digits in the largest unit of which there are at least `least`."""
    if value is None:
        return "-"
    if value == 0:
        return f"0 {next(name for name, size in units if size == 1)}"
    fitting = [unit for unit in units if abs(value) >= unit[1] * (least if unit[1] > 1 else 0.9995)]
    name, size = fitting[-1] if fitting else units[0]
    shown = f"{value / size:.3g}"
    return f"{float(shown):.0f} {name}" if "e" in shown else f"{shown} {name}"
