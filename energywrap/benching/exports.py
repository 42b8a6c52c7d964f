"""A bench as rows, Markdown, CSV and JSON. Pure."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

from energywrap.benching import figures, words
from energywrap.benching.hyperfine import hyperfine
from energywrap.benching.series import failed
from energywrap.errors import printable
from energywrap.formats.quantities import grams, joules, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from energywrap.benching.figures import Figures
    from energywrap.benching.series import Bench, Run, Series
    from energywrap.stats import Ratio

SCHEMA_VERSION = 1
HEADS = ("command", "energy", "P5 to P95", "time", "power", "energy x time", "vs best", "CO2e")
DROPPED = ("CO2e", "energy x time", "P5 to P95", "power")  # in a narrow terminal
RUN_FIELDS = (
    "run_id", "round", "started_at", "repetitions", "duration_s", "energy_j", "command_j", "co2e_g", "cpu_s",
    "exit_code", "signal", "coverage", "throttled", "disturbed",
)  # fmt: skip


def rows(bench: Bench) -> list[tuple[str, ...]]:
    """One row a command, the cells as a person reads them."""
    best = figures.best(bench, "energy_j")
    return [_row(each, found, each is best) for each, found in zip(bench.series, figures.figures(bench))]


def markdown(bench: Bench) -> str:
    """A table of GitHub's kind, and below what is to be said."""
    table = [[_code(row[0]), *row[1:]] for row in rows(bench)]
    rule = [":---", *("---:" for _ in HEADS[1:])]
    lines = ["| " + " | ".join(row) + " |" for row in (HEADS, rule, *table)]
    told = [
        *words.verdict(bench), *words.repetitions(bench), *words.idle(bench.idle), *words.doubts(bench)
    ]  # fmt: skip
    return "\n".join([*lines, "", *(f"* {line}" for line in told)]).rstrip("\n") + "\n"


def document(bench: Bench) -> str:
    """Our own JSON: every command with its medians and every run."""
    found = figures.figures(bench)
    whole = {
        "schema_version": SCHEMA_VERSION,
        "label": bench.label,
        "complete": bench.complete,
        "rounds": bench.rounds,
        "min_time_s": bench.least_s,
        "idle": {
            "seconds": bench.idle.seconds, "before_w": bench.idle.before_w, "after_w": bench.idle.after_w
        },
        "commands": [_series(each, its) for each, its in zip(bench.series, found)],
        "verdict": words.verdict(bench),
        "remarks": [*words.repetitions(bench), *words.idle(bench.idle), *words.doubts(bench)],
    }  # fmt: skip
    return json.dumps(whole, indent=2) + "\n"


def table(bench: Bench) -> str:
    """CSV: one line a run."""
    names = sorted({name for each in bench.series for name in each.command.parameters})
    written: list[str] = []
    out = csv.writer(SimpleNamespace(write=written.append), lineterminator="\n")
    out.writerow(["command", *(f"parameter_{name}" for name in names), *RUN_FIELDS])
    for each in bench.series:
        chosen = [each.command.parameters.get(name, "") for name in names]
        for run in each.runs:
            out.writerow([each.command.line, *chosen, *(getattr(run, field) for field in RUN_FIELDS)])
    return "".join(written)


EXPORTS: dict[str, Callable[[Bench], str]] = {
    "markdown": markdown,
    "json": document,
    "hyperfine": hyperfine,
    "csv": table,
}


def _row(series: Series, found: Figures | None, best: bool) -> tuple[str, ...]:
    line = printable(series.command.line)
    if found is None:
        return (line, *("-" for _ in HEADS[1:]))
    energy, ratio = found.energy_j, found.to_best
    return (
        line,
        joules(energy.value if energy else None),
        f"{joules(energy.low)} to {joules(energy.high)}" if energy else "-",
        seconds(found.time_s.value),
        "-" if found.power_w is None else f"{found.power_w:.3g} W",
        "-" if found.delay_js is None else f"{joules(found.delay_js)} s",
        "-" if ratio is None else "1" if best else f"{ratio.value:.3g} ({ratio.low:.3g} to {ratio.high:.3g})",
        grams(found.co2e_g),
    )


def _code(text: str) -> str:
    """A command as code in a cell of a Markdown table."""
    mark = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{mark}{space}{text}{space}{mark}".replace("|", "\\|")


def _series(series: Series, found: Figures | None) -> dict[str, Any]:
    return {
        "command": series.command.line,
        "parameters": series.command.parameters,
        "repetitions": series.repetitions,
        "median": None
        if found is None
        else {
            "energy_j": _interval(found.energy_j),
            "time_s": _interval(found.time_s),
            "power_w": found.power_w,
            "energy_delay_js": found.delay_js,
            "co2e_g": found.co2e_g,
            "energy_to_best": _interval(found.to_best),
        },
        "outlying_rounds": [run.round for run in figures.outliers(series)],
        "runs": [_run(run) for run in series.runs],
    }


def _run(run: Run) -> dict[str, Any]:
    bases = {"bases": list(run.bases), "sources": list(run.sources), "failed": failed(run)}
    return {name: getattr(run, name) for name in RUN_FIELDS} | bases


def _interval(found: Ratio | None) -> dict[str, float] | None:
    return None if found is None else {"value": found.value, "p5": found.low, "p95": found.high}
