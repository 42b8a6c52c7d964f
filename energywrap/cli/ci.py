"""`energywrap ci`: the command on this checkout and on a base revision, in turn, and the gate's verdict."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from energywrap import acceptance, comparison, config, gate, revision, samecode, strays, turns, worktree
from energywrap.cli import gates
from energywrap.cli.gates import STATUS, AsJson, Comment, Junit, MaxIncrease
from energywrap.cli.interrupted import INTERRUPTED, terminable
from energywrap.cli.listing import listing
from energywrap.cli.output import onto_stdout
from energywrap.comparison import ERROR, INCONCLUSIVE, Verdict
from energywrap.console import say
from energywrap.formats import compared
from energywrap.formats.quantities import joules, seconds
from energywrap.gate import HERE, Check, Gate
from energywrap.model import RunReport
from energywrap.revision import Base
from energywrap.turns import Side, SideFailed

USUAL = {"--base": "main", "-n": "5", "--warmup": "1", "--max-increase": "5%"}
SHOWN = (comparison.ENERGY, "energy, command's share", "time")


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
    not committed there must be made by --prepare. Variables that hold this folder hold the base's there.
    """
    allowed, here = gates.part(max_increase), os.getcwd()
    revision.forget_hook(os.environ)
    settings = config.resolve({"zone": zone} if zone else {}, os.environ, here)
    acceptance.check(settings, here)  # a wrong setting is refused before anything runs
    gates.accept(comment=comment, junit=junit)
    against = revision.base(base or revision.default(os.environ, here), here)
    doubts = _doubts(command, prepare, against, here, ours=(comment, junit))
    if settings.ledger is not None:
        os.environ["ENERGYWRAP_LEDGER"] = settings.ledger  # a relative one is this folder's on both sides
    name, options = gate.name_of(label, command), _options(zone, here)
    strays.adopt()
    try:
        with terminable(), worktree.checked_out(against, here) as there:
            base_ = samecode.environment(os.environ, _moved(here, there))
            rest = (prepare, show_output, keep)
            sides = (
                Side(against.title, there, (*options, "-l", f"{name}: base"), base_, *rest),
                Side(HERE, here, (*options, "-l", f"{name}: {HERE}"), os.environ, *rest),
            )
            check = _checked(command, sides, runs, warmup, allowed, doubts, f"energy against {against.name}")
    except KeyboardInterrupt:
        say("it was ended early: nothing is compared")
        raise typer.Exit(INTERRUPTED) from None
    given = {"--base": against.name, "-n": str(runs), "--warmup": str(warmup), "--max-increase": max_increase}
    again = _again(command, {**given, "--prepare": prepare, "-z": zone, "-l": label})
    found = Gate(name, (check,), again)
    _say(check, doubts)
    gates.tell(found, settings, os.environ, comment=comment, junit=junit)
    onto_stdout(lambda: typer.echo(gates.as_json(found)) if json else _list(check))
    raise typer.Exit(STATUS[found.word])


def _options(zone: str | None, here: str) -> tuple[str, ...]:
    """What `energywrap run` gets on both sides; the settings are this checkout's, whatever the base has."""
    named = os.environ.get("ENERGYWRAP_CONFIG")
    path = os.path.join(here, named) if named else config.settings_file(here) or os.devnull
    return ("--config", path, *(("-z", zone) if zone else ()), "--ci", "off")


def _moved(here: str, there: str) -> dict[str, str]:
    """What this folder and its repository's have become on the base's side."""
    root = revision.top(here)
    inner = os.path.relpath(os.path.realpath(here), os.path.realpath(root))
    depth = 0 if inner == os.curdir else inner.count(os.sep) + 1
    return {here: there, root: os.path.normpath(os.path.join(there, *[os.pardir] * depth))}


def _again(command: Sequence[str], given: Mapping[str, str | None]) -> str:
    """The line that asks the same; what is usual is left out."""
    options = [
        word
        for option, value in given.items()
        if value is not None and value != USUAL.get(option)
        for word in (option, value)
    ]
    return shlex.join(["energywrap", "ci", *options, "--", *command])


def _doubts(
    command: Sequence[str], prepare: str | None, against: Base, here: str, ours: tuple[str | None, ...]
) -> tuple[str, ...]:
    """What may make the comparison one of this checkout with itself; said before anything runs as well."""
    found = []
    if revision.unchanged(against, here, [path for path in ours if path is not None]):
        found.append(f"nothing has changed here since {against.title}: the command is compared with itself")
    if not against.related:
        found.append(f"this checkout and {against.name} have no history in common: their tips are compared")
    root = revision.top(here)
    found += samecode.doubts(command, prepare, os.environ, root)
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
    question: str,
) -> Check:
    """The verdict: an error where the command fails here, inconclusive where it does on the base alone."""
    base, here = sides

    def tell(side: Side, number: int, report: RunReport) -> None:
        what = f"run {number} of {runs}" if number > 0 else "warm-up"
        say(f"{what}, {side.name}: {joules(report.scopes['machine'].energy_j)}, {seconds(report.duration_s)}")

    try:
        one, other = turns.alternating(command, sides, runs, warmup, tell)
    except SideFailed as failure:
        if failure.side is here:
            return Check(question, Verdict(ERROR, f"{failure.line()}: nothing is compared"))
        again = turns.works(command, here)
        if again is not None:
            return Check(question, Verdict(ERROR, f"{again.line()}: nothing is compared"))
        return Check(question, Verdict(INCONCLUSIVE, f"{failure.line()}, and it does not fail here"))
    return gate.against(question, one, other, allowed, (base.name, here.name), doubts)


def _list(check: Check) -> None:
    """The rows that matter, on stdout."""
    if check.compared is not None:
        rows = [compared.row(each)[:5] for each in check.compared.quantities if each.name in SHOWN]
        listing(("", *check.sides, "ratio", "P5 to P95"), rows)


def _say(check: Check, said: Sequence[str]) -> None:
    """The doubts that are not said yet, and the verdict."""
    for doubt in check.compared.doubts if check.compared is not None else ():
        if doubt not in said:
            say(doubt)
    say(f"{check.verdict.word}: {check.verdict.reason}")
