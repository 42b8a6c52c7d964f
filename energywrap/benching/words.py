"""What is to be said of a bench: the verdict, and what makes it doubtful. Pure."""

from __future__ import annotations

from energywrap.benching import figures
from energywrap.benching.series import failed
from energywrap.comparison import LEAST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from energywrap.benching.series import Bench, Idle, Series

QUANTITIES = (
    ("energy_j", "most frugal"),
    ("duration_s", "fastest"),
    ("delay_js", "least energy-delay product"),
)
DRIFT = 0.05  # of the idle machine's power
LEAST_COVERAGE = 0.9


def verdict(bench: Bench) -> list[str]:
    """Which command is best in what, and whether that is shown."""
    ran = [each for each in bench.series if each.runs]
    if len(ran) < 2:
        return []
    ran = figures.working(ran)  # those that failed are named among the doubts
    found = {name: figures.best(bench, name) for name, _ in QUANTITIES}
    lines = [_best(title, name, found[name], ran) for name, title in QUANTITIES]
    frugal, fast = found["energy_j"], found["duration_s"]
    if frugal is not None and fast is not None and frugal is not fast and _all_shown(frugal, fast):
        lines.append(
            f"faster is not more frugal here: {_name(fast)} is the faster, {_name(frugal)} uses less energy"
        )
    return lines


def doubts(bench: Bench) -> list[str]:
    """What a reader must know beside the figures."""
    return [*_of_all(bench), *(line for each in bench.series if each.runs for line in _of_one(each))]


def repetitions(bench: Bench) -> list[str]:
    """Which commands were repeated inside a measurement."""
    short = [each for each in bench.series if each.runs and each.repetitions > 1]
    if not short:
        return []
    times = ", ".join(f"{_name(each)} {each.repetitions} times" for each in short)
    lines = [
        f"repeated inside each measurement, for about {bench.least_s:g} s or more, "
        f"figures per repetition: {times}"
    ]
    if any(each.command.hooks.prepare for each in short):
        lines.append("--prepare ran before each measurement, not before each repetition")
    return lines


def idle(found: Idle) -> list[str]:
    """The idle machine's power, and its drift."""
    before, after = found.before_w, found.after_w
    if before is None:
        return []
    if after is None:
        return [f"the idle machine took {before:.3g} W before"]
    line = f"the idle machine took {before:.3g} W before and {after:.3g} W after"
    change = after / before - 1 if before > 0 else 0.0
    if abs(change) <= DRIFT:
        return [line]
    return [f"{line} ({100 * change:+.2g} %): something else changed meanwhile, so repeat the bench"]


def kept(bench: Bench) -> list[str]:
    """What `--keep` has left out of the ledger."""
    runs = [run for each in bench.series for run in each.runs]
    alone = sum(run.repetitions == 1 for run in runs)
    if alone == len(runs):
        return []
    return [f"{alone} of {len(runs)} measurements are in the ledger: repetitions are no run of the command"]


def _of_all(bench: Bench) -> Iterator[str]:
    runs = [run for each in bench.series for run in each.runs]
    if not bench.complete:
        wanted = bench.rounds * len(bench.series)
        yield f"it was ended early: {len(runs)} of {wanted} runs were measured"
    fewest = min((len(each.runs) for each in bench.series), default=0)
    if len(bench.series) > 1 and 0 < fewest < LEAST:
        yield f"with {fewest} runs no difference can be shown: {LEAST} of each are the least"
    if any(run.energy_j is None for run in runs):
        yield "the energy of some runs is not known"
    if any("measured" not in run.bases or len(run.bases) > 1 for run in runs if run.bases):
        whole = all("measured" not in run.bases for run in runs)
        which = "energy is modelled" if whole else "a part of the energy is modelled"
        yield f"{which}: it follows time and CPU time, and tells little beyond them"
    if len({(run.bases, run.sources) for run in runs}) > 1:
        yield "not all runs were measured by the same sources: their energies must not be compared"
    throttled = [run for run in runs if run.throttled]
    if throttled:
        count = sum(run.throttled or 0 for run in throttled)
        yield (
            f"the processor slowed down for its heat in {len(throttled)} of {len(runs)} runs "
            f"({count} times): give --cooldown"
        )
    disturbed = sum(run.disturbed for run in runs)
    if disturbed:
        yield f"other work was running beside {disturbed} of {len(runs)} runs"
    covered = [run.coverage for run in runs if run.coverage is not None]
    if covered and min(covered) < LEAST_COVERAGE:
        yield f"a source covered only {100 * min(covered):.0f} % of a measurement: give a longer --min-time"


def _of_one(series: Series) -> Iterator[str]:
    bad = sum(failed(run) for run in series.runs)
    if bad:
        yield f"{_name(series)}: {bad} of {len(series.runs)} runs failed"
    far = figures.outliers(series)
    if far:
        rounds = ", ".join(str(run.round) for run in far)
        yield (
            f"{_name(series)}: {len(far)} of {len(series.runs)} runs "
            f"{'is an outlier' if len(far) == 1 else 'are outliers'} (round {rounds}; modified z-score above "
            f"{figures.OUTLYING:g}): was the machine doing something else?"
        )
    slow = figures.slow_trend(series)
    if slow is not None:
        way = "slower" if slow.change > 0 else "faster"
        yield (
            f"{_name(series)} became {way} over the rounds, by {100 * abs(slow.change):.2g} % "
            f"(p = {slow.p:.1g}): the machine was not steady"
        )


def _best(title: str, name: str, found: Series | None, ran: list[Series]) -> str:
    if found is None:
        return f"{title}: not known"
    others = [each for each in ran if each is not found]
    shown = [figures.difference(found, each, name) for each in others]
    if all(shown):
        return f"{title}: {_name(found)}"
    if not any(shown):
        return f"{title}: no difference shown"
    unclear = ", ".join(_name(each) for each, sure in zip(others, shown) if not sure)
    return f"{title}: {_name(found)}, with no difference shown to {unclear}"


def _all_shown(frugal: Series, fast: Series) -> bool:
    return bool(
        figures.difference(frugal, fast, "energy_j") and figures.difference(fast, frugal, "duration_s")
    )


def _name(series: Series) -> str:
    return f"`{series.command.line}`"
