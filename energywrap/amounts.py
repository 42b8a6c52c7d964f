"""Amounts of energy and of CO2e as people write them: 50kJ, 0.2 kWh, 20g. Pure."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.units import J_PER_KWH

J_PER_WH = J_PER_KWH / 1000
ENERGY = {"uJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9,
          "Wh": J_PER_WH, "kWh": J_PER_KWH, "MWh": J_PER_KWH * 1000}  # fmt: skip
MASS = {"ug": 1e-6, "mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6}
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def energy_j(text: str, where: str) -> float:
    """Joules of "50kJ". Raises UserError, naming where it came from."""
    return _amount(text, ENERGY, where)


def mass_g(text: str, where: str) -> float:
    """Grams of "20g" or "0.5 kg". Raises UserError as above."""
    return _amount(text, MASS, where)


def _amount(text: str, units: dict[str, float], where: str) -> float:
    number = text.strip().rstrip(LETTERS)
    size = _size(text.strip()[len(number) :], units)
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if size is None or not 0 <= value < float("inf"):
        raise UserError(f"{where} {text!r} is no amount", f"a number with one of {', '.join(units)}")
    return value * size


def _size(unit: str, units: dict[str, float]) -> float | None:
    """A unit in whatever case, where that leaves no doubt: mJ is no MJ."""
    if unit in units:
        return units[unit]
    meant = [size for name, size in units.items() if name.lower() == unit.lower()]
    return meant[0] if len(meant) == 1 else None
