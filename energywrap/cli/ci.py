"""`energywrap ci`: the command on this checkout and on a base revision, in turn, and the gate's verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from energywrap import acceptance, config, gate, revision, strays
from energywrap.cli import gates
from energywrap.cli.gates import STATUS, AsJson, Comment, Junit, MaxIncrease
from energywrap.cli.interrupted import INTERRUPTED, terminable
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats import compared
from energywrap.formats.quantities import joules, seconds
from energywrap.gate import HERE, Check, Gate
from energywrap.heard import heard
from energywrap.model import RunReport
from energywrap.record import record

BASE = "base"
SHOWN = ("energy, machine", "energy, command's share", "time")


def ci(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGS]...", help="The command to run.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REVISION",
            help="What this checkout is compared with (default: what the CI system says the pull request is "
            "for, else main).",
        ),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", "-n", min=1, metavar="N", help="Runs of each side.")] = 5,
    warmup: Annotated[
        int, typer.Option("--warmup", min=0, metavar="N", help="Runs of each side before, not counted.")
    ] = 1,
    max_increase: MaxIncrease = "5%",
    prepare: Annotated[
        str | None,
        typer.Option("--prepare", metavar="LINE", help="A shell line before each run."),
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", "-z", metavar="ZONE", help="Grid zone.")] = None,
    label: Annotated[
        str | None,
        typer.Option("--label", "-l", metavar="NAME", help="The gate's name (default: the program's)."),
    ] = None,
    json: AsJson = False,
    comment: Comment = None,
    junit: Junit = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the runs in the ledger.")] = False,
) -> None:
    """Run a command on this checkout and on a base revision, alternating, and say whether energy has risen.

    Exit 0 pass, 1 fail, 3 inconclusive, 130 after Ctrl-C. The base is checked out into a temporary git
    worktree, which shares nothing with this folder but its history: what is not committed there must be made
    by --prepare.
    """
    allowed, here = gates.part(max_increase), os.getcwd()
    settings = config.resolve({"zone": zone} if zone else {}, os.environ, here)
    acceptance.check(settings, here)  # a wrong setting is refused before anything runs
    gates.accept(comment=comment, junit=junit)
    name, base = label or os.path.basename(command[0]), base or revision.base_of(os.environ)
    options = [*(("-z", zone) if zone else ()), *(() if keep else ("--no-ledger",)), "--ci", "off"]
    strays.adopt()
    try:
        with terminable(), revision.checked_out(base, here) as there:
            same = revision.unchanged(base, here)
            sides = [
                Side(title, folder, (*options, "-l", f"{name}: {title}"), prepare)
                for title, folder in ((BASE, there), (HERE, here))
            ]
            found = _measured(command, sides, runs, warmup)
    except KeyboardInterrupt:
        say("it was ended early: nothing is compared")
        raise typer.Exit(INTERRUPTED) from None
    doubts = (f"nothing has changed here since {base}: the command was compared with itself",) if same else ()
    check = gate.against(base, found[0], found[1], allowed, doubts=doubts)
    _say(check, base, as_rows=not json)
    told = Gate(name, (check,))
    gates.tell(told, settings, os.environ, as_json=json, comment=comment, junit=junit)
    raise typer.Exit(STATUS[told.word])


@record
class Side:
    """Where the command runs, and how."""

    name: str
    folder: str
    options: tuple[str, ...]  # of `energywrap run`
    prepare: str | None


def _measured(
    command: Sequence[str], sides: Sequence[Side], runs: int, warmup: int
) -> tuple[list[RunReport], list[RunReport]]:
    """The runs of both sides, by turns; warm-ups are not among them."""
    found: tuple[list[RunReport], list[RunReport]] = ([], [])
    for number in range(-warmup, runs):
        for which in order(number):
            report = _one(command, sides[which])
            if number >= 0:
                found[which].append(report)
                used = joules(report.scopes["machine"].energy_j)
                say(f"run {number + 1} of {runs}, {sides[which].name}: {used}, {seconds(report.duration_s)}")
    return found


def order(number: int) -> tuple[int, int]:
    """Which side is first in a round: in turn, so that a drift of the machine treats both alike."""
    return (0, 1) if number % 2 == 0 else (1, 0)


def _one(command: Sequence[str], side: Side) -> RunReport:
    import subprocess

    if side.prepare is not None:
        done = subprocess.run(["/bin/sh", "-c", side.prepare], cwd=side.folder, stdout=2, check=False)
        if done.returncode:
            raise UserError(f"--prepare on {side.name} failed with status {done.returncode}")
    report, _ = heard(command, side.options, shown=True, folder=side.folder)
    if report.exit_code:
        raise UserError(
            f"the command on {side.name} failed with status {report.exit_code}: nothing is compared"
        )
    return report


def _say(check: Check, base: str, *, as_rows: bool) -> None:
    """The rows that matter, on stdout; the doubts and the verdict on stderr."""
    assert check.compared is not None
    for each in check.compared.quantities:
        if as_rows and each.name in SHOWN:
            typer.echo("\t".join(compared.row(each)[:5]))
    for doubt in check.compared.doubts:
        say(doubt)
    say(f"{check.verdict.word}, against {base}: {check.verdict.reason}")
