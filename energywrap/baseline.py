"""The idle machine, measured: what stands between a command's energy and its share above idle."""

from __future__ import annotations

import os
import time

from energywrap import host, reportfile
from energywrap.errors import UserError
from energywrap.fold import Fold
from energywrap.formats import document
from energywrap.model import Baseline, Basis, Idle
from energywrap.record import replace
from energywrap.sampler import Sampler
from energywrap.sources import open_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from energywrap.config import Settings
    from energywrap.model import Channel

SLICE_S = 1.0
BUSY = 0.05  # of all CPU time: a machine with more to do than that is not idle
FEW, SPREAD = 5, 0.10  # with fewer slices their spread tells little: then this part of the mean


def measure(settings: Settings, seconds: float, pause: Callable[[float], None] = time.sleep) -> Baseline:
    """Read every measured channel for so long and take its mean power, with the spread of its slices.

    Other work on the machine is said in `how`. Raises UserError where nothing is measured.
    """
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
    part = _busy_part(fold.busy_s, took_s)
    how = f"measured over {took_s:.0f} s"
    how += f" with {100 * part:.0f} % of the CPU time in use" if part > BUSY else ""
    idle = {name: spread([watts[name] for watts in slices]) for name in moving}
    return Baseline(time.time(), took_s, how, idle, {}, part)


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


def save(baseline: Baseline, environ: Mapping[str, str]) -> str:
    """Keep it for this user's runs on this machine; its file. Raises UserError if that cannot be."""
    path = _path(environ)
    if path is None:
        raise UserError("no home directory is known to keep the baseline in", "set HOME or XDG_STATE_HOME")
    reportfile.write(reportfile.Target(path, None, None), document.line(baseline).decode())
    return path


def load(environ: Mapping[str, str]) -> Baseline | None:
    """The baseline that was kept for this machine; None without one that can be read."""
    if not reportfile.has_baselines(environ):
        return None
    try:
        with open(_path(environ) or "", "rb") as file:
            found: Baseline = document.from_line("Baseline", file.read())
    except (OSError, ValueError):
        return None
    age_s = max(0.0, time.time() - found.taken_at_s)
    return replace(found, how=f"{found.how}, {_age(age_s)} ago")


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
