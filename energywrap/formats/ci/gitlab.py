"""GitLab: a metrics report (OpenMetrics text) and variables for later jobs (dotenv). Pure."""

from __future__ import annotations

from energywrap.formats.ci import figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.model import RunReport

PREFIX = "EWRAP_"  # not ENERGYWRAP_: in a later job these would be taken for settings
UNITS = {"J": "joules", "g": "grams", "s": "seconds"}


def metrics(reports: Sequence[RunReport]) -> str:
    """One line per run and figure, with the run's name as its label: the same from run to run."""
    families: dict[str, list[str]] = {}
    for name, report in figures.distinct(reports):
        label = f'{{run="{_plain(name)}"}}'
        for each in figures.figures(report):
            family = f"energywrap_{each.slug.replace('-', '_')}_{UNITS[each.unit]}"
            families.setdefault(family, []).append(f"{family}{label} {figures.number(each.value)}")
    lines = []
    for family, samples in families.items():
        lines += [f"# TYPE {family} gauge", f"# UNIT {family} {family.rpartition('_')[2]}", *samples]
    return "\n".join([*lines, "# EOF", ""])


def dotenv(report: RunReport) -> str:
    """KEY=value lines; a value is one line, and empty where nothing is known."""
    return "".join(
        f"{PREFIX}{key.upper()}={_plain(value)}\n" for key, value in figures.outputs(report).items()
    )


def _plain(text: str) -> str:
    """Only letters that neither OpenMetrics nor GitLab's reader, which splits like a shell, takes apart."""
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in " _./:@+()-") else "_"
        for letter in text
    )
