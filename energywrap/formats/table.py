"""The report as a table for a person at a terminal."""

from __future__ import annotations

import io
import os
import shlex
import signal
from collections.abc import Mapping

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from energywrap.errors import printable
from energywrap.formats import footprint_table
from energywrap.formats.quantities import joules, octets, seconds
from energywrap.model import Basis, ComponentEnergy, ModelBasis, RunReport, Scope
from energywrap.record import mapped, record

NARROWEST, PLAIN_WIDTH, WIDEST = 60, 100, 120  # narrower terminals wrap by themselves
LONGEST_COMMAND = 300
SHORTEST_S = 0.05  # a shorter run is compared with nothing
HEIGHT = 25  # of no effect, but rich would read LINES and COLUMNS for it
STYLES = {Basis.MEASURED: "green", Basis.MODELLED: "yellow", Basis.ASSUMED: "red"}
SEEN_WHOLE = 0.995  # of the run
SCOPES = {"machine": "machine, total", "command": "command's share", "marginal": "above idle",
          "reserved_idle": "reserved idle"}  # fmt: skip


@record
class Look:
    """What the place of the table allows."""

    width: int
    colour: bool
    encoding: str


def look(environ: Mapping[str, str], fd: int, no_color: bool) -> Look:
    """As wide as the terminal behind `fd`, in colour only on one, ASCII where the locale is no UTF-8."""
    terminal = os.isatty(fd)
    dull = no_color or bool(environ.get("NO_COLOR")) or environ.get("TERM", "dumb") == "dumb"
    return Look(_width(environ, fd, terminal), terminal and not dull, _encoding(environ))


def render(report: RunReport, path: str | None, look: Look) -> bytes:
    """The table as the bytes to write."""
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=look.width,
        height=HEIGHT,
        _environ={},  # `look` has decided
        force_terminal=look.colour,
        color_system="standard" if look.colour else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
    )
    ascii_only = look.encoding == "ascii"
    clean = mapped(report, str, lambda text: _printable(text, ascii_only))
    console.print(_report(clean, path and _printable(path, ascii_only), ascii_only, look.width))
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    return ("\n".join(lines) + "\n").encode(look.encoding, "backslashreplace")


def _report(report: RunReport, path: str | None, ascii_only: bool, width: int) -> RenderableType:
    command = shlex.join(report.command)
    if len(command) > LONGEST_COMMAND:
        command = command[:LONGEST_COMMAND] + "..."
    title = Text.assemble("energywrap: ", (command, "bold"))
    for name, value in (("project", report.project), ("label", report.label)):
        if value is not None:
            title.append(f"  [{name} {value}]")
    parts = [_energies(report, ascii_only), *footprint_table.lines(report, ascii_only, width)]
    return Group(Text(""), title, *parts, *_sentences(report, path))


def _energies(report: RunReport, ascii_only: bool) -> Table:
    grid = Table(box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("component", overflow="fold")
    grid.add_column("energy", justify="right", no_wrap=True)
    grid.add_column("P10 to P90", justify="right", no_wrap=True)
    grid.add_column("basis", overflow="fold")
    for energy in report.components:
        grid.add_row(*_line(energy))
    grid.add_section()
    for name, label in SCOPES.items():
        scope = report.scopes.get(name)
        if scope is not None:
            grid.add_row(
                Text(label, style="bold"),
                Text(joules(scope.energy_j), style="bold"),
                _interval(scope.energy_j, scope.low_j, scope.high_j),
                _scope_words(name, scope, report),
            )
    return grid


def _scope_words(name: str, scope: Scope, report: RunReport) -> Text:
    if name == "machine":
        return _meter_words(report.meter) if report.meter else Text("all that ran meanwhile")
    if name == "command":
        return _share_words(scope)
    return Text((scope.method or "").partition(", its share")[0].removeprefix("above the "))


def _meter_words(meter: ComponentEnergy) -> Text:
    words = Text.assemble((meter.basis, STYLES.get(meter.basis, "")), f" ({meter.source})")
    if meter.coverage < SEEN_WHOLE:
        words.append(f", {100 * meter.coverage:.0f} % seen", "red")
    return words


def _line(energy: ComponentEnergy) -> tuple[Text, Text, Text, Text]:
    name = f"{energy.component} ({energy.device})" if energy.device != energy.component else energy.component
    source = energy.source.removeprefix("model: ")
    words = Text.assemble((energy.basis, STYLES.get(energy.basis, "")), f" ({source})")
    if energy.coverage < SEEN_WHOLE:
        words.append(f", {100 * energy.coverage:.0f} % seen", "red")
    interval = _interval(energy.energy_j, energy.low_j, energy.high_j)
    return Text(name), Text(joules(energy.energy_j)), interval, words


def _share_words(scope: Scope) -> Text:
    if scope.cpu_share is None:
        return Text("unknown")
    percent = 100 * scope.cpu_share
    words = f"{percent:.0f} % of busy CPU time" if percent >= 1 else "under 1 % of busy CPU time"
    return Text(words + (", memory by use" if "memory by what" in (scope.method or "") else ""))


def _interval(value: float | None, low: float | None, high: float | None) -> Text:
    return Text("-" if value is None else f"{joules(low)} to {joules(high)}")


def _sentences(report: RunReport, path: str | None) -> list[Text]:
    lines = [Text("P10 to P90: in eight of ten cases the truth lies between.", "dim")]
    lines += [_ending(report), *footprint_table.sentences(report)]
    energy_j = report.scopes["machine"].energy_j
    if energy_j and report.duration_s >= SHORTEST_S:
        lines.append(
            Text("The machine used as much as " + " or ".join(footprint_table.comparisons(energy_j)) + ".")
        )
    if report.model is not None:
        lines += _modelled(report.model)
    for gap in report.not_measured:
        lines.append(Text.assemble(("not measured: ", "yellow"), f"{gap.what}: {gap.why}"))
    for warning in report.warnings:
        lines.append(Text.assemble(("warning: ", "yellow"), warning))
    if any(gap.fix for gap in report.not_measured):
        lines.append(Text("`energywrap doctor` says what would let more be measured."))
    if path is not None:
        lines.append(Text(f"report: {path}", overflow="fold"))
    return lines


def _modelled(model: ModelBasis) -> list[Text]:
    """What the power model went by, and what would narrow its interval."""
    words = Text.assemble(("power model: ", "yellow"), f"tier {model.tier}; {'; '.join(model.evidence)}")
    if model.hints:
        words.append(f". Narrower with {', '.join(hint.partition(':')[0] for hint in model.hints)}")
    return [words]


def _ending(report: RunReport) -> Text:
    tree = report.tree
    words = f"{seconds(report.duration_s)}, "
    if report.exit_code is None:
        words += "cut off: what follows is not known"
    else:
        words += (
            f"ended by {signal_name(report.signal)}" if report.signal else f"exit status {report.exit_code}"
        )
    if tree.cpu_s is not None:
        words += f"; {seconds(tree.cpu_s)} of CPU time ({tree.method})"
    if tree.max_rss_bytes is not None:
        bound = "at most " if tree.max_rss_bound != "exact" else ""
        words += f", {bound}{octets(tree.max_rss_bytes)} in its largest process"
    if tree.read_bytes or tree.write_bytes:
        words += (
            f", {octets(tree.read_bytes or 0)} read from and {octets(tree.write_bytes or 0)} written to disk"
        )
    return Text(words)


def signal_name(number: int) -> str:
    """SIGTERM for 15; the number itself for a real-time signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _printable(text: str, ascii_only: bool) -> str:
    """What the terminal can show and must not obey; spelled out before the layout counts columns."""
    shown = printable(text)
    return shown.encode("ascii", "backslashreplace").decode() if ascii_only else shown


def _encoding(environ: Mapping[str, str]) -> str:
    """UTF-8 if the locale says so, else ASCII."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if environ.get(name):
            return "utf-8" if "utf" in environ[name].lower() else "ascii"
    return "ascii"


def _width(environ: Mapping[str, str], fd: int, terminal: bool) -> int:
    if not terminal:
        columns = environ.get("COLUMNS", "")
        return (
            min(WIDEST, max(NARROWEST, int(columns)))
            if len(columns) < 6 and columns.isascii() and columns.isdigit()
            else PLAIN_WIDTH
        )
    try:
        return min(WIDEST, max(NARROWEST, os.get_terminal_size(fd).columns or PLAIN_WIDTH))
    except OSError:
        return PLAIN_WIDTH
