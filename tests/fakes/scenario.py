"""Scripted watts, and the energy counters a kernel would show for them; no clock, no file."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

Profile: TypeAlias = Sequence[Sequence[float]]  # [[from_s, watts], ...]; the first value also holds before

TICK_S = 0.000976  # RAPL counters move about once a millisecond
LSB_UJ = 61.035  # 2^-14 J, the unit of most Intel packages
RANGE_UJ = 262_143_328_850  # (2^32 - 1) * LSB: what the kernel shows as max_energy_range_uj


def watts(profile: Profile, at_s: float) -> float:
    """The scripted power at one moment, in W."""
    return profile[max(0, bisect_right([step[0] for step in profile], at_s) - 1)][1]


def joules(profile: Profile, start_s: float, end_s: float) -> float:
    """The exact integral of the script between two moments, in J."""
    edges = [start_s, *(step[0] for step in profile if start_s < step[0] < end_s), end_s]
    return sum(watts(profile, a) * (b - a) for a, b in pairwise(edges))


@dataclass(frozen=True, slots=True)
class Gauge:
    """A power gauge in µW that follows a script."""

    watts: Profile

    def microwatts(self, at_s: float) -> int:
        """What a read of the gauge shows at one moment."""
        return int(watts(self.watts, at_s) * 1e6)


@dataclass(frozen=True, slots=True)
class Zone:
    """A RAPL zone: a 32-bit counter times its unit, with the faults a script gives it."""

    name: str
    watts: Profile
    range_uj: int = RANGE_UJ
    lsb_uj: float = LSB_UJ
    start_uj: int = 0
    mode: int = 0o400
    errors: Sequence[Sequence[float]] = ()  # [[from_s, to_s, errno], ...]
    reset_at_s: float | None = None
    tdp_w: float = 100
    sub: Mapping[str, Zone] = field(default_factory=dict)

    def energy_uj(self, at_s: float) -> int:
        """What a read of the counter shows at one moment; raises OSError in an error window."""
        for from_s, to_s, number in self.errors:
            if from_s <= at_s < to_s:
                raise OSError(int(number), os.strerror(int(number)))
        modulus = round(self.range_uj / self.lsb_uj) + 1  # 2^32 on hardware
        return int(self._raw(at_s - at_s % TICK_S) % modulus * self.lsb_uj)

    def _raw(self, at_s: float) -> int:
        if self.reset_at_s is not None and at_s >= self.reset_at_s:
            return int(joules(self.watts, self.reset_at_s, at_s) * 1e6 / self.lsb_uj)
        return int(self.start_uj / self.lsb_uj) + int(joules(self.watts, 0, at_s) * 1e6 / self.lsb_uj)


Attribute: TypeAlias = "str | Gauge | Zone"
Devices: TypeAlias = Mapping[str, Mapping[str, Attribute]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything a fake machine shows; `epoch` is the CLOCK_MONOTONIC second at which scripts start."""

    powercap: Mapping[str, Mapping[str, Zone]]
    hwmon: Devices = field(default_factory=dict)
    power_supply: Devices = field(default_factory=dict)
    epoch: float | None = None

    def zones(self) -> dict[str, Zone]:
        """Every zone, parents first, by its sysfs name (`intel-rapl:0:1`)."""
        return {
            zone_id: zone
            for control, tops in self.powercap.items()
            for key, top in tops.items()
            for zone_id, zone in _family(f"{control}:{key}", top)
        }


def _family(zone_id: str, zone: Zone) -> Iterator[tuple[str, Zone]]:
    yield zone_id, zone
    for key, child in zone.sub.items():
        yield from _family(f"{zone_id}:{key}", child)


def load(text: str) -> Scenario:
    """A scenario from its JSON text; a key nobody knows is an error."""
    raw = json.loads(text)
    _reject_unknown(raw, {"epoch", "powercap", "hwmon", "power_supply"})
    return Scenario(
        powercap={
            control: {key: _zone(zone) for key, zone in zones.items()}
            for control, zones in raw.get("powercap", {}).items()
        },
        hwmon=_devices(raw.get("hwmon", {})),
        power_supply=_devices(raw.get("power_supply", {})),
        epoch=raw.get("epoch"),
    )


def dump(scenario: Scenario) -> str:
    """The JSON text that `load` reads back as the same scenario."""
    powercap = {
        control: {key: _zone_json(zone) for key, zone in zones.items()}
        for control, zones in scenario.powercap.items()
    }
    raw = {"epoch": scenario.epoch, "powercap": powercap}
    for group in ("hwmon", "power_supply"):
        if devices := getattr(scenario, group):
            raw[group] = {
                device: {name: _attribute_json(value) for name, value in attributes.items()}
                for device, attributes in devices.items()
            }
    return json.dumps(raw, indent=1)


def _zone(raw: Mapping[str, Any]) -> Zone:
    known = {"name", "watts", "range", "lsb_uj", "start", "mode", "errors", "reset_at", "tdp_w", "sub"}
    _reject_unknown(raw, known)
    return Zone(
        name=raw.get("name", ""),
        watts=raw["watts"],
        range_uj=int(raw.get("range", RANGE_UJ)),
        lsb_uj=raw.get("lsb_uj", LSB_UJ),
        start_uj=int(raw.get("start", 0)),
        mode=int(raw.get("mode", "400"), 8),
        errors=raw.get("errors", ()),
        reset_at_s=raw.get("reset_at"),
        tdp_w=raw.get("tdp_w", 100),
        sub={key: _zone(child) for key, child in raw.get("sub", {}).items()},
    )


def _zone_json(zone: Zone) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "name": zone.name,
        "range": zone.range_uj,
        "lsb_uj": zone.lsb_uj,
        "start": zone.start_uj,
        "mode": f"{zone.mode:o}",
        "watts": zone.watts,
        "tdp_w": zone.tdp_w,
    }
    if zone.errors:
        raw["errors"] = zone.errors
    if zone.reset_at_s is not None:
        raw["reset_at"] = zone.reset_at_s
    if zone.sub:
        raw["sub"] = {key: _zone_json(child) for key, child in zone.sub.items()}
    return raw


def _devices(raw: Mapping[str, Mapping[str, Any]]) -> Devices:
    return {
        device: {name: _attribute(value) for name, value in attributes.items()}
        for device, attributes in raw.items()
    }


def _attribute(raw: Any) -> Attribute:
    match raw:
        case {"watts": profile}:
            return Gauge(profile)
        case {"energy": zone}:
            return _zone(zone)
        case _:
            return str(raw)


def _attribute_json(attribute: Attribute) -> Any:
    match attribute:
        case Gauge():
            return {"watts": attribute.watts}
        case Zone():
            return {"energy": _zone_json(attribute)}
        case _:
            return attribute


def _reject_unknown(raw: Mapping[str, Any], known: set[str]) -> None:
    if unknown := raw.keys() - known:
        raise ValueError(f"unknown key in the scenario: {', '.join(sorted(unknown))}")
