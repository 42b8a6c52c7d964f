"""`energywrap ci`: the command on this checkout and on a base revision, in turn, and the gate's verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from energywrap import acceptance, comparison, config, revision, strays
from energywrap.cli.compare import FAIL, INCONCLUSIVE, PASS, part
from energywrap.cli.interrupted import INTERRUPTED, terminable
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats.quantities import joules, seconds
from energywrap.heard import heard
from energywrap.model import RunReport

BASE, HEAD = "base", "this checkout"
STATUS = {comparison.PASS: PASS, comparison.FAIL: FAIL, comparison.INCONCLUSIVE: INCONCLUSIVE}


def ci(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGS]...", help="The command to run.")],
    base: Annotated[
        str, typer.Option("--base", metavar="REVISION", help="What this checkout is compared with.")
    ] = "main",
    runs: Annotated[int, typer.Option("--runs", "-n", min=1, metavar="N", help="Runs of each side.")] = 5,
    warmup: Annotated[
        int, typer.Option("--warmup", min=0, metavar="N", help="Runs of each side before, not counted.")
    ] = 1,
    max_increase: Annotated[
        str, typer.Option("--max-increase", metavar="PERCENT", help="By how much energy may rise.")
    ] = "5%",
    prepare: Annotated[
        str | None,
        typer.Option("--prepare", metavar="LINE", help="A shell line before each run."),
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", "-z", metavar="ZONE", help="Grid zone.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the runs in the ledger.")] = False,
) -> None:
    """Run a command on this checkout and on a base revision, alternating, and say whether energy has risen.

    Exit 0 pass, 1 fail, 3 inconclusive, 130 after Ctrl-C. The base is checked out into a temporary git
    worktree, which shares nothing with this folder but its history: what is not committed there must be made
    by --prepare.
    """
    allowed, here = part(max_increase), os.getcwd()
    settings = config.resolve({"zone": zone} if zone else {}, os.environ, here)
    acceptance.check(settings, here)  # a wrong setting is refused before anything runs
    options = [*(("-z", zone) if zone else ()), *(() if keep else ("--no-ledger",)), "--ci", "off"]
    strays.adopt()
    try:
        with terminable(), revision.checked_out(base, here) as there:
            found = _measured(command, options, {BASE: there, HEAD: here}, runs, warmup, prepare)
    except KeyboardInterrupt:
        say("it was ended early: nothing is compared")
        raise typer.Exit(INTERRUPTED) from None
    _conclude(found, base, allowed)


def _measured(
    command: Sequence[str],
    options: Sequence[str],
    sides: dict[str, str],
    runs: int,
    warmup: int,
    prepare: str | None,
) -> dict[str, list[RunReport]]:
    """The runs of both sides, by turns; warm-ups are not among them."""
    found: dict[str, list[RunReport]] = {BASE: [], HEAD: []}
    for number in range(-warmup, runs):
        for name in order(number):
            report = _one(command, [*options, "-l", f"ci {name}"], sides[name], name, prepare)
            if number >= 0:
                found[name].append(report)
                _progress(name, number + 1, runs, report)
    return found


def order(number: int) -> tuple[str, str]:
    """Which side is first in a round: in turn, so that a drift of the machine treats both alike."""
    return (BASE, HEAD) if number % 2 == 0 else (HEAD, BASE)


def _one(
    command: Sequence[str], options: Sequence[str], folder: str, name: str, prepare: str | None
) -> RunReport:
    import subprocess

    if prepare is not None:
        done = subprocess.run(["/bin/sh", "-c", prepare], cwd=folder, stdout=2, check=False)
        if done.returncode:
            raise UserError(f"--prepare on {name} failed with status {done.returncode}")
    report, _ = heard(command, options, shown=True, folder=folder)
    if report.exit_code:
        raise UserError(f"the command on {name} failed with status {report.exit_code}: nothing is compared")
    return report


def _progress(name: str, number: int, runs: int, report: RunReport) -> None:
    used = joules(report.scopes["machine"].energy_j)
    say(f"run {number} of {runs}, {name}: {used}, {seconds(report.duration_s)}")


def _conclude(found: dict[str, list[RunReport]], base: str, allowed: float) -> None:
    compared = comparison.compare(found[BASE], found[HEAD])
    for each in compared.quantities:
        if each.name in ("energy, machine", "energy, command's share", "time"):
            show = seconds if each.unit == "s" else joules
            typer.echo(
                f"{each.name}\t{show(each.one)}\t{show(each.other)}\t{each.ratio.value:.4g}"
                f"\t{each.ratio.low:.4g} to {each.ratio.high:.4g}"
            )
    for doubt in compared.doubts:
        say(doubt)
    told = comparison.verdict(compared, allowed)
    say(f"{told.word}, against {base}: {told.reason}")
    raise typer.Exit(STATUS[told.word])
