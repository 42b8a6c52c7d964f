"""`energywrap ci`: the command on this checkout and on a base revision, in turn, and the gate's verdict."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from energywrap import acceptance, config, gate, revision, samecode, strays, turns
from energywrap.cli import gates
from energywrap.cli.gates import STATUS, AsJson, Comment, Junit, MaxIncrease
from energywrap.cli.interrupted import INTERRUPTED, terminable
from energywrap.cli.listing import listing
from energywrap.comparison import ERROR, INCONCLUSIVE, Verdict
from energywrap.console import say
from energywrap.formats import compared
from energywrap.formats.quantities import joules, seconds
from energywrap.gate import HERE, Check, Gate
from energywrap.model import RunReport
from energywrap.revision import Base
from energywrap.turns import Side, SideFailed

SHOWN = ("energy, machine", "energy, command's share", "time")


def ci(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGS]...", help="The command to run.")],
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REVISION",
            help="This checkout is compared with where it left REVISION (default: what the CI system says "
            "the pull request is for, else main).",
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
        typer.Option("--label", "-l", metavar="NAME", help="The gate's name (default: the command)."),
    ] = None,
    show_output: Annotated[bool, typer.Option("--show-output", help="Of the command.")] = False,
    json: AsJson = False,
    comment: Comment = None,
    junit: Junit = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the runs in the ledger.")] = False,
) -> None:
    """Run a command on this checkout and on a base revision, alternating, and say whether energy has risen.

    Exit 0 pass, 1 fail, 2 where there is nothing to compare, 3 inconclusive, 130 after Ctrl-C. The base is
    checked out into a temporary git worktree, which shares nothing with this folder but its history: what is
    not committed there must be made by --prepare.
    """
    allowed, here = gates.part(max_increase), os.getcwd()
    settings = config.resolve({"zone": zone} if zone else {}, os.environ, here)
    acceptance.check(settings, here)  # a wrong setting is refused before anything runs
    gates.accept(comment=comment, junit=junit)
    against = revision.base(base or revision.default(os.environ, here), here)
    samecode.refuse(command, os.environ, revision.top(here))
    gates.clear(comment, junit)
    name = gate.name_of(label, command)
    options = (*(("-z", zone) if zone else ()), *(() if keep else ("--no-ledger",)), "--ci", "off")
    doubts = _doubts(command, against, here, prepare)
    strays.adopt()
    try:
        with terminable(), revision.checked_out(against, here) as there:
            sides = (
                Side(against.title, there, (*options, "-l", f"{name}: base"), prepare, show_output),
                Side(HERE, here, (*options, "-l", f"{name}: {HERE}"), prepare, show_output),
            )
            check = _checked(command, sides, runs, warmup, allowed, doubts)
    except KeyboardInterrupt:
        say("it was ended early: nothing is compared")
        raise typer.Exit(INTERRUPTED) from None
    _say(check, doubts, as_rows=not json)
    found = Gate(
        name, (check,), again=shlex.join(["energywrap", "ci", "--base", against.name, "--", *command])
    )
    gates.tell(found, settings, os.environ, as_json=json, comment=comment, junit=junit)
    raise typer.Exit(STATUS[found.word])


def _doubts(command: Sequence[str], against: Base, here: str, prepare: str | None) -> tuple[str, ...]:
    """What may make the comparison one of this checkout with itself; said before anything runs as well."""
    found = []
    if revision.unchanged(against, here):
        found.append(f"nothing has changed here since {against.title}: the command is compared with itself")
    names = samecode.editable(command, os.environ, revision.top(here)) if prepare is None else ()
    if names:
        found.append(
            f"{', '.join(names)}: installed from this checkout (pip install --editable), so the base may run "
            "its code as well; --prepare 'pip install --quiet --editable .' would install each side's own"
        )
    for line in found:
        say(line)
    return tuple(found)


def _checked(
    command: Sequence[str],
    sides: tuple[Side, Side],
    runs: int,
    warmup: int,
    allowed: float,
    doubts: Sequence[str],
) -> Check:
    """The verdict: an error where the command fails here, inconclusive where it does on the base alone."""
    base, here = sides

    def tell(side: Side, number: int, report: RunReport) -> None:
        what = f"run {number} of {runs}" if number > 0 else "warm-up"
        say(f"{what}, {side.name}: {joules(report.scopes['machine'].energy_j)}, {seconds(report.duration_s)}")

    question = f"energy against {base.name}"
    try:
        one, other = turns.alternating(command, sides, runs, warmup, tell)
    except SideFailed as failure:
        try:
            turns.once(command, here)
        except SideFailed as again:
            return Check(question, Verdict(ERROR, f"{again.line()}: nothing is compared"))
        return Check(question, Verdict(INCONCLUSIVE, f"{failure.line()}, and it does not fail here"))
    return gate.against(base.name, one, other, allowed, doubts=doubts)


def _say(check: Check, said: Sequence[str], *, as_rows: bool) -> None:
    """The rows that matter, on stdout; the doubts that are not said yet, and the verdict, on stderr."""
    found = check.compared
    if found is not None:
        rows = [compared.row(each)[:5] for each in found.quantities if each.name in SHOWN]
        if as_rows:
            listing(("", *check.sides, "ratio", "P5 to P95"), rows)
        for doubt in found.doubts:
            if doubt not in said:
                say(doubt)
    say(f"{check.verdict.word}: {check.verdict.reason}")
