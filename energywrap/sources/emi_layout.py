"""What Windows' energy meters answer, as emi.h in the Windows SDK lays it out, to names and J. Pure."""

from __future__ import annotations

from energywrap.readings import Component
from energywrap.record import record
from energywrap.units import joules_from_picowatt_hours

PICOWATT_HOURS = 0  # EmiMeasurementUnitPicowattHours, the only unit there is so far
HEAD_BYTES, UNIT_BYTES, SIZE_BYTES, MEASUREMENT_BYTES = 64, 4, 2, 16  # HEAD: two names of 16 WCHARs
COMPONENTS = {"PKG": Component.CPU, "DRAM": Component.RAM}  # all else is inside a package


@record
class Rail:
    """One channel of a meter as its metadata describes it."""

    name: str
    unit: int


def version(data: bytes) -> int:
    """The version of an EMI_VERSION. Raises ValueError if there is none."""
    return _unsigned(data, 0, SIZE_BYTES)


def rails(version: int, data: bytes) -> tuple[Rail, ...]:
    """The channels of an EMI_METADATA, in the order of their measurements. Raises ValueError on any other."""
    if version == 1:  # unit, maker, model, revision, name
        start = UNIT_BYTES + HEAD_BYTES + SIZE_BYTES
        return (Rail(_name(data, start), _unsigned(data, 0, UNIT_BYTES)),)
    if version != 2:
        raise ValueError(f"version {version} of the Energy Meter Interface is not known")
    found, start = [], HEAD_BYTES + 2 * SIZE_BYTES  # maker, model, revision, number of channels, channels
    for _ in range(_unsigned(data, HEAD_BYTES + SIZE_BYTES, SIZE_BYTES)):
        size_at = start + UNIT_BYTES
        found.append(Rail(_name(data, size_at), _unsigned(data, start, UNIT_BYTES)))
        start = size_at + SIZE_BYTES + _unsigned(data, size_at, SIZE_BYTES)
    return tuple(found)


def joules(data: bytes, channels: int) -> tuple[float, ...]:
    """J of each channel since some moment, from their measurements. Raises ValueError if one is missing."""
    starts = range(0, channels * MEASUREMENT_BYTES, MEASUREMENT_BYTES)
    return tuple(joules_from_picowatt_hours(_unsigned(data, start, 8)) for start in starts)


def _unsigned(data: bytes, start: int, size: int) -> int:
    if len(data) < start + size:
        raise ValueError(f"the answer ends after {len(data)} bytes")
    return int.from_bytes(data[start : start + size], "little")


def _name(data: bytes, start: int) -> str:
    """Text behind its size in bytes; padded with NULs or spaces."""
    size, begin = _unsigned(data, start, SIZE_BYTES), start + SIZE_BYTES
    if len(data) < begin + size:
        raise ValueError(f"a name ends behind the {len(data)} bytes of the answer")
    return data[begin : begin + size].decode("utf-16-le", "replace").partition("\0")[0].strip()


def role(name: str) -> tuple[str, str] | None:
    """(component, device) of a channel that counts; None for parts of a package and for other meters."""
    head, _, domain = name.upper().rpartition("_")
    number = head.removeprefix("RAPL_PACKAGE")
    component = COMPONENTS.get(domain)
    if component is None or number == head or not (number.isascii() and number.isdigit() and len(number) < 4):
        return None
    return component, f"{'package' if component == Component.CPU else 'dram'}-{int(number)}"
