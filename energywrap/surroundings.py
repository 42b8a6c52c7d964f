"""What stands around a run's energy: its intensity, its machine's making, the factors of the hidden parts."""

from __future__ import annotations

from energywrap import embodied, tables
from energywrap.footprint import Factor
from energywrap.hidden import Around, Known
from energywrap.machine import identify
from energywrap.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.allocation import Allocation
    from energywrap.config import Settings
    from energywrap.model import CarbonIntensity, Gpu, Live, Making, Place, Trace
    from energywrap.power_model import Described

NETWORK, DRIVES, COPIES = "swd4-net", "ssd-wh", "replication"  # rows of network_storage.tsv
WATER_LOW, WATER_HIGH = 0.5, 2.0  # of a grid's water: contested, and years old
# P10 to P90 of a live value, as a part of it: our judgement of how far providers are apart
LIVE_BAND = {"actual": 0.10, "estimated": 0.20, "forecast": 0.20}


@record
class Blend:
    """An intensity with live values in it, and the part of the energy that they are known for."""

    intensity: CarbonIntensity
    part: float


def around(
    settings: Settings,
    where: Place,
    machine: Described | None,
    gpus: Sequence[Gpu],
    reserved: float,
    duration_s: float,
    network_bytes: int | None,
) -> Around:
    """The factors of the hidden parts at a place, on a machine."""
    try:
        known = machine or identify.describe(identify.of_settings(settings)).machine
    except (OSError, ValueError):
        known = None
    made = embodied.resolve(settings, known, gpus, reserved) if known is not None else None
    return replace(factors(where, duration_s, network_bytes), making=made)


def factors(where: Place, duration_s: float, network_bytes: int | None) -> Around:
    """The factors of the hidden parts at a place, but for the machine's making."""
    return Around(
        duration_s=duration_s,
        making=None,
        network_bytes=network_bytes,
        network=_known(NETWORK),
        drives=_known(DRIVES),
        copies=_known(COPIES),
        grid_water=_water(where.zone),
    )


def remade(making: Making | None, settings: Settings) -> Making | None:
    """The same with what the user has said of it in place of the usual."""
    if making is None:
        return None
    return replace(
        making,
        machine=embodied.given(making.machine, settings.embodied_kg, settings, "embodied_kg"),
        gpus=tuple(
            embodied.given(gpu, settings.gpu_embodied_kg, settings, "gpu_embodied_kg") for gpu in making.gpus
        ),
    )


def reserved(kept: Allocation | None, memory_bytes: int | None, installed_bytes: int | None) -> float:
    """The larger of the parts of CPUs and memory that are kept for this run; 1 where nothing limits it."""
    parts = [kept.part] if kept is not None else []
    if memory_bytes and installed_bytes and memory_bytes < installed_bytes:
        parts.append(memory_bytes / installed_bytes)
    return max(parts, default=1.0)


def blend(yearly: CarbonIntensity, live: Live | None, pieces: Sequence[tuple[float, float, float]]) -> Blend:
    """The yearly intensity, with a live one in its place for the energy that lies in the live one's slots.

    `pieces` are (from, to, joules) in seconds since 1970: each slot weighs by the energy that falls into it.
    """
    if live is None or not live.slots:
        return Blend(yearly, 0.0)
    from energywrap.grid import slots

    mean, part = slots.weighted(live.slots, pieces)
    if mean is None or part <= 0:
        return Blend(yearly, 0.0)
    width = max(LIVE_BAND.get(slot.kind, 0.2) for slot in live.slots)
    rest = 1 - part
    mixed = replace(
        yearly,
        g_per_kwh=part * mean + rest * yearly.g_per_kwh,
        low_g_per_kwh=part * mean * (1 - width) + rest * yearly.low_g_per_kwh,
        high_g_per_kwh=part * mean * (1 + width) + rest * yearly.high_g_per_kwh,
        year=None,
        boundary=_both(live.boundary, yearly.boundary, rest),
        gas=_both(live.gas, yearly.gas, rest),
        accounting=_both(live.accounting, yearly.accounting, rest),
        quality="live" if rest <= 0.001 else f"live for {100 * part:.0f} % of the energy",
        source=live.source,
        licence=live.licence,
        caution=None,
    )
    return Blend(mixed, part)


def pieces(
    trace: Trace, started_at_s: float, duration_s: float, watts: Sequence[float | None]
) -> list[tuple[float, float, float]]:
    """Energies with the times they were drawn in: slices of the run, the last no longer than it lasted."""
    found = []
    for start_s, power in zip(trace.start_s, watts):
        end_s = min(start_s + trace.slice_s, duration_s)
        if power is not None and end_s > start_s:
            found.append((started_at_s + start_s, started_at_s + end_s, power * (end_s - start_s)))
    return found


def machine_watts(trace: Trace) -> list[float | None]:
    """The power of all parts together in each slice; None where none was read."""
    columns = zip(*trace.power_w.values()) if trace.power_w else ()
    return [sum(known) if (known := [w for w in column if w is not None]) else None for column in columns]


def _both(live: str, yearly: str, rest: float) -> str:
    return live if rest <= 0.001 or live == yearly else f"{live}, and {yearly} for the rest"


def _known(key: str) -> Known:
    row = tables.find("network_storage", key)
    if row is None:
        tables.damaged("network_storage", f"it has no row {key}")
    value = tables.number(row, "value")
    bounds = (tables.number(row, column, value) for column in ("low", "high"))
    return Known(Factor(value, *bounds), row["source_id"])


def _water(zone: str) -> Known | None:
    """The water of a zone's grid; of a part of a country, the country's."""
    key: str | None = zone
    while key:
        row = tables.find("grid_water", key)
        if row is not None:
            value = tables.number(row, "l_per_kwh")
            return Known(Factor(value, value * WATER_LOW, value * WATER_HIGH), row["source_id"])
        above = tables.find("grid", key)
        key = above["parent"] if above else None
    return None
