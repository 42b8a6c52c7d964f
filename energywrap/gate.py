"""A gate: the questions it asks of runs, their answers, and what these come to together. Pure."""

from __future__ import annotations

from energywrap import comparison
from energywrap.comparison import ERROR, FAIL, INCONCLUSIVE, PASS, Verdict
from energywrap.record import record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.comparison import Comparison
    from energywrap.model import RunReport

WORST_FIRST = (ERROR, FAIL, INCONCLUSIVE, PASS)
HERE = "this checkout"
LONGEST = 60  # letters of a name that is a command's


@record
class Check:
    """One question and its answer, with the comparison that it rests on, if it does."""

    name: str
    verdict: Verdict
    compared: Comparison | None = None
    sides: tuple[str, str] = ("baseline", HERE)  # what is compared, in the order of the comparison


@record
class Gate:
    """What was asked of some runs."""

    name: str  # what was run: a label, else the beginning of the command
    checks: tuple[Check, ...]
    again: str | None = None  # the line that asks the same at home

    @property
    def word(self) -> str:
        """Of the checks' words the worst."""
        words = {check.verdict.word for check in self.checks}
        return next(word for word in WORST_FIRST if word in words)


def name_of(label: str | None, command: Sequence[str]) -> str:
    """What a gate goes by: a label, else the command's program without its folder, and what follows it."""
    if label:
        return label
    program, *rest = command or ("runs",)
    words = " ".join([program.rpartition("/")[2], *rest])
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 3]}..."


def against(
    question: str,
    one: Sequence[RunReport],
    other: Sequence[RunReport],
    allowed: float,
    sides: tuple[str, str],
    doubts: Sequence[str] = (),
) -> Check:
    """Whether the other runs' energy is above the one's by more than a part that is allowed."""
    compared = comparison.compare(one, other)
    compared = replace(compared, doubts=(*doubts, *compared.doubts))
    bad = [report for report in one if comparison.failed(report)]
    if bad:
        told = Verdict(INCONCLUSIVE, f"{len(bad)} of {len(one)} runs of {sides[0]} failed or were cut off")
        return Check(question, told, compared, sides)
    return Check(question, comparison.verdict(compared, allowed), compared, sides)
