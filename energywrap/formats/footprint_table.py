"""The footprint of a report, line by line, and what it compares with."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from energywrap import tables
from energywrap.formats.quantities import grams, litres, money, seconds
from energywrap.model import FootprintLine, RunReport
from energywrap.units import J_PER_KWH, kwh_from_joules

SHOWN_KWH = 0.1
BRAIN_W = 20.0
BOUNDARIES = {"direct": "direct: without fuel supply and plants"}
NAMES = {
    "it": "electricity",
    "facility": "cooling and the like",
    "embodied": "making the machine",
    "embodied gpu": "making a GPU",
    "network": "network",
    "storage": "storage",
    "total": "CO2e, machine",
    "water site": "water at the site",
    "water grid": "water of the grid",
    "cost": "cost",
}
COUNTED = ("it", "facility", "total")  # always in the total, or it
APART = ("water site", "water grid", "cost")


def lines(report: RunReport, ascii_only: bool) -> list[Table]:
    """The parts of the machine's footprint and both totals; nothing where no energy is known."""
    machine = [line for line in report.footprint if line.scope == "machine"]
    if not any(line.name == "total" for line in machine):
        return []
    grid = Table(box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("footprint", overflow="fold")
    grid.add_column("CO2e", justify="right", no_wrap=True)
    grid.add_column("P10 to P90", justify="right", no_wrap=True)
    grid.add_column("how", overflow="fold")
    stored = [line for line in report.footprint if line.name == "storage"]
    for line in (*machine, *stored):
        if line.name not in (*APART, "total") and (line.value or line.high or line.name == "it"):
            grid.add_row(*_row(line, report))
    grid.add_section()
    for line in report.footprint:
        if line.name == "total":
            name = NAMES["total"] if line.scope == "machine" else "CO2e, command's share"
            grid.add_row(
                Text(name, style="bold"), Text(grams(line.value), style="bold"), _interval(line), _of(line)
            )
    for line in machine:
        if line.name in APART:
            grid.add_row(*_row(line, report))
    return [grid]


def sentences(report: RunReport) -> list[Text]:
    """The grade, and the carbon intensity per unit where one was asked for."""
    words = Text.assemble("trust: grade ", (report.grade.letter, "bold"), f" ({report.grade.reason}")
    words.append(f"; raise it with {report.grade.raise_by})" if report.grade.raise_by else ")")
    found = [words]
    sci = report.sci
    if sci is not None:
        interval = f"{grams(sci.low_g_per_unit)} to {grams(sci.high_g_per_unit)}"
        text = Text.assemble("SCI ", (f"{grams(sci.g_per_unit)} per {sci.unit}", "bold"))
        text.append(
            f" ({interval}; ISO/IEC 21031): ({grams(sci.operational_g)} operational + "
            f"{grams(sci.embodied_g)} embodied) / {sci.count:g}, {sci.count_from}"
        )
        found.append(text)
    return found


def _row(line: FootprintLine, report: RunReport) -> tuple[Text, Text, Text, Text]:
    counted = line.name in COUNTED or line.in_total or line.name in APART
    name = NAMES.get(line.name, line.name)
    style = "" if counted else "dim"
    return (
        Text(name, style=style),
        Text(amount(line.value, line), style=style),
        Text(_interval(line).plain, style=style),
        Text(_how(line, report) + ("" if counted else "; not in the total"), style=style),
    )


def amount(value: float, line: FootprintLine) -> str:
    """A value of a line with its unit."""
    if line.unit == "gCO2e":
        return grams(value)
    return litres(value) if line.unit == "L" else money(value, line.unit)


def _interval(line: FootprintLine) -> Text:
    return Text(f"{amount(line.low, line)} to {amount(line.high, line)}")


def _of(line: FootprintLine) -> Text:
    return Text("" if line.source == "operational" else line.source)


def _how(line: FootprintLine, report: RunReport) -> str:
    """Where a line is from, in few words."""
    carbon = report.carbon
    if line.name == "it":
        energy_j = report.scopes["machine"].energy_j or 0.0
        kwh = kwh_from_joules(energy_j)
        energy = f"{kwh:.3g} kWh x " if kwh >= SHOWN_KWH else ""
        return f"{energy}{carbon.intensity_g_per_kwh:.3g} g/kWh {_labels(report)}"
    if line.name == "facility":
        return f"PUE {carbon.pue:g} ({carbon.pue_evidence})"
    return line.source


def _labels(report: RunReport) -> str:
    carbon = report.carbon
    if carbon.quality == "given":
        return f"({carbon.source})"
    facts = [carbon.zone, BOUNDARIES.get(carbon.boundary, carbon.boundary)]
    facts += [str(carbon.year)] if carbon.year else []
    facts += [carbon.quality.replace(":", " from ")] if carbon.quality != "reported" else []
    facts.append("zone unknown" if carbon.zone_evidence == "none" else f"zone from {carbon.zone_evidence}")
    return f"in {carbon.zone_name} ({', '.join(facts)})"


def comparisons(energy_j: float) -> list[str]:
    """One or two everyday quantities of the same energy, of those that give a number one can picture."""
    kwh = kwh_from_joules(energy_j)
    if energy_j < 0.2 * 0.012 * J_PER_KWH:
        return [f"a human brain (20 W) uses in {seconds(energy_j / BRAIN_W)}"]
    sized = []
    for row in tables.rows("equivalents"):
        count = kwh / float(row["kwh"])
        if count >= 0.2 and row["verified"] != "recall":
            sized.append((count >= 1000, abs(count - 5), f"{float(f'{count:.2g}'):g} {row['label']}"))
    sized.sort()
    return [words for too_many, _, words in sized[:2] if not too_many] or [sized[0][-1]]
