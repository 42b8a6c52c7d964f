"""JSON for github-action-benchmark (customSmallerIsBetter) and for Bencher (BMF). Pure."""

from __future__ import annotations

import json

from energywrap.formats.ci import figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.formats.ci.figures import Figure
    from energywrap.model import RunReport


def smaller_is_better(reports: Sequence[RunReport]) -> str:
    """An array of one object per run and figure."""
    found = []
    for name, report in figures.distinct(reports):
        extra = f"basis: {figures.basis(report) or '-'}\ngrade: {report.grade.letter}\nrun: {report.run_id}"
        for each in figures.figures(report):
            entry = {"name": f"{name}: {each.words}", "unit": each.unit, "value": each.value, "extra": extra}
            if each.low is not None and each.high is not None:
                entry["range"] = f"{figures.number(each.low)} to {figures.number(each.high)}"
            found.append(entry)
    return json.dumps(found, indent=2) + "\n"


def bencher(reports: Sequence[RunReport]) -> str:
    """An object of the runs by name, of their measures by slug."""
    found = {
        name: {each.slug: _metric(each) for each in figures.figures(report)}
        for name, report in figures.distinct(reports)
    }
    return json.dumps(found, indent=2) + "\n"


def _metric(figure: Figure) -> dict[str, float]:
    values = {"value": figure.value, "lower_value": figure.low, "upper_value": figure.high}
    return {key: value for key, value in values.items() if value is not None}
