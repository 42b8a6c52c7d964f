"""A gate where CI systems show it: summary, comment, outputs, annotation. Pure."""

from __future__ import annotations

from energywrap.comparison import ENERGY, ERROR, FAIL, INCONCLUSIVE
from energywrap.formats import compared
from energywrap.formats.ci import figures, github, markdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.gate import Check, Gate

HEADS = ("", "Ratio", "P5 to P95", "")
SHOWN = (ENERGY, "energy, command's share", "time", "CPU time")
LONGEST, LINE = 40, 2000  # letters of the name of a side at the head of a column; of a command line


def summary(gate: Gate) -> str:
    """The verdict, its reasons, and a table for every comparison, in Markdown."""
    lines = [f"### energywrap: {markdown.code(_name(gate))}: {gate.word}"]
    for check in gate.checks:
        verdict = check.verdict
        lines += ["", f"**{markdown.text(verdict.word)}**, {markdown.sentence(check.name)}: "
                      f"{markdown.sentence(verdict.reason)}"]  # fmt: skip
        lines += _table(check)
    if gate.again is not None:
        lines += ["", f"The same at home: {markdown.code(figures.shown(gate.again, LINE))}"]
    return "\n".join([*lines, ""])


def comment(gate: Gate) -> str:
    """A comment's body."""
    return markdown.marker(f"gate-{gate.name}") + summary(gate)


def outputs(gate: Gate) -> dict[str, str]:
    """The values that a later step takes up, as text; empty where nothing was compared."""
    found = next((check.compared for check in gate.checks if check.compared is not None), None)
    energy = next((each for each in found.quantities if each.name == ENERGY), None) if found else None
    ratio = None if energy is None else energy.ratio
    return {
        "verdict": gate.word,
        "energy_ratio": "" if ratio is None else figures.number(ratio.value),
        "energy_ratio_low": "" if ratio is None else figures.number(ratio.low),
        "energy_ratio_high": "" if ratio is None else figures.number(ratio.high),
    }


def annotation(gate: Gate) -> str | None:
    """The one line that GitHub shows beside the step; None where all is well."""
    word = gate.word
    kind = {ERROR: "error", FAIL: "error", INCONCLUSIVE: "warning"}.get(word)
    if kind is None:
        return None
    reasons = [check.verdict.reason for check in gate.checks if check.verdict.word == word]
    return github.annotation(kind, _name(gate), figures.shown("; ".join(reasons), 4 * markdown.SENTENCE))


def _name(gate: Gate) -> str:
    return figures.shown(gate.name, figures.LONGEST)


def _table(check: Check) -> list[str]:
    if check.compared is None:
        return []
    one, other = (markdown.text(figures.shown(side, LONGEST)) for side in check.sides)
    rows = []
    for each in check.compared.quantities:
        name, left, right, ratio, interval, _, words = compared.row(each)
        if each.name in SHOWN:
            rows.append((f"**{name}**" if each.name == ENERGY else name, left, right, ratio, interval, words))
    runs = " and ".join(str(number) for number in check.compared.runs)
    remarks = [f"* {markdown.sentence(doubt)}" for doubt in check.compared.doubts]
    how = f"* medians of {runs} runs; P5 to P95 of the ratio by a bootstrap"
    return ["", *markdown.table((HEADS[0], one, other, *HEADS[1:]), rows), "", how, *remarks]
