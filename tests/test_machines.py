"""Whole machines: each gives exactly the plan and the energy that docs/sources.md#machines says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import Energywrap
from energywrap import balance, config, plan
from energywrap.balance import Total
from energywrap.fold import Fold
from energywrap.model import ComponentEnergy, Snapshot
from energywrap.sources import Sources, registry
from energywrap.sources.emi import open_emi
from energywrap.sources.powermetrics import open_powermetrics
from fakes import emi, meters, nvml, powercap, powermetrics
from fakes.nvml import Gpu
from fakes.scenario import RANGE_UJ, Devices, Gauge, Scenario, Zone, dump
from fakes.tree import write_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.sources import Source

DOCS = Path(__file__).resolve().parent.parent / "docs" / "sources.md"
SECONDS = 10
Drive = Callable[[int], None]


@dataclass(frozen=True)
class Row:
    """What the table in the docs says of one machine."""

    hardware: str
    parts: dict[str, tuple[str, str]]  # component and device: (W, source)
    meter: str


def table() -> dict[str, Row]:
    """The table of machines in docs/sources.md."""
    _, _, text = DOCS.read_text().partition("## Machines")
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4 or cells[0] in ("machine", "---"):
            continue
        parts = {}
        for part in cells[2].split("; "):
            title, _, rest = part.partition(": ")
            power, _, source = rest.partition(" W by ")
            parts[title] = (power, source)
        rows[cells[0]] = Row(cells[1], parts, cells[3])
    return rows


ROWS = table()


def shown(total: Total) -> dict[str, tuple[str, str]]:
    """The components of a total as the table writes them."""
    return {name(part): (watts(part, SECONDS), part.source) for part in total.components}


def name(part: ComponentEnergy) -> str:
    return f"{part.component} {part.device}"


def watts(part: ComponentEnergy, seconds: float) -> str:
    return f"{part.energy_j / seconds:.0f}"


def check(machine: str, total: Total) -> None:
    """The machine gives what the docs say, to the watt."""
    row = ROWS[machine]
    meter = f"{watts(total.meter, SECONDS)} W by {total.meter.source}" if total.meter else "none"

    assert shown(total) == row.parts
    assert meter == row.meter


def lived(sources: list[Source], drive: Drive) -> Total:
    """The balance of ten seconds in which the hardware went on as `drive` sets it."""
    channels = [channel for source in sources for channel in source.channels]
    fold = Fold(channels, 1.0)
    for second in range(SECONDS + 1):
        drive(second)
        values = {key: value for source in sources for key, value in source.read().items()}
        at_s = float(second)
        fold.add(Snapshot(at_s, 0.0, 0.0, at_s, at_s, values, dict.fromkeys(values, at_s)))
    for source in sources:
        source.close()
    return balance.total(plan.choose(channels), fold.tallies, float(SECONDS))


def opened(root: Path, *without: str) -> list[Source]:
    """Every source that opens on a tree; those that would look elsewhere than in it are left out."""
    settings = config.resolve({"sysfs_root": str(root)}, {}, "/")
    elsewhere = {"nvml", "msr", "model", "thirdparty", "ipmi", "plugs", "snmp", *without}
    openers = {key: opening for key, opening in registry.OPENERS.items() if key not in elsewhere}
    found = Sources(settings, openers)
    list(found.open_slow())
    return found.opened


# ---- powercap --------------------------------------------------------------------------------------


def zones(**tops: Zone) -> Scenario:
    """A scenario of top-level zones by their number."""
    return Scenario({"intel-rapl": {key.removeprefix("z"): zone for key, zone in tops.items()}})


def steady(label: str, power: float, **sub: Zone) -> Zone:
    """A zone of a steady power."""
    return Zone(label, [[0, power]], sub={key.removeprefix("z"): zone for key, zone in sub.items()})


def moving(root: Path, scenario: Scenario) -> Drive:
    """Counters of a plain tree that go on at the scenario's power, by whole seconds."""
    tree = write_tree(root, scenario)

    def drive(second: int) -> None:
        for zone_id, zone in scenario.zones().items():
            microjoules = zone.start_uj + round(zone.watts[0][1] * 1e6) * second
            tree.set(zone_id, microjoules % (RANGE_UJ + 1))

    return drive


LAPTOP = zones(z0=steady("package-0", 15, z0=steady("core", 9), z1=steady("dram", 2)), z1=steady("psys", 24))
XEON = zones(
    z0=steady("package-0", 120, z0=steady("dram", 25)), z1=steady("package-1", 200, z0=steady("dram", 30))
)
THREADRIPPER = zones(z0=steady("package-0-die-0", 68), z1=steady("package-0-die-1", 68))
FROZEN = zones(z0=steady("package-0", 0))


@pytest.mark.parametrize(
    ("machine", "scenario"),
    [("laptop", LAPTOP), ("dual Xeon", XEON), ("mirrored Threadripper", THREADRIPPER)],
)
def test_a_machine_with_powercap(machine: str, scenario: Scenario, tmp_path: Path) -> None:
    drive = moving(tmp_path, scenario)

    check(machine, lived(opened(tmp_path), drive))


def test_a_container_whose_powercap_is_masked(tmp_path: Path) -> None:
    """The links of the class dangle; the battery of the host can still be seen."""
    tree = write_tree(tmp_path, LAPTOP)
    tree.mask()
    meters.supply(tmp_path, "BAT0", {"type": "Battery", "status": "Discharging", "power_now": 31_000_000})

    check("container with masked powercap", lived(opened(tmp_path), lambda second: None))


# ---- other trees -----------------------------------------------------------------------------------


def test_a_jetson(tmp_path: Path) -> None:
    rails = (("VDD_IN", 5000, 1600), ("VDD_CPU_GPU_CV", 5000, 500), ("VDD_SOC", 5000, 300))
    attributes: dict[str, str | int] = {"name": "ina3221"}
    for index, (label, millivolts, milliamperes) in enumerate(rails, 1):
        attributes |= {f"in{index}_label": label, f"in{index}_input": millivolts, f"in{index}_enable": 1}
        attributes |= {f"curr{index}_input": milliamperes}
    meters.put(tmp_path / "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1", attributes)

    check("Jetson Orin Nano", lived(opened(tmp_path), lambda second: None))


def test_a_cray_node(tmp_path: Path) -> None:
    power = {"energy": 900, "cpu_energy": 280, "memory_energy": 60}
    power |= {f"accel{card}_energy": 100 + card for card in range(4)}
    folder = tmp_path / "cray/pm_counters"

    def drive(second: int) -> None:
        files: dict[str, str | int] = {
            key: f"{5000 + w * second} J 1700061210920464 us" for key, w in power.items()
        }
        meters.put(folder, {**files, "freshness": second, "generation": 1, "raw_scan_hz": 10})

    drive(0)
    check("Cray node", lived(opened(tmp_path), drive))


def test_a_windows_desktop() -> None:
    """Package and memory by the energy meter interface; the cores inside it are left out."""
    names = ["RAPL_Package0_PKG", "RAPL_Package0_PP0", "RAPL_Package0_DRAM"]
    meter = emi.Meter(names)
    source = open_emi(config.resolve({}, {}, "/"), meters=lambda: [meter])

    def drive(second: int) -> None:
        meter.joules = [100.0 + 45.0 * second, 80.0 + 30.0 * second, 20.0 + 4.0 * second]

    check("Windows desktop", lived([source], drive))


def test_a_macbook(tmp_path: Path) -> None:
    """The counters go on by whole documents of a tenth of a second: that is the clock here."""
    settings = config.resolve({}, {}, "/")
    source = open_powermetrics(settings, root=True, interval_ms=20, environ=powermetrics.env(tmp_path))
    fold = Fold(source.channels, 1.0)
    first_j = at_s = None
    until_s = time.monotonic() + 20
    while at_s is None or (at_s < 1 and time.monotonic() < until_s):
        values = source.read()
        first_j = values["powermetrics:cpu"] if first_j is None else first_j
        at_s = round((values["powermetrics:cpu"] - first_j) / 0.5) * 0.1
        fold.add(Snapshot(at_s, 0.0, 0.0, at_s, at_s, values, dict.fromkeys(values, at_s)))
    source.close()
    total = balance.total(plan.choose(source.channels), fold.tallies, at_s)

    assert {name(p): (watts(p, at_s), p.source) for p in total.components} == ROWS["MacBook"].parts


# ---- live, with GPUs -------------------------------------------------------------------------------


def live(
    tmp_path: Path, library: Path, scenario: Scenario, gpus: list[Gpu], *words: str
) -> dict[str, object]:
    """The report of a real run of a second on a live /sys and a scripted driver library."""
    config_file, script = tmp_path / "nvml.conf", tmp_path / "scenario.json"
    nvml.write_config(config_file, gpus, 0.0)
    script.write_text(dump(scenario))
    ran = Energywrap(tmp_path)(
        "--interval", "0.1", *words, "sleep", "1.5", scenario=script, env=nvml.env(library, config_file)
    )
    report: dict[str, object] = ran.report
    return report


def check_live(machine: str, report: dict[str, object]) -> None:
    """As `check`, for mean powers that a busy test machine blurs by a few per cent."""
    row, duration_s = ROWS[machine], float(str(report["duration_s"]))
    parts = report["components"]
    assert isinstance(parts, list)

    assert {f"{p['component']} {p['device']}": p["source"] for p in parts} == {
        key: source for key, (_, source) in row.parts.items()
    }
    for part in parts:
        power = float(row.parts[f"{part['component']} {part['device']}"][0])
        seconds = duration_s * part["coverage"]
        assert part["energy_j"] / seconds == pytest.approx(power, rel=0.1), part["device"]
    assert (report["meter"] is None) == (row.meter == "none")


needs_live_sysfs = pytest.mark.skipif(powercap.why_not() is not None, reason=str(powercap.why_not()))


@needs_live_sysfs
def test_a_dgx_with_eight_gpus(tmp_path: Path, nvml_dir: Path) -> None:
    gpus = [Gpu([[0, 300 + 10 * n]], name="NVIDIA H100", update_ms=20) for n in range(8)]

    check_live("DGX with 8 GPUs", live(tmp_path, nvml_dir, XEON, gpus, "--no-rest"))


@needs_live_sysfs
def test_a_grace_hopper(tmp_path: Path, nvml_dir: Path) -> None:
    """The module's reading holds the processor and its memory: the Grace rail gets no line beside it."""
    rails: Devices = {
        "hwmon0": {
            "name": "power_meter",
            "power1_oem_info": "Grace Power Socket 0",
            "power1_average": Gauge([[0, 150]]),
            "power1_average_interval": "50",
        }
    }
    scenario = Scenario({}, hwmon=rails)
    module = Gpu([[0, 600]], name="NVIDIA GH200", module_scope=True, update_ms=20)

    check_live("GH200", live(tmp_path, nvml_dir, scenario, [module]))


@needs_live_sysfs
def test_a_virtual_machine_with_counters_that_stand_still(tmp_path: Path, nvml_dir: Path) -> None:
    """The model speaks instead, and the counter is named."""
    report = live(tmp_path, nvml_dir, FROZEN, [])
    parts = report["components"]
    assert isinstance(parts, list)

    assert {p["component"]: p["basis"] for p in parts} == dict.fromkeys(("cpu", "ram", "rest"), "modelled")
    assert "did not move" in str(report["not_measured"])
    assert set(ROWS["VM with frozen counters"].parts) == {f"{p['component']} {p['device']}" for p in parts}


def test_every_machine_of_the_table_is_tested() -> None:
    tested = Path(__file__).read_text()

    assert ROWS
    assert [machine for machine in ROWS if f'"{machine}"' not in tested] == []
