"""Runs from and to the emissions.csv that CodeCarbon 3 writes: kWh, kg and s there, J and g here."""

from __future__ import annotations

import csv
import hashlib
from datetime import datetime

from energywrap import tables
from energywrap.errors import UserError
from energywrap.ledger.entry import Entry
from energywrap.record import replace
from energywrap.units import J_PER_KWH, kwh_from_joules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from energywrap.model import RunReport

NEEDED = ("timestamp", "run_id", "duration", "emissions", "energy_consumed")
COLUMNS = (
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "emissions_rate",
    "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy", "energy_consumed",
    "water_consumed", "country_name", "country_iso_code", "region", "cloud_provider", "cloud_region", "os",
    "python_version", "codecarbon_version", "cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude",
    "latitude", "ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent",
    "ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue",
)  # fmt: skip
G_PER_KG = 1000.0
ONE_START_S = 2.0  # its timestamps are whole seconds
ALPHA_3 = 3  # letters


def read(lines: Iterable[str], where: str) -> Iterator[Entry]:
    """The runs of a file. Raises UserError, naming the line, for one that is not CodeCarbon's."""
    rows = csv.DictReader(lines)
    lacking = [name for name in NEEDED if name not in (rows.fieldnames or ())]
    if lacking:
        raise UserError(f"{where} is no emissions.csv of CodeCarbon: it has no {', '.join(lacking)}")
    grown: dict[str, list[Entry]] = {}
    while True:
        try:
            row = next(rows, None)
            if row is None:
                break
            entry = _entry(row)
        except (ValueError, TypeError, OverflowError, csv.Error) as err:
            raise UserError(f"{where}, line {rows.line_num}: {err}") from err
        if _own(row):
            yield entry
        else:
            _grow(grown.setdefault(entry.run_id, []), entry)
    for run_id, runs in grown.items():
        for number, entry in enumerate(runs):
            yield replace(entry, run_id=_id(f"{run_id} {number}" if number else run_id))


def _grow(runs: list[Entry], entry: Entry) -> None:
    """Rows of one id and one start are one run as it grew: `flush()` writes what it has come to each time."""
    for index, known in enumerate(runs):
        if abs(known.started_at_s - entry.started_at_s) <= ONE_START_S:
            runs[index] = max(known, entry, key=lambda each: each.duration_s)
            return
    runs.append(entry)


def _id(key: str) -> str:
    return hashlib.sha256(f"codecarbon {key}".encode()).hexdigest()[:16]


def _own(row: dict[str, str]) -> bool:
    """Whether it came out of a ledger of ours."""
    return (row.get("codecarbon_version") or "").startswith("energywrap")


def _entry(row: dict[str, str]) -> Entry:
    """A run whose interval nobody knows: CodeCarbon gives none."""
    duration_s = _number(row, "duration")
    energy_j = _number(row, "energy_consumed") * J_PER_KWH
    co2e_g = _number(row, "emissions") * G_PER_KG
    ended_s = datetime.fromisoformat(row["timestamp"]).timestamp()  # it writes local time
    intensity = co2e_g / kwh_from_joules(energy_j) if energy_j > 0 else 0.0
    return Entry(
        run_id=row["run_id"],
        started_at_s=ended_s - duration_s,
        duration_s=duration_s,
        project=row.get("project_name") or None,
        label=row.get("experiment_id") or None,
        stage=None,
        command="(CodeCarbon)",
        branch=None,
        commit_id=None,
        host=None,
        exit_code=None,
        complete=True,
        energy_j=energy_j,
        energy_low_j=None,
        energy_high_j=None,
        command_j=None,
        co2e_g=co2e_g,
        co2e_low_g=None,
        co2e_high_g=None,
        command_co2e_g=None,
        cpu_s=None,
        basis="assumed",
        zone=_zone(row.get("country_iso_code") or "unknown"),
        intensity=intensity,
        boundary="as CodeCarbon has it",
        grade="E",
    )


def _number(row: dict[str, str], name: str) -> float:
    value = float(row[name])
    if not 0 <= value < 1e15:
        raise ValueError(f"{name} = {row[name]!r} is no amount")
    return value


def _zone(code: str) -> str:
    """The zone of a country's code in ISO 3166 alpha-3, which CodeCarbon writes; another as it is."""
    alias = tables.find("zone_aliases", code)
    return code if alias is None else alias["zone"]


def _alpha_3(country: str) -> str:
    """The alpha-3 code of a country's alpha-2; another as it is."""
    found = (row["alias"] for row in tables.rows("zone_aliases", country) if row["zone"] == country)
    return next((alias for alias in found if len(alias) == ALPHA_3), country)


def row_of(entry: Entry, report: RunReport | None) -> dict[str, object] | None:
    """The columns that CodeCarbon knows of a run; power is the mean over it. None without an energy.

    A run of another tool has no report: what only that would tell is left empty.
    """
    if entry.energy_j is None or entry.co2e_g is None:
        return None
    kg, hours = entry.co2e_g / G_PER_KG, entry.duration_s / 3600
    ended = datetime.fromtimestamp(entry.started_at_s + entry.duration_s)
    known: dict[str, object] = {
        "timestamp": ended.isoformat(timespec="seconds"),  # local time, as its own
        "project_name": entry.project or "",
        "run_id": entry.run_id,
        "experiment_id": entry.label or "",
        "duration": entry.duration_s,
        "emissions": kg,
        "emissions_rate": kg / entry.duration_s if entry.duration_s > 0 else 0.0,
        "energy_consumed": kwh_from_joules(entry.energy_j),
        "country_iso_code": _alpha_3(entry.zone.partition("-")[0]),
        "region": entry.zone,
        "codecarbon_version": "energywrap",
        "tracking_mode": "machine",
        **(_told(report, hours) if report is not None else {}),
    }
    return {name: known.get(name, "") for name in COLUMNS}


def _told(report: RunReport, hours: float) -> dict[str, object]:
    """What the report adds."""
    parts = {
        kind: sum(kwh_from_joules(part.energy_j) for part in report.components if part.component == kind)
        for kind in ("cpu", "gpu", "ram")
    }
    watts = {kind: part * 1000 / hours if hours > 0 else 0.0 for kind, part in parts.items()}
    provider, _, region = (report.carbon.region or "").partition(":")
    return {
        **{f"{kind}_power": value for kind, value in watts.items()},
        **{f"{kind}_energy": value for kind, value in parts.items()},
        "country_name": report.carbon.zone_name,
        "cloud_provider": provider,
        "cloud_region": region,
        "os": report.host.os,
        "python_version": report.host.python,
        "codecarbon_version": f"energywrap {report.energywrap_version}",
        "cpu_count": report.host.logical_cpus,
        "cpu_model": report.host.cpu or "",
        "gpu_count": len(report.host.gpus),
        "gpu_model": ", ".join(gpu.name for gpu in report.host.gpus),
        "ram_total_size": (report.host.ram_bytes or 0) / 2**30,
        "on_cloud": "Y" if provider else "N",
        "pue": report.carbon.pue,
    }
