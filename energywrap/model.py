"""The nouns of accounting: tallies, energies, intensities, the journal and the report."""

from __future__ import annotations

from energywrap.carbon import (
    Carbon,
    CarbonIntensity,
    Facility,
    FootprintLine,
    Grade,
    Live,
    Made,
    Making,
    Place,
    Sci,
    Scope,
    Slot,
)
from energywrap.readings import Basis, Channel, Component, Gpu, Kind, Skipped, Snapshot
from energywrap.record import record

__all__ = [
    "Basis",
    "Carbon",
    "CarbonIntensity",
    "Channel",
    "Component",
    "Facility",
    "FootprintLine",
    "Gpu",
    "Grade",
    "Kind",
    "Live",
    "Made",
    "Making",
    "Place",
    "Sci",
    "Scope",
    "Skipped",
    "Slot",
    "Snapshot",
]  # and all that follows

SCHEMA_VERSION = 1
DIGITS = 10  # significant, in a report: more than any meter gives


@record
class Checkpoint:
    """What a run's readings add up to `at_s` after its start: enough to report on if nothing follows."""

    at_s: float
    taken_at_s: float  # seconds since 1970
    tallies: dict[str, Tally]
    busy_s: float | None
    own_s: float
    suspended_s: float
    tree_s: float | None


@record
class Tally:
    """The fold of one channel's readings; constant memory however long the run."""

    joules: float = 0.0
    shared_j: float = 0.0  # the part that falls to the command by its share
    above_j: float | None = (
        None  # as shared_j, but only of what is above the idle baseline, where there is one
    )
    covered_s: float = 0.0
    readings: int = 0
    first: float | None = None
    last: float | None = None
    last_at_s: float = 0.0
    missing: int = 0
    wraps: int = 0
    resets: int = 0
    doubtful: int = 0
    slept: bool = False  # the machine was suspended since the last value


@record
class ComponentEnergy:
    """Joules of one component over the run, with where they came from and how sure they are (P10-P90)."""

    component: str
    device: str
    energy_j: float
    low_j: float
    high_j: float
    basis: str
    source: str
    coverage: float
    shared: str | None = None  # why it may not be the command's alone, though nobody can tell the part


@record
class Idle:
    """What a channel shows on the idle machine, in W, with its spread (P10-P90)."""

    watts: float
    low_w: float
    high_w: float


@record
class Baseline:
    """The idle machine as it was measured: by channel, when, and how."""

    taken_at_s: float  # seconds since 1970
    seconds: float
    how: str
    idle: dict[str, Idle]
    loads: dict[str, dict[str, Idle]]  # by the number of busy threads
    busy_part: float  # of all CPU time that was used meanwhile: 0 on a machine that was idle indeed
    # what the power model takes: W of cpu, ram and machine (without GPUs), by the number of busy threads
    parts: dict[str, dict[str, Idle]]
    by: dict[str, str]  # the source that spoke for each of these
    cpu: str  # the processor as it calls itself, and the machine's threads: they are the same machine still?
    threads: int


@record
class Tree:
    """What the command's whole process tree used."""

    cpu_s: float | None
    method: str
    rusage_cpu_s: float | None
    max_rss_bytes: int | None
    max_rss_bound: str  # "exact", or "at most": the wrapper's own size at the fork hides a smaller peak
    read_bytes: int | None
    write_bytes: int | None


@record
class Trace:
    """Mean power per component over equal slices of the run, at most 600 of them."""

    slice_s: float
    start_s: tuple[float, ...]
    power_w: dict[str, tuple[float | None, ...]]
    command_w: tuple[float | None, ...]  # the command's share of all of these together


@record
class Overhead:
    """What energywrap itself used: in all, and while the run was measured, which `energy_j` is for."""

    cpu_s: float
    run_cpu_s: float
    energy_j: float | None
    low_j: float | None
    high_j: float | None
    method: str


@record
class Spoken:
    """A source that was there, the part of the machine that it tells of, and whether it was listened to."""

    component: str
    device: str
    source: str
    used: bool
    why: str


@record
class NotMeasured:
    """Something the total does not hold, why, and what it would take."""

    what: str
    why: str
    fix: str | None


@record
class Git:
    """The state of the working directory's repository; `dirty` is None when git could not tell in time."""

    commit: str
    branch: str | None
    dirty: bool | None


@record
class Host:
    """The machine, recognisable to its owner only."""

    name_hash: str | None
    cpu: str | None
    logical_cpus: int
    ram_bytes: int | None
    gpus: tuple[Gpu, ...]
    os: str
    kernel: str
    virtualisation: str | None
    container: str | None
    python: str


@record
class JournalHead:
    """What a run was, for the one who finds its journal."""

    version: int
    run_id: str
    parent_run: str | None
    pid: int
    pid_started: str  # by the kernel's clock: a number given out twice is not the same process
    boot_id: str
    words: tuple[str, ...]
    settings: dict[str, dict[str, str | float | bool | None]]
    folder: str
    output: str | None
    started_at_s: float
    channels: tuple[Channel, ...]
    skipped: tuple[Skipped, ...]
    gpus: tuple[Gpu, ...]
    place: Place
    git: Git | None
    method: str
    live: bool


@record
class ModelBasis:
    """What the power model went by: its tier, what was recognised of the machine, what would narrow it."""

    tier: str
    evidence: tuple[str, ...]
    hints: tuple[str, ...]


@record
class RunReport:
    """All of one run. The JSON document is this and nothing else."""

    schema_version: int
    energywrap_version: str
    run_id: str
    parent_run: str | None  # the run that this one was started in, which counts its energy as well
    label: str | None
    project: str | None
    command: tuple[str, ...]
    exit_code: int | None  # None: the report was made from the journal of a run whose end nobody saw
    signal: int | None
    started_at: str
    ended_at: str
    duration_s: float
    suspended_s: float
    complete: bool
    components: tuple[ComponentEnergy, ...]
    meter: ComponentEnergy | None  # what saw the whole machine: the components' sum, not a further part of it
    sources: tuple[Spoken, ...]  # which source speaks for what, which did not and why
    model: ModelBasis | None  # what modelled components go by; null where none is modelled
    scopes: dict[str, Scope]
    footprint: tuple[FootprintLine, ...]  # the parts of both scopes' CO2e, and what else was asked for
    sci: Sci | None  # where a functional unit was given
    grade: Grade
    tree: Tree
    carbon: Carbon
    making: Making | None
    network_bytes: int | None  # over all interfaces but loopback while the command ran
    not_measured: tuple[NotMeasured, ...]
    warnings: tuple[str, ...]
    host: Host
    git: Git | None
    trace: Trace
    overhead: Overhead
    settings: dict[str, dict[str, str | float | bool | None]]
