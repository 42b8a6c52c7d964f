"""The nouns of a bench: its runs, and all of it. Pure."""

from __future__ import annotations

from energywrap.benching.plan import Command
from energywrap.emitted import emitted
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.model import RunReport

DISTURBED = "other work on the machine"  # in a report's warnings


@record
class Run:
    """One measurement of a command; energies, grams and seconds are those of one repetition."""

    run_id: str
    round: int  # from 1
    started_at: str
    repetitions: int
    duration_s: float
    energy_j: float | None  # of the whole machine
    command_j: float | None  # the command's share of it
    co2e_g: float | None
    cpu_s: float | None
    exit_code: int | None
    signal: int | None
    coverage: float | None  # the least of its parts'
    bases: tuple[str, ...]
    sources: tuple[str, ...]
    throttled: int | None  # times that a processor slowed down for its heat; None where nothing counts them
    disturbed: bool  # other work was running beside it


@record
class Series:
    """A command with its runs."""

    command: Command
    repetitions: int
    runs: tuple[Run, ...]


@record
class Idle:
    """The machine's mean power with nothing to do, before and after, in W."""

    seconds: float
    before_w: float | None = None
    after_w: float | None = None


@record
class Bench:
    """All of a bench, finished or not."""

    label: str | None
    rounds: int  # that were asked for
    least_s: float
    series: tuple[Series, ...]
    idle: Idle
    complete: bool


def run_of(report: RunReport, number: int, repetitions: int, throttled: int | None) -> Run:
    """What a bench keeps of a report, per repetition."""
    machine, command = report.scopes["machine"], report.scopes["command"]

    def each(value: float | None) -> float | None:
        return None if value is None else value / repetitions

    parts = report.components
    return Run(
        run_id=report.run_id,
        round=number,
        started_at=report.started_at,
        repetitions=repetitions,
        duration_s=report.duration_s / repetitions,
        energy_j=each(machine.energy_j),
        command_j=each(command.energy_j),
        co2e_g=each(emitted(report)[0]),
        cpu_s=each(report.tree.cpu_s),
        exit_code=report.exit_code,
        signal=report.signal,
        coverage=min((part.coverage for part in parts), default=None),
        bases=tuple(sorted({part.basis for part in parts})),
        sources=tuple(sorted({f"{part.component}: {part.source}" for part in parts})),
        throttled=throttled,
        disturbed=any(DISTURBED in text for text in report.warnings),
    )


def power_w(report: RunReport) -> float | None:
    """The machine's mean power over a run, in W."""
    energy_j = report.scopes["machine"].energy_j
    return energy_j / report.duration_s if energy_j is not None and report.duration_s > 0 else None


def failed(run: Run) -> bool:
    """Whether the command did not end with status 0."""
    return run.signal is not None or run.exit_code != 0
