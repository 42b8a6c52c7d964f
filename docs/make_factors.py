"""Writes docs/factors.md from the tables in energywrap/data, and from nothing else.

python docs/make_factors.py            writes it
python docs/make_factors.py --check    exits with 1 if it is not what the tables say
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from energywrap.grid import table as grid

DATA = Path(__file__).resolve().parents[1] / "energywrap" / "data"
PAGE = Path(__file__).resolve().with_name("factors.md")
UNVERIFIED = "**unverified**"
Row = dict[str, str]
Cell = str | Callable[[Row], str]  # a column of the table, or what makes the cell out of a row


class Section(NamedTuple):
    """A table of the page: its title, words before it, the file, and heads with what stands below them."""

    title: str
    words: str
    table: str
    columns: tuple[tuple[str, Cell], ...]


def read(name: str) -> list[Row]:
    """The rows of a table."""
    with (DATA / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


SOURCES = {row["source_id"]: row for row in read("sources")}


def source(row: Row) -> str:
    """The publication by its key, with its licence."""
    licence = SOURCES[row["source_id"]]["licence"]
    return f"`{row['source_id']}`{', ' if licence else ''}{licence}"


def checked(row: Row) -> str:
    """How the value was read: in a file, on a page, computed, or not again."""
    basis = ", recall" if row["verified"] == "calc" and recalled(row) else ""
    return f"{row['verified']}{basis}".replace("recall", UNVERIFIED)


def recalled(row: Row) -> bool:
    """Whether the source was not opened again."""
    return SOURCES[row["source_id"]]["obtained_from"] == "recall"


def region_checked(row: Row) -> str:
    """How a region's own values were read; its source says it, or its note."""
    if recalled(row) or "from memory" in row["note"]:
        return UNVERIFIED
    return "file" if row["pue"] or row["wue_l_per_kwh"] else "-"


def between(low: str, high: str) -> Callable[[Row], str]:
    """The published range; a dash where there is none."""
    return lambda row: f"{row[low]} to {row[high]}" if row[low] and row[high] else "-"


def band(row: Row) -> str:
    """The P10 to P90 of a zone, as reports have it."""
    zone = grid.zone(row["zone"], "the table")
    return f"{zone.low_g_per_kwh:.4g} to {zone.high_g_per_kwh:.4g}"


RANGE, SOURCE, CHECKED = ("range", between("low", "high")), ("source", source), ("read in", checked)
SECTIONS = (
    Section(
        "Carbon intensity of electricity, g CO2e/kWh",
        "Values of different boundaries must never be ranked against each other. How wide the interval is, "
        "and why: [methodology.md](methodology.md#how-sure-an-intensity-is). The rows of US states and of "
        "Australia were read in transcriptions by others.",
        "grid",
        (
            ("zone", "zone"), ("name", "name"), ("g/kWh", "g_per_kwh"), ("P10 to P90", band),
            ("+ upstream", "upstream_g_per_kwh"), ("boundary", "boundary"), ("gas", "gas"),
            ("accounting", "accounting"), ("year", "year"), ("quality", "quality"), SOURCE,
        ),
    ),
    Section(
        "Publishers beside each other, g CO2e/kWh",
        "The first is the one that is used. Ember and Our World in Data: CC BY 4.0, lifecycle. CodeCarbon: "
        "its copy of Our World in Data's values of 2023, MIT. The official ones are facts, on the basis that "
        "is named; that of GB was read at second hand.",
        "crosscheck",
        (
            ("zone", "zone"), ("Ember, 2026", "ember_2026"), ("year", "ember_year"),
            ("Ember, 2025", "ember_2025"), ("its year", "ember_2025_year"), ("OWID, early 2026", "owid_2026"),
            ("CodeCarbon, 2023", "codecarbon_2023"), ("official", "official"),
            ("its basis", "official_basis"),
        ),
    ),
    Section(
        "Power usage effectiveness by kind of site",
        "Facility energy over IT energy.",
        "sites",
        (
            ("site", "site"), ("what", "label"), ("PUE", "pue"), RANGE, ("year", "year"), SOURCE, CHECKED,
            ("note", "note"),
        ),
    ),
    Section(
        "Cloud regions",
        "The zone, and the provider's own PUE and water where it publishes them.",
        "cloud_regions",
        (
            ("region", "region"), ("zone", "zone"), ("where", "location"), ("PUE", "pue"),
            ("L/kWh", "wue_l_per_kwh"), ("year", "pue_year"), ("zone known with", "confidence"), SOURCE,
            ("read in", region_checked), ("note", "note"),
        ),
    ),
    Section(
        "Making hardware, kg CO2e",
        "What is used of it: laptop, desktop, server-2s with ram-gb, server-extra-cpu and the range of "
        "server-base, and the GPUs.",
        "embodied",
        (
            ("id", "id"), ("what", "item"), ("unit", "unit"), ("kg", "kg_co2e"), RANGE,
            ("years", "lifetime_years"), SOURCE, CHECKED, ("note", "note"),
        ),
    ),
    Section(
        "Network and storage",
        "What is used of it: swd4-net, ssd-wh, replication.",
        "network_storage",
        (
            ("id", "id"), ("what", "what"), ("unit", "unit"), ("value", "value"), RANGE,
            ("scope or year", "scope"), SOURCE, CHECKED, ("note", "note"),
        ),
    ),
    Section(
        "Water of the grid, L/kWh",
        "Consumed, of about 2020; half to twice that is taken for its interval.",
        "grid_water",
        (("zone", "zone"), ("L/kWh", "l_per_kwh"), SOURCE),
    ),
    Section(
        "Water at the site, L/kWh of IT energy",
        "",
        "wue",
        (
            ("id", "id"), ("scope", "scope"), ("L/kWh", "l_per_kwh"), ("year", "year"), SOURCE, CHECKED,
            ("note", "note"),
        ),
    ),
    Section(
        "Fuels, g CO2e/kWh",
        "For the upstream part of direct values.",
        "fuels",
        (
            ("fuel", "fuel"), ("direct", "direct_g_per_kwh"), ("lifecycle", "lifecycle_median_g_per_kwh"),
            ("its range", between("lifecycle_min", "lifecycle_max")), SOURCE, CHECKED,
        ),
    ),
    Section(
        "Comparisons, kWh",
        "Unverified ones are not shown in reports.",
        "equivalents",
        (("id", "id"), ("what", "label"), ("kWh", "kwh"), SOURCE, CHECKED, ("note", "note")),
    ),
    Section(
        "Sources",
        "",
        "sources",
        (
            ("key", "source_id"), ("title", "title"), ("publisher", "publisher"), ("address", "url"),
            ("licence", "licence"),
            ("copy from", lambda row: row["obtained_from"].replace("recall", UNVERIFIED)),
        ),
    ),
)  # fmt: skip


def page() -> str:
    """The whole page."""
    return "\n".join(lines())


def lines() -> Iterator[str]:
    """Its lines, one after the other."""
    yield "# Every factor, with its range, source, year and licence"
    yield ""
    yield "Made from the tables in `energywrap/data` by `python docs/make_factors.py`. What the columns mean,"
    yield "and where the values are from, stands in [SOURCES.md](../energywrap/data/SOURCES.md). *Read in*"
    yield "says how a value was read: in a `file`, on a `page`, or computed (`calc`); one that is"
    yield f"{UNVERIFIED} names its source, which was not read again. A year that no column gives is in the"
    yield "title of the source, below, where it states one. The constants of the models of processor and"
    yield "memory are in [power-model.md](power-model.md)."
    for section in SECTIONS:
        yield from ("", f"## {section.title}", "")
        if section.words:
            yield from (section.words, "")
        yield f"| {' | '.join(head for head, _ in section.columns)} |"
        yield f"|{' --- |' * len(section.columns)}"
        for row in read(section.table):
            yield f"| {' | '.join(written(row, cell) for _, cell in section.columns)} |"
    yield ""


def written(row: Row, cell: Cell) -> str:
    """A cell; a dash where nothing is known."""
    return (row[cell] if isinstance(cell, str) else cell(row)).replace("|", "/") or "-"


def main() -> int:
    """Write the page, or compare it."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print("docs/factors.md is what the tables say" if same else "run python docs/make_factors.py")
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE}: {text.count(chr(10))} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
