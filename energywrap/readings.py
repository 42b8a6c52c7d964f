"""The nouns of reading: components, channels, snapshots. All that must be there before a command starts."""

from __future__ import annotations

from energywrap.record import record


class Component:
    """What draws power. Leaves (cpu, ram, gpu, rest) add up; machine is a meter that sees them all."""

    CPU = "cpu"
    RAM = "ram"
    GPU = "gpu"
    REST = "rest"
    MACHINE = "machine"


class Basis:
    """How much a number can be trusted to be about this machine."""

    MEASURED = "measured"  # a hardware counter or meter
    MODELLED = "modelled"  # a fitted model with an interval
    ASSUMED = "assumed"  # a default nobody checked


class Kind:
    """How a channel's values become joules."""

    COUNTER = "counter"  # J since some origin: subtract
    GAUGE = "gauge"  # W at an instant: integrate


@record
class Channel:
    """One number a source can read, and everything needed to turn its values into joules."""

    id: str
    component: str
    device: str
    source: str
    kind: str
    basis: str = Basis.MEASURED
    wrap_j: float | None = None  # the counter restarts from 0 beyond this many J
    max_w: float = 1000.0  # more than this cannot be real: tells a wrap from a reset
    tick_s: float = 0.0  # the counter's own update period
    error: float = 0.0  # relative half-width of the instrument's P10-P90 band
    low_id: str | None = None  # channels that carry a model's own lower and upper bounds
    high_id: str | None = None
    duplicate_of: str | None = None  # another channel that may show the very same counter
    covers: tuple[str, ...] = ()  # further components inside this reading: they get no line of their own
    share: float | None = None  # the command's part, where it is known beforehand (of a GPU it cannot see: 0)
    share_id: str | None = None  # a value, 0 to 1, that is read with this one: the command's part just now
    shared: str | None = None  # why its energy may not be the command's alone, and nobody can tell the part


@record
class Snapshot:
    """Everything read at one instant, `at_s` after the sampler was made; what could not be read is absent."""

    at_s: float
    ahead_s: float  # the clock that counts suspend, less the one that does not
    own_s: float  # CPU seconds of energywrap itself
    busy_s: float | None  # CPU seconds of the machine, of all its CPUs together
    tree_s: float | None  # CPU seconds of the command's tree
    values: dict[str, float]
    read_at_s: dict[str, float]
    stat: bytes = b""  # the kernel's lines about CPUs, where it has such
    held: float | None = None  # the part of the machine's memory that the command's tree holds
    running: int | None = None  # threads that ran or waited for a CPU just then, without the one that read


@record
class Skipped:
    """A source, or a part of one, that does not speak in this run."""

    what: str
    why: str
    fix: str | None = None
    expected: bool = False


@record
class Gpu:
    """One graphics processor as its driver names it; `facts` are what its readings need to be understood."""

    name: str
    uuid: str
    facts: dict[str, str | float | bool | None] | None = None
