"""The idle machine, measured: what stands between a command's energy and its share above idle.

With some and all threads busy as well it is a calibration: the power model takes its watts from it.
"""

from __future__ import annotations

import os
import time

from energywrap import balance, host, plan, reportfile
from energywrap.errors import UserError
from energywrap.fold import Fold
from energywrap.formats import document
from energywrap.model import Baseline, Basis, Component, Idle
from energywrap.record import record, replace
from energywrap.sampler import Sampler
from energywrap.sources import open_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from energywrap.config import Settings
    from energywrap.model import Channel, ComponentEnergy

    Burn = Callable[[int], AbstractContextManager[object]]  # keeps so many threads busy

SLICE_S = 1.0
BUSY = 0.05  # of all CPU time: a machine with more to do than that is not idle
FEW, SPREAD = 5, 0.10  # with fewer slices their spread tells little: then this part of the mean
PARTS = (Component.CPU, Component.RAM, Component.MACHINE)


@record
class Measured:
    """What the machine drew over a while: by channel, and by part for the power model."""

    seconds: float
    channels: dict[str, Idle]
    parts: dict[str, Idle]
    by: dict[str, str]
    busy_part: float


def measure(settings: Settings, seconds: float, pause: Callable[[float], None] = time.sleep) -> Baseline:
    """Read every measured channel for so long and take its mean power, with the spread of its slices.

    Other work on the machine is said in `how`. Raises UserError where nothing is measured.
    """
    found = _measured(settings, seconds, pause)
    how = f"measured over {found.seconds:.0f} s"
    how += f" with {100 * found.busy_part:.0f} % of the CPU time in use" if found.busy_part > BUSY else ""
    parts = {part: {"0": watts} for part, watts in found.parts.items()}
    return Baseline(
        taken_at_s=time.time(),
        seconds=found.seconds,
        how=how,
        idle=found.channels,
        loads={},
        busy_part=found.busy_part,
        parts=parts,
        by=found.by,
        cpu=host.cpu(),
        threads=os.cpu_count() or 1,
    )


def under_load(
    idle: Baseline,
    settings: Settings,
    seconds: float,
    burn: Burn,
    pause: Callable[[float], None] = time.sleep,
) -> Baseline:
    """The same baseline with what the machine draws while one, half and all of its threads are busy.

    `burn` keeps so many threads busy while its context is open. A part that a load does not show (its counter
    failed) is left to the model.
    """
    loads, parts = {}, {part: dict(by_load) for part, by_load in idle.parts.items()}
    for threads in sorted({1, max(1, idle.threads // 2), idle.threads}):
        with burn(threads):
            found = _measured(settings, seconds, pause)
        loads[str(threads)] = found.channels
        for part in parts:
            if part in found.parts:
                parts[part][str(threads)] = found.parts[part]
    return replace(idle, loads=loads, parts=parts)


def _measured(settings: Settings, seconds: float, pause: Callable[[float], None]) -> Measured:
    sources = open_all(settings)
    try:
        channels = [channel for channel in sources.channels if channel.basis == Basis.MEASURED]
        if not channels:
            raise UserError(
                "no counter or meter can be read here, so the idle machine's power cannot be measured "
                "(what is modelled does not count)",
                "see `energywrap doctor`",
            )
        fold, slices, took_s = _read(Sampler(sources, SLICE_S), channels, seconds, pause)
    finally:
        sources.close()
    moving = [channel.id for channel in channels if fold.tallies[channel.id].joules > 0]
    if not moving:
        raise UserError(f"no counter moved in {took_s:.0f} s", "see `energywrap doctor`")
    total = balance.total(plan.choose(channels), fold.tallies, took_s)
    spoken = {part: _lines(part, total) for part in PARTS}
    return Measured(
        took_s,
        {name: spread([watts[name] for watts in slices]) for name in moving},
        {part: _watts(lines, total, took_s) for part, lines in spoken.items() if lines},
        {part: lines[0].source for part, lines in spoken.items() if lines},
        _busy_part(fold.busy_s, took_s),
    )


def _lines(part: str, total: balance.Total) -> list[ComponentEnergy]:
    """The measured lines of a component; of the machine its meter, if one sees it."""
    if part == Component.MACHINE:
        return [total.meter] if total.meter is not None else []
    return [line for line in total.components if line.component == part and line.basis == Basis.MEASURED]


def _watts(lines: Sequence[ComponentEnergy], total: balance.Total, took_s: float) -> Idle:
    """Mean power within the instrument's bounds; the machine's is without that of its GPUs."""
    gpus = [line for line in total.components if line.component == Component.GPU]
    gpus_j = sum(line.energy_j for line in gpus) if lines[0].component == Component.MACHINE else 0.0
    value, low, high = (
        sum(getattr(line, name) for line in lines) - gpus_j for name in ("energy_j", "low_j", "high_j")
    )
    return Idle(value / took_s, max(0.0, low) / took_s, high / took_s)


def _read(
    sampler: Sampler, channels: Sequence[Channel], seconds: float, pause: Callable[[float], None]
) -> tuple[Fold, list[dict[str, float]], float]:
    """The fold of the readings, the mean power of each slice in W by channel, and how long it took in s."""
    fold = Fold(channels, SLICE_S)
    fold.add(sampler.read())
    slices: list[dict[str, float]] = []
    began_s = before_s = time.monotonic()
    before_j = _joules(fold)
    while before_s - began_s < seconds:
        pause(min(SLICE_S, seconds))
        fold.add(sampler.read())
        now_s, now_j = time.monotonic(), _joules(fold)
        slices.append({name: (now_j[name] - before_j[name]) / (now_s - before_s) for name in now_j})
        before_j, before_s = now_j, now_s
    return fold, slices, before_s - began_s


def spread(watts: Sequence[float]) -> Idle:
    """The mean power of the slices with their P10 and P90; a tenth to either side where there are few."""
    mean = sum(watts) / len(watts)
    if len(watts) < FEW:
        return Idle(mean, mean * (1 - SPREAD), mean * (1 + SPREAD))
    ordered = sorted(watts)
    tenth = len(ordered) // 10
    return Idle(mean, min(mean, ordered[tenth]), max(mean, ordered[-1 - tenth]))


def save(baseline: Baseline, environ: Mapping[str, str], *, for_all: bool = False) -> str:
    """Keep it for this user's runs on this machine, or for everyone's; its file.

    Raises UserError if that cannot be.
    """
    path = reportfile.SHARED_BASELINE if for_all else _path(environ)
    if path is None:
        raise UserError("no home directory is known to keep the baseline in", "set HOME or XDG_STATE_HOME")
    reportfile.write(reportfile.Target(path, None, None), document.line(baseline).decode())
    if for_all:
        os.chmod(os.path.dirname(path), 0o755)
        os.chmod(path, 0o644)
    return path


def load(environ: Mapping[str, str]) -> Baseline | None:
    """What was kept for this machine, the newer of the user's and everyone's; None without one.

    It is empty, and says why in `how`, where what was measured was another machine under the same name.
    """
    if not reportfile.has_baselines(environ):
        return None
    kept = [found for found in map(_read_file, (_path(environ), reportfile.SHARED_BASELINE)) if found]
    newest = max(kept, key=lambda each: each.taken_at_s, default=None)
    if newest is None:
        return None
    how = f"{newest.how}, {_age(max(0.0, time.time() - newest.taken_at_s))} ago"
    if (newest.cpu, newest.threads) == (host.cpu(), os.cpu_count() or 1):
        return replace(newest, how=how)
    other = f"{how}, on {newest.threads} threads of {newest.cpu}: not this machine"
    return replace(newest, how=other, idle={}, loads={}, parts={})


def _read_file(path: str | None) -> Baseline | None:
    try:
        with open(path or "", "rb") as file:
            found: Baseline = document.from_line("Baseline", file.read())
    except (OSError, ValueError):
        return None
    return found


def _path(environ: Mapping[str, str]) -> str | None:
    """One file per machine: a home directory may be mounted on many."""
    state = reportfile.state_folder(environ)
    name = host.name_hash(state) if state is not None else None
    return os.path.join(state, reportfile.BASELINES, f"{name}.json") if state and name else None


def _joules(fold: Fold) -> dict[str, float]:
    return {name: tally.joules for name, tally in fold.tallies.items()}


def _busy_part(busy_s: float | None, took_s: float) -> float:
    """The part of all CPU time that was used, by whatever runs here."""
    return 0.0 if busy_s is None else busy_s / (took_s * (os.cpu_count() or 1))


def _age(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
