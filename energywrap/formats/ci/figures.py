"""The figures of a run that every CI system gets, and the name that stays the same from run to run."""

from __future__ import annotations

from energywrap.emitted import emitted
from energywrap.errors import printable
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.model import RunReport

LONGEST = 120  # letters of a name


@record
class Figure:
    """One number of a run with its unit and, where there is one, its interval (P10-P90)."""

    slug: str
    words: str
    unit: str
    value: float
    low: float | None
    high: float | None


def name(report: RunReport) -> str:
    """The run's label, else its command's program without the folder: what charts go by."""
    program = report.command[0].rpartition("/")[2] if report.command else ""
    return shown(report.label or program or "run", LONGEST)


def distinct(reports: Sequence[RunReport]) -> list[tuple[str, RunReport]]:
    """Every run with a name of its own: a second one of a name is numbered."""
    found: list[tuple[str, RunReport]] = []
    taken: set[str] = set()
    for report in reports:
        first = own = name(report)
        number = 1
        while own in taken:
            number += 1
            own = f"{first} ({number})"
        taken.add(own)
        found.append((own, report))
    return found


def figures(report: RunReport) -> list[Figure]:
    """The numbers that are known: of the rest nothing is said, and never 0."""
    machine, command = report.scopes["machine"], report.scopes["command"]
    found = (
        ("energy", "energy", "J", machine.energy_j, machine.low_j, machine.high_j),
        ("co2e", "CO2e", "g", *emitted(report)),
        ("command-energy", "energy, command's share", "J", command.energy_j, command.low_j, command.high_j),
        ("duration", "duration", "s", report.duration_s, None, None),
    )
    return [
        Figure(slug, words, unit, value, low, high)
        for slug, words, unit, value, low, high in found
        if value is not None
    ]


def outputs(report: RunReport) -> dict[str, str]:
    """The values that a later step takes up, as text; empty where nothing is known."""
    machine, command = report.scopes["machine"], report.scopes["command"]
    return {
        "energy_j": number(machine.energy_j),
        "energy_low_j": number(machine.low_j),
        "energy_high_j": number(machine.high_j),
        "co2e_g": number(emitted(report)[0]),
        "command_energy_j": number(command.energy_j),
        "duration_s": number(report.duration_s),
        "grade": report.grade.letter,
        "basis": basis(report),
        "run_id": report.run_id,
        "exit_code": number(report.exit_code),
    }


def basis(report: RunReport) -> str:
    """How the energy is known: "measured", "modelled", or both with a plus sign; empty without energy."""
    if report.meter is not None:
        return report.meter.basis
    return "+".join(sorted({part.basis for part in report.components}))


def number(value: float | None) -> str:
    """A number that every reader takes; empty where nothing is known."""
    return "" if value is None else f"{value:.10g}"


def shown(text: str, longest: int) -> str:
    """The text on one line with its control characters spelled out, or the beginning of that."""
    return _cut(printable(_cut(text, longest + 1)), longest)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
