"""The files and links that the kernel shows below /sys for a scenario."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fakes.fuse import Directory, File, Node, constant
from fakes.scenario import Attribute, Devices, Gauge, Scenario, Zone

Clock: TypeAlias = Callable[[], float]  # seconds since the scenario began
POWERCAP = "devices/virtual/powercap"


def zone_path(zone_id: str) -> str:
    """Where a zone lives below devices/virtual/powercap: `intel-rapl/intel-rapl:0/intel-rapl:0:1`."""
    parts = zone_id.split(":")
    return "/".join(":".join(parts[: depth + 1]) for depth in range(len(parts)))


def devices(scenario: Scenario, clock: Clock) -> Directory:
    """What is in /sys/devices/virtual/powercap."""
    return {
        control: {
            "enabled": constant("1", 0o644),
            "uevent": constant("", 0o644),
            "subsystem": "../../../../class/powercap",
            **{f"{control}:{key}": _zone(f"{control}:{key}", zone, clock) for key, zone in zones.items()},
        }
        for control, zones in scenario.powercap.items()
    }


def classes(scenario: Scenario, clock: Clock) -> dict[str, Directory]:
    """What is in /sys/class/powercap (only links) and in the other classes that the scenario names."""
    ids = [*scenario.powercap, *scenario.zones()]
    groups: dict[str, Directory] = {"powercap": {i: f"../../{POWERCAP}/{zone_path(i)}" for i in ids}}
    if scenario.hwmon:
        groups["hwmon"] = _plain(scenario.hwmon, clock)
    if scenario.power_supply:
        groups["power_supply"] = _plain(scenario.power_supply, clock)
    return groups


def _zone(zone_id: str, zone: Zone, clock: Clock) -> Directory:
    own: Directory = {
        "name": constant(zone.name),
        "energy_uj": _counter(zone, clock),
        "max_energy_range_uj": constant(str(zone.range_uj)),
        "enabled": constant("1", 0o644),
        "uevent": constant("", 0o644),
        "constraint_0_name": constant("long_term"),
        "constraint_0_power_limit_uw": constant(str(int(zone.tdp_w * 1e6)), 0o644),
        "device": f"../../{zone_id.rpartition(':')[0]}",
        "subsystem": "../" * (zone_id.count(":") + 4) + "class/powercap",
    }
    children = {f"{zone_id}:{key}": child for key, child in zone.sub.items()}
    return {**own, **{child_id: _zone(child_id, child, clock) for child_id, child in children.items()}}


def _counter(zone: Zone, clock: Clock) -> File:
    return File(lambda: str(zone.energy_uj(clock())), zone.mode)


def _plain(group: Devices, clock: Clock) -> Directory:
    return {
        device: {name: _attribute(value, clock) for name, value in attributes.items()}
        for device, attributes in group.items()
    }


def _attribute(attribute: Attribute, clock: Clock) -> Node:
    match attribute:
        case Gauge() as gauge:
            return File(lambda: str(gauge.microwatts(clock())))
        case Zone() as zone:
            return _counter(zone, clock)
        case _:
            return constant(attribute)
