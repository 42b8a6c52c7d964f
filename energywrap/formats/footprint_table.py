"""The footprint of a report, line by line, and what it compares with."""

from __future__ import annotations

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from energywrap import tables
from energywrap.formats.quantities import grams, litres, money, seconds
from energywrap.model import FootprintLine, RunReport
from energywrap.units import J_PER_KWH, kwh_from_joules

SHOWN_KWH = 0.1
WIDE = 90  # columns: narrower, the words stand below the numbers
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


def lines(report: RunReport, ascii_only: bool, width: int) -> list[RenderableType]:
    """The parts of the machine's footprint and both totals; nothing where no energy is known."""
    machine = [line for line in report.footprint if line.scope == "machine"]
    if not any(line.name == "total" for line in machine):
        return []
    stored = [line for line in report.footprint if line.name == "storage"]
    parts = [line for line in (*machine, *stored) if line.name not in (*APART, "total") and _worth(line)]
    totals = [line for line in report.footprint if line.name == "total"]
    apart = [line for line in machine if line.name in APART]
    wide = width >= WIDE
    grid = Table(box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("footprint", overflow="fold")
    grid.add_column("CO2e", justify="right", no_wrap=True)
    grid.add_column("P10 to P90", justify="right", no_wrap=True)
    if wide:
        grid.add_column("how", overflow="fold")
    for line in parts:
        _add(grid, line, report, wide)
    grid.add_section()
    for line in (*totals, *apart):
        _add(grid, line, report, wide)
    told = [] if wide else [Text(f"{_name(line)}: {_how(line, report)}") for line in (*parts, *apart)]
    return [grid, *told]


def _worth(line: FootprintLine) -> bool:
    """Whether a line says anything: without overhead or traffic it does not."""
    return bool(line.value or line.high or line.name == "it")


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


def _add(grid: Table, line: FootprintLine, report: RunReport, wide: bool) -> None:
    style = "bold" if line.name == "total" else "" if _counts(line) else "dim"
    cells = [_name(line), amount(line.value, line), f"{amount(line.low, line)} to {amount(line.high, line)}"]
    if wide:
        cells.append(_how(line, report))
    grid.add_row(
        *(Text(cell, style=style if index < 2 or style == "dim" else "") for index, cell in enumerate(cells))
    )


def _name(line: FootprintLine) -> str:
    if line.name == "total" and line.scope == "command":
        return "CO2e, command's share"
    return NAMES.get(line.name, line.name)


def _counts(line: FootprintLine) -> bool:
    return line.name in (*COUNTED, *APART) or line.in_total


def amount(value: float, line: FootprintLine) -> str:
    """A value of a line with its unit."""
    if line.unit == "gCO2e":
        return grams(value)
    return litres(value) if line.unit == "L" else money(value, line.unit)


def _how(line: FootprintLine, report: RunReport) -> str:
    """Where a line is from, in few words."""
    carbon = report.carbon
    if line.name == "it":
        kwh = kwh_from_joules(report.scopes["machine"].energy_j or 0.0)
        energy = f"{kwh:.3g} kWh x " if kwh >= SHOWN_KWH else ""
        site = "" if carbon.pue_high > 1 else f"; PUE {carbon.pue:g} ({carbon.pue_evidence})"
        return f"{energy}{carbon.intensity_g_per_kwh:.3g} g/kWh {_labels(report)}{site}"
    if line.name == "facility":
        return f"PUE {carbon.pue:g} ({carbon.pue_evidence})"
    if line.name == "total":
        return "" if line.source == "operational" else line.source
    return line.source + ("" if _counts(line) else "; not in the total")


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
        return [f"a human brain uses in {seconds(energy_j / BRAIN_W)} (20 W, as textbooks have it)"]
    sized = []
    for row in tables.rows("equivalents"):
        count = kwh / tables.number(row, "kwh")
        if count >= 0.2 and row["verified"] != "recall":
            sized.append((count >= 1000, abs(count - 5), f"{float(f'{count:.2g}'):g} {row['label']}"))
    sized.sort()
    return [words for too_many, _, words in sized[:2] if not too_many] or [sized[0][-1]]
