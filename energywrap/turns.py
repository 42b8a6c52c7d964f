"""A command on two sides by turns, each run measured on its own, for a gate."""

from __future__ import annotations

import subprocess

from energywrap import strays
from energywrap.errors import UserError
from energywrap.heard import heard
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from energywrap.model import RunReport

STDERR = 2


@record
class Side:
    """Where the command runs, and how."""

    name: str
    folder: str
    options: tuple[str, ...]  # of `energywrap run`
    prepare: str | None
    shown: bool = False  # what the command writes


class SideFailed(UserError):
    """The command cannot be run on a side, or fails there."""

    def __init__(self, side: Side, message: str) -> None:
        super().__init__(message)
        self.side = side


def alternating(
    command: Sequence[str],
    sides: tuple[Side, Side],
    runs: int,
    warmup: int,
    tell: Callable[[Side, int, RunReport], None],
) -> tuple[list[RunReport], list[RunReport]]:
    """The runs of both sides; warm-ups, whose numbers are below 1, are told and not among them.

    Raises SideFailed. Whatever happens, this checkout is the last one that was prepared, as packages may be
    installed by that, and no process of a run lives on.
    """
    found: tuple[list[RunReport], list[RunReport]] = ([], [])
    before, last = strays.children(), 1
    try:
        for number in range(1 - warmup, runs + 1):
            for last in order(number):
                report = once(command, sides[last])
                tell(sides[last], number, report)
                if number > 0:
                    found[last].append(report)
    finally:
        strays.end(before)
        if last == 0 and sides[1].prepare is not None:
            _prepare(sides[1])
    return found


def order(number: int) -> tuple[int, int]:
    """Which side is first in a round: in turn, so that a drift of the machine treats both alike."""
    return (0, 1) if number % 2 else (1, 0)


def once(command: Sequence[str], side: Side) -> RunReport:
    """One run on a side. Raises SideFailed."""
    status = _prepare(side)
    if status:
        raise SideFailed(side, f"--prepare {side.prepare!r} on {side.name} failed with status {status}")
    try:
        report, last = heard(command, side.options, shown=side.shown, folder=side.folder)
    except UserError as failure:
        raise SideFailed(side, f"on {side.name}: {failure.line()}") from failure
    if report.exit_code:
        words = f" ({last})" if last else ""
        raise SideFailed(side, f"the command on {side.name} failed with status {report.exit_code}{words}")
    return report


def _prepare(side: Side) -> int:
    """Run the side's shell line, if it has one; its status. An interruption ends all of it."""
    if side.prepare is None:
        return 0
    before = strays.children()
    words = ["/bin/sh", "-c", side.prepare]
    try:
        return subprocess.run(
            words, cwd=side.folder, stdin=subprocess.DEVNULL, stdout=STDERR, check=False
        ).returncode
    except KeyboardInterrupt:
        strays.end(before)
        raise
