"""What a ledger keeps of a run: columns to search and to sum by, and the whole report beside them."""

from __future__ import annotations

import zlib
from datetime import datetime

from energywrap.emitted import emitted
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.model import RunReport

COLUMNS = (
    "run_id", "started_at_s", "duration_s", "project", "label", "stage", "command", "branch", "commit_id",
    "host", "exit_code", "complete", "energy_j", "energy_low_j", "energy_high_j", "command_j", "co2e_g",
    "co2e_low_g", "co2e_high_g", "command_co2e_g", "cpu_s", "basis", "zone", "intensity", "boundary", "grade",
    "parent",
)  # fmt: skip
LONGEST_COMMAND = 500  # letters of a command line that can be searched; the report has all of it
BASES = ("measured", "modelled", "assumed")


@record
class Entry:
    """A row of the ledger; energies in J, CO2e in g, None where it is not known."""

    run_id: str
    started_at_s: float  # seconds since 1970
    duration_s: float
    project: str | None
    label: str | None
    stage: str | None
    command: str
    branch: str | None
    commit_id: str | None
    host: str | None
    exit_code: int | None
    complete: bool
    energy_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    command_j: float | None
    co2e_g: float | None
    co2e_low_g: float | None
    co2e_high_g: float | None
    command_co2e_g: float | None
    cpu_s: float | None
    basis: str  # the weakest of its components: measured, modelled or assumed
    zone: str
    intensity: float
    boundary: str
    grade: str
    parent: str | None = None  # the run that this one was a part of, which counts its energy as well

    def values(self) -> tuple[object, ...]:
        """In the order of the columns."""
        return tuple(getattr(self, name) for name in COLUMNS)


def of_report(report: RunReport) -> Entry:
    """The row of a report."""
    machine, command = report.scopes["machine"], report.scopes["command"]
    co2e_g, low_g, high_g = emitted(report)
    return Entry(
        run_id=report.run_id,
        started_at_s=instant_s(report.started_at),
        duration_s=report.duration_s,
        project=report.project,
        label=report.label,
        stage=_stage(report),
        command=" ".join(report.command)[:LONGEST_COMMAND],
        branch=report.git.branch if report.git is not None else None,
        commit_id=report.git.commit if report.git is not None else None,
        host=report.host.name_hash,
        exit_code=report.exit_code,
        complete=report.complete,
        energy_j=machine.energy_j,
        energy_low_j=machine.low_j,
        energy_high_j=machine.high_j,
        command_j=command.energy_j,
        co2e_g=co2e_g,
        co2e_low_g=low_g,
        co2e_high_g=high_g,
        command_co2e_g=emitted(report, "command")[0],
        cpu_s=report.tree.cpu_s,
        basis=_basis(report),
        zone=report.carbon.zone,
        intensity=report.carbon.intensity_g_per_kwh,
        boundary=report.carbon.boundary,
        grade=report.grade.letter,
        parent=report.parent_run,
    )


def packed(report: RunReport) -> bytes:
    """The whole report, compressed."""
    return zlib.compress(document.text(report).encode("utf-8"), 6)


def unpacked(data: bytes, run_id: str) -> RunReport:
    """The report that was kept. Raises UserError where it is damaged."""
    try:
        text = zlib.decompress(data).decode("utf-8")
    except (zlib.error, ValueError) as err:
        raise UserError(f"the report of run {run_id} is damaged in the ledger") from err
    return document.parse(text, f"run {run_id}")


def instant_s(text: str) -> float:
    """Seconds since 1970 of a moment in ISO 8601. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _stage(report: RunReport) -> str | None:
    value = report.settings.get("stage", {}).get("value")
    return str(value) if value else None


def _basis(report: RunReport) -> str:
    present = {part.basis for part in report.components}
    return next((basis for basis in reversed(BASES) if basis in present), BASES[-1])
