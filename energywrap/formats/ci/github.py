"""GitHub Actions: the step summary, the step's outputs, a warning, the body of a comment. Pure."""

from __future__ import annotations

from energywrap.emitted import emitted
from energywrap.formats.ci import figures, markdown
from energywrap.formats.quantities import grams, joules, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from energywrap.model import RunReport

LARGEST = 60_000  # bytes of a summary; a comment may have 65,536 letters, a step's summary 1 MiB
COMMAND = 200  # letters
WARNINGS = 3
HEADS = ("Run", "Energy", "P10 to P90", "CO2e", "P10 to P90", "Duration", "Basis", "Grade")


def summary(reports: Sequence[RunReport]) -> str:
    """A table of the runs in Markdown, below 64 KiB however many they are."""
    text = _one(reports[0]) if len(reports) == 1 else _many(reports)
    return f"{text}\n"


def comment(reports: Sequence[RunReport]) -> str:
    """A comment's body."""
    return markdown.marker(figures.name(reports[0]) if reports else "runs") + summary(reports)


def outputs(values: Mapping[str, str], delimiter: str) -> str:
    """Lines for the file that GITHUB_OUTPUT names; `delimiter` must be random."""
    return "".join(_assignment(key, value, delimiter) for key, value in values.items())


def warning(report: RunReport) -> str | None:
    """The one annotation that a run deserves, or None."""
    said = list(report.warnings)
    if not report.complete:
        said.insert(0, "the run was cut off: what followed is not known")
    if not said:
        return None
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return annotation("warning", figures.name(report), figures.shown(said[0], 4 * markdown.SENTENCE) + more)


def annotation(kind: str, name: str, words: str) -> str:
    """A workflow command that GitHub shows beside the step: an error, a warning or a notice."""
    title = _property(f"energywrap: {name}")
    return f"::{kind} title={title}::{_data(words)}"


def _one(report: RunReport) -> str:
    machine, carbon = report.scopes["machine"], report.carbon
    co2e_g, low_g, high_g = emitted(report)
    rows = [
        ("Energy", joules(machine.energy_j)),
        ("P10 to P90", _interval(machine.low_j, machine.high_j, joules)),
        ("CO2e", grams(co2e_g)),
        ("P10 to P90", _interval(low_g, high_g, grams)),
        ("Duration", seconds(report.duration_s)),
        ("Mean power", _power(report)),
        ("Command's share", joules(report.scopes["command"].energy_j)),
        (
            "Grid",
            f"{markdown.text(carbon.zone)} ({markdown.sentence(carbon.zone_name)}), "
            f"{carbon.intensity_g_per_kwh:.3g} gCO2e/kWh "
            f"({carbon.intensity_low_g_per_kwh:.3g} to {carbon.intensity_high_g_per_kwh:.3g})",
        ),
        ("Basis", figures.basis(report) or "-"),
        ("Grade", f"{markdown.text(report.grade.letter)}: {markdown.sentence(report.grade.reason)}"),
        ("Exit status", _ending(report)),
        ("Command", _command(report)),
    ]
    lines = [f"### energywrap: {markdown.code(figures.name(report))}", "", "| | |", "| --- | --- |"]
    lines += [f"| {head} | {cell} |" for head, cell in rows]
    return "\n".join([*lines, *_remarks(report)])


def _many(reports: Sequence[RunReport]) -> str:
    lines = [f"### energywrap: {len(reports)} runs", "", *markdown.table(HEADS, [])]
    size = sum(len(line.encode()) + 1 for line in lines)
    for done, report in enumerate(reports):
        line = markdown.row(_cells(report))
        size += len(line.encode()) + 1
        if size > LARGEST:
            lines += ["", f"{len(reports) - done} further runs are left out here."]
            break
        lines.append(line)
    return "\n".join(lines)


def _cells(report: RunReport) -> list[str]:
    machine = report.scopes["machine"]
    co2e_g, low_g, high_g = emitted(report)
    return [
        markdown.code(figures.name(report)),
        joules(machine.energy_j),
        _interval(machine.low_j, machine.high_j, joules),
        grams(co2e_g),
        _interval(low_g, high_g, grams),
        seconds(report.duration_s),
        figures.basis(report) or "-",
        markdown.text(report.grade.letter),
    ]


def _remarks(report: RunReport) -> list[str]:
    said = [f"* {markdown.sentence(each)}" for each in report.warnings[:WARNINGS]]
    if not report.complete:
        said.insert(0, "* The run was cut off: what followed is not known.")
    if len(report.warnings) > WARNINGS:
        said.append(f"* {len(report.warnings) - WARNINGS} further warnings are left out here.")
    return ["", *said] if said else []


def _interval(low: float | None, high: float | None, words: Callable[[float], str]) -> str:
    return "-" if low is None or high is None else f"{words(low)} to {words(high)}"


def _power(report: RunReport) -> str:
    energy_j = report.scopes["machine"].energy_j
    known = energy_j is not None and report.duration_s > 0
    return f"{energy_j / report.duration_s:.3g} W" if known and energy_j is not None else "-"


def _ending(report: RunReport) -> str:
    if report.exit_code is None:
        return "not known"
    return f"signal {report.signal}" if report.signal else str(report.exit_code)


def _command(report: RunReport) -> str:
    import shlex

    return markdown.code(figures.shown(shlex.join(report.command), COMMAND))


def _assignment(key: str, value: str, delimiter: str) -> str:
    if value.isprintable():
        return f"{key}={value}\n"
    return f"{key}<<{delimiter}\n{value}\n{delimiter}\n"


def _data(text: str) -> str:
    """The message of a workflow command."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """A property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
