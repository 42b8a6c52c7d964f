"""What every gate shares on the command line: its options, where its verdict goes, its exit status."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Annotated

import typer

from energywrap import comparison, publish
from energywrap.config import Settings
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats import compared
from energywrap.gate import Gate

STATUS = {comparison.PASS: 0, comparison.FAIL: 1, comparison.ERROR: 2, comparison.INCONCLUSIVE: 3}

MaxIncrease = Annotated[
    str, typer.Option("--max-increase", metavar="PERCENT", help="By how much energy may rise.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The verdict as JSON on stdout.")]
Comment = Annotated[
    str | None,
    typer.Option("--comment", metavar="FILE", help="Write the body of a comment, in Markdown, to FILE."),
]
Junit = Annotated[
    str | None, typer.Option("--junit", metavar="FILE", help="Write a test per check, as JUnit XML, to FILE.")
]


def part(text: str) -> float:
    """A part of 1 from "5%". Raises UserError: a bare 5 might be 5 % or five times as much."""
    number, sign, rest = text.strip().partition("%")
    try:
        value = float(number) / 100
    except ValueError:
        value = -1.0
    if not sign or rest or not 0 <= value < 100:
        raise UserError(f"--max-increase {text!r} is no percentage", "write it like 5%")
    return value


def accept(**files: str | None) -> None:
    """Refuse files that cannot be written, before anything is measured, and empty them. Raises UserError.

    What an earlier gate has written must not pass for this one's.
    """
    named = [(option, path) for option, path in files.items() if path is not None]
    for option, path in named:
        folder = os.path.dirname(path) or os.curdir
        if not os.path.isdir(folder):
            raise UserError(f"--{option} {path}: there is no folder {folder}", "make it first")
        if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
            raise UserError(f"--{option} {path}: it cannot be written", "name a file that can")
    for _, path in named:
        if os.path.isfile(path):
            os.truncate(path, 0)


def tell(
    gate: Gate, settings: Settings, environ: Mapping[str, str], *, comment: str | None, junit: str | None
) -> None:
    """Hand the verdict to the files that are named and to the CI system; a failure is a line."""
    for line in publish.of_gate(gate, settings, environ, comment=comment, junit=junit):
        say(line)


def as_json(gate: Gate) -> str:
    """The verdict for a program."""
    return json.dumps(compared.of_gate(gate), indent=2)
