"""The nouns between joules and footprint: place, intensity, facility, and the lines of a footprint."""

from __future__ import annotations

from energywrap.record import record


@record
class CarbonIntensity:
    """Grams of CO2e per kWh of a zone, with its three labels and the band that its age and kind deserve."""

    zone: str
    name: str
    g_per_kwh: float
    low_g_per_kwh: float
    high_g_per_kwh: float
    year: int | None
    boundary: str
    gas: str
    accounting: str
    quality: str
    source: str
    licence: str
    caution: str | None = None  # what a reader of this value must know


@record
class Place:
    """Where the machine stands: the grid zone and how we know."""

    zone: str
    evidence: str  # of the step that decided, in short words
    warning: str | None = None
    region: str | None = None  # of a cloud: "aws:us-east-1"
    site: str | None = None  # the kind of site that follows, a key of sites.tsv; None: nothing follows
    steps: tuple[str, ...] = ()  # what each step of the search saw, in its order


@record
class Facility:
    """Power usage effectiveness of the site (facility energy over IT energy), with its range."""

    pue: float
    low: float
    high: float
    evidence: str
    wue_l_per_kwh: float | None = None  # water at the site per kWh of IT energy; None: not known


@record
class Slot:
    """A live intensity and the time it holds for, in seconds since 1970."""

    from_s: float
    to_s: float
    g_per_kwh: float
    kind: str  # "actual", "estimated" or "forecast"


@record
class Live:
    """What a live provider has told: its slots in order of time, none overlapping another."""

    provider: str
    zone: str  # as the provider calls it
    boundary: str
    gas: str
    accounting: str
    source: str
    licence: str
    fetched_at_s: float  # seconds since 1970; of the newest answer
    cached: bool  # whether all of it came from our own cache
    slots: tuple[Slot, ...]


@record
class Carbon:
    """The factors between joules and grams, as the report shows them."""

    zone: str
    zone_name: str
    zone_evidence: str
    intensity_g_per_kwh: float
    intensity_low_g_per_kwh: float
    intensity_high_g_per_kwh: float
    year: int | None
    boundary: str
    gas: str
    accounting: str
    quality: str
    source: str
    licence: str
    pue: float
    pue_low: float
    pue_high: float
    pue_evidence: str
    zone_steps: tuple[str, ...] = ()  # what each step of the search for the zone saw
    region: str | None = None
    # the slots that the run fell into: the intensity above is then their mean, weighted by energy
    live: Live | None = None
    live_part: float = 0.0  # of the machine's energy that fell into them


@record
class Scope:
    """Energy and operational CO2e of the machine or of the command; None where nothing can be said."""

    energy_j: float | None
    low_j: float | None
    high_j: float | None
    co2e_g: float | None
    co2e_low_g: float | None
    co2e_high_g: float | None
    cpu_share: float | None = None
    cpu_share_low: float | None = None
    cpu_share_high: float | None = None
    method: str | None = None


@record
class Made:
    """What making a thing cost, in kg of CO2e with its range, and over how many years that is spread."""

    what: str
    kg: float
    low_kg: float
    high_kg: float
    years: float
    basis: str
    source: str


@record
class Making:
    """The machine and its GPUs as things that were made, and which part of the machine this run has."""

    machine: Made
    part: float  # of the physical machine that is this one: below 1 for a guest
    reserved: float  # of this machine's CPUs or memory, what is kept for the run; 1 where nothing limits it
    gpus: tuple[Made, ...]


@record
class FootprintLine:
    """One part of a footprint with its interval (P10-P90), basis and source."""

    name: str  # "it", "facility", "embodied", "embodied gpu", "network", "storage", "total", "water", "cost"
    scope: str  # "machine" or "command"
    value: float
    low: float
    high: float
    unit: str  # "gCO2e", "L", or a currency
    basis: str
    source: str
    in_total: bool


@record
class Sci:
    """Software carbon intensity (ISO/IEC 21031:2024): (O + M) per functional unit, location-based."""

    unit: str
    count: float
    g_per_unit: float
    low_g_per_unit: float
    high_g_per_unit: float
    operational_g: float
    embodied_g: float
    boundary: str  # what is inside: the command's share or the whole machine, and which part of its making
    count_from: str  # "given", or the pattern and the line that it was found in


@record
class Grade:
    """In one letter how far a result can be trusted, why, and the one thing that would raise it."""

    letter: str  # "A" to "E"
    reason: str
    raise_by: str | None
