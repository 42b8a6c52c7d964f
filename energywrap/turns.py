"""A command on two sides by turns, each run measured on its own, for a gate."""

from __future__ import annotations

import subprocess

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


def alternating(
    command: Sequence[str],
    sides: tuple[Side, Side],
    runs: int,
    warmup: int,
    tell: Callable[[Side, int, RunReport], None],
) -> tuple[list[RunReport], list[RunReport]]:
    """The runs of both sides; warm-ups, whose numbers are below 1, are told and not among them.

    Raises UserError; SideFailed where the command fails.
    """
    found: tuple[list[RunReport], list[RunReport]] = ([], [])
    for number in range(1 - warmup, runs + 1):
        for which in order(number):
            report = once(command, sides[which])
            tell(sides[which], number, report)
            if number > 0:
                found[which].append(report)
    return found


def order(number: int) -> tuple[int, int]:
    """Which side is first in a round: in turn, so that a drift of the machine treats both alike."""
    return (0, 1) if number % 2 else (1, 0)


def once(command: Sequence[str], side: Side) -> RunReport:
    """One run on a side. Raises UserError, SideFailed."""
    if side.prepare is not None:
        done = subprocess.run(
            ["/bin/sh", "-c", side.prepare],
            cwd=side.folder,
            stdin=subprocess.DEVNULL,
            stdout=STDERR,
            check=False,
        )
        if done.returncode:
            raise SideFailed(
                f"--prepare {side.prepare!r} on {side.name} failed with status {done.returncode}"
            )
    try:
        report, last = heard(command, side.options, shown=side.shown, folder=side.folder)
    except UserError as failure:
        raise SideFailed(f"on {side.name}: {failure.line()}") from failure
    if report.exit_code:
        words = f" ({last})" if last else ""
        raise SideFailed(f"the command on {side.name} failed with status {report.exit_code}{words}")
    return report
