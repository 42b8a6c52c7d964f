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

DATA = Path(__file__).resolve().parents[1] / "energywrap" / "data"
PAGE = Path(__file__).resolve().with_name("factors.md")
Row = dict[str, str]


class Section(NamedTuple):
    """A table of the page: from which file, with which heads, and how a row of it is written."""

    title: str
    words: str
    table: str
    heads: tuple[str, ...]
    cells: Callable[[Row], tuple[str, ...]]


def read(name: str) -> list[Row]:
    """The rows of a table."""
    with (DATA / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


SOURCES = {row["source_id"]: row for row in read("sources")}


def source(row: Row) -> str:
    """The publication with its licence, and a mark where it was not read again."""
    found = SOURCES[row["source_id"]]
    licence = f", {found['licence']}" if found["licence"] else ""
    mark = " **unverified**" if "recall" in row.get("verified", "") else ""
    return f"{found['title']} (`{row['source_id']}`{licence}){mark}"


def range_of(row: Row, low: str = "low", high: str = "high") -> str:
    """The published range; a dash where there is none."""
    return f"{row[low]} to {row[high]}" if row[low] and row[high] else "-"


SECTIONS = (
    Section(
        "Carbon intensity of electricity, g CO2e/kWh",
        "Values of different boundaries must never be ranked against each other. The interval that is used "
        "is in [methodology.md](methodology.md#how-sure-an-intensity-is).",
        "grid",
        ("zone", "name", "g/kWh", "+ upstream", "boundary", "gas", "accounting", "year", "quality", "source"),
        lambda row: (
            row["zone"], row["name"], row["g_per_kwh"], row["upstream_g_per_kwh"] or "-", row["boundary"],
            row["gas"], row["accounting"], row["year"] or "-", row["quality"],
            f"`{row['source_id']}`, {row['licence']}",
        ),
    ),
    Section(
        "Publishers beside each other, g CO2e/kWh",
        "The first is the one that is used.",
        "crosscheck",
        ("zone", "Ember 2026", "Ember 2025", "OWID", "CodeCarbon (2023)", "official", "its basis"),
        lambda row: (
            row["zone"], row["ember_2026"], row["ember_2025"], row["owid_2026"], row["codecarbon_2023"],
            row["official"] or "-", row["official_basis"] or "-",
        ),
    ),
    Section(
        "Power usage effectiveness by kind of site",
        "Facility energy over IT energy.",
        "sites",
        ("site", "what", "PUE", "range", "year", "source"),
        lambda row: (row["site"], row["label"], row["pue"], range_of(row), row["year"] or "-", source(row)),
    ),
    Section(
        "Cloud regions",
        "Zone, and the provider's own PUE and water where it publishes them.",
        "cloud_regions",
        ("region", "zone", "where", "PUE", "L/kWh", "year", "zone known with", "source"),
        lambda row: (
            row["region"], row["zone"], row["location"] or "-", row["pue"] or "-",
            row["wue_l_per_kwh"] or "-", row["pue_year"] or "-", row["confidence"], f"`{row['source_id']}`",
        ),
    ),
    Section(
        "Making hardware, kg CO2e",
        "What is used of it: laptop, desktop, server-2s with ram-gb, server-extra-cpu and the range of "
        "server-base, and the GPUs.",
        "embodied",
        ("id", "what", "unit", "kg", "range", "years", "source", "note"),
        lambda row: (
            row["id"], row["item"], row["unit"], row["kg_co2e"], range_of(row), row["lifetime_years"] or "-",
            source(row), row["note"] or "-",
        ),
    ),
    Section(
        "Network and storage",
        "What is used of it: swd4-net, ssd-wh, replication.",
        "network_storage",
        ("id", "what", "unit", "value", "range", "scope", "source", "note"),
        lambda row: (
            row["id"], row["what"], row["unit"], row["value"], range_of(row), row["scope"] or "-",
            source(row), row["note"] or "-",
        ),
    ),
    Section(
        "Water of the grid, L/kWh",
        "Consumed, of about 2020; half to twice that is taken for its interval.",
        "grid_water",
        ("zone", "L/kWh", "source"),
        lambda row: (row["zone"], row["l_per_kwh"], source(row)),
    ),
    Section(
        "Water at the site, L/kWh of IT energy",
        "",
        "wue",
        ("id", "scope", "L/kWh", "year", "source"),
        lambda row: (row["id"], row["scope"], row["l_per_kwh"], row["year"] or "-", source(row)),
    ),
    Section(
        "Fuels, g CO2e/kWh",
        "For the upstream part of direct values.",
        "fuels",
        ("fuel", "direct", "lifecycle", "its range", "source"),
        lambda row: (
            row["fuel"], row["direct_g_per_kwh"], row["lifecycle_median_g_per_kwh"],
            range_of(row, "lifecycle_min", "lifecycle_max"), source(row),
        ),
    ),
    Section(
        "Comparisons, kWh",
        "Unverified ones are not shown in reports.",
        "equivalents",
        ("id", "what", "kWh", "source", "note"),
        lambda row: (row["id"], row["label"], row["kwh"], source(row), row["note"] or "-"),
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
    yield "and where the values are from, stands in [SOURCES.md](../energywrap/data/SOURCES.md). One marked"
    yield "**unverified** names its source, which was not read again. The constants of the power model are in"
    yield "[power-model.md](power-model.md)."
    for section in SECTIONS:
        yield ""
        yield f"## {section.title}"
        yield ""
        if section.words:
            yield section.words
            yield ""
        yield f"| {' | '.join(section.heads)} |"
        yield f"|{' --- |' * len(section.heads)}"
        for row in read(section.table):
            yield f"| {' | '.join(cell.replace('|', '/') for cell in section.cells(row))} |"
    yield ""


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
