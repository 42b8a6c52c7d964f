"""A command on two sides by turns, each run measured on its own, for a gate."""

from __future__ import annotations

import subprocess

from energywrap import strays
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.heard import heard
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from energywrap.model import RunReport

STDERR = 2


@record
class Side:
    """Where the command runs, and how."""

    name: str
    folder: str
    options: tuple[str, ...]  # of `energywrap run`
    environ: Mapping[str, str]
    prepare: str | None
    shown: bool = False  # what the command writes
    kept: bool = False  # its runs in the ledger, but for warm-ups


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
    before, last, whole = strays.children(), 1, False
    try:
        for number in range(1 - warmup, runs + 1):
            for last in order(number):
                report = once(command, sides[last], kept=number > 0)
                tell(sides[last], number, report)
                if number > 0:
                    found[last].append(report)
        whole = True
    finally:
        strays.end(before)
        if last == 0 and _prepare(sides[1]) and whole:
            say(f"--prepare failed at last on {sides[1].name}: what it installs may be the base's")
        strays.end(before)
    return found


def order(number: int) -> tuple[int, int]:
    """Which side is first in a round: in turn, so that a drift of the machine treats both alike."""
    return (0, 1) if number % 2 else (1, 0)


def works(command: Sequence[str], side: Side) -> SideFailed | None:
    """Whether the command fails on a side: how; nothing of it lives on."""
    before = strays.children()
    try:
        once(command, side, kept=False)
    except SideFailed as failure:
        return failure
    finally:
        strays.end(before)
    return None


def once(command: Sequence[str], side: Side, *, kept: bool) -> RunReport:
    """One run on a side. Raises SideFailed."""
    status = _prepare(side)
    if status:
        raise SideFailed(side, f"--prepare {side.prepare!r} on {side.name} failed with status {status}")
    try:
        ledger = () if kept and side.kept else ("--no-ledger",)
        options = (*side.options, *ledger)
        report, last = heard(command, options, shown=side.shown, folder=side.folder, environ=side.environ)
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
            words, cwd=side.folder, env=side.environ, stdin=subprocess.DEVNULL, stdout=STDERR, check=False
        ).returncode
    except KeyboardInterrupt:
        strays.end(before)
        raise
