"""`energywrap run --help`: the table of options in typer's words. The command itself takes the short way."""

from __future__ import annotations

import inspect
from typing import Any

import typer

from energywrap.options import FLAG, NUMBER, OPTIONS, Option

HELP = """Run COMMAND, measure the energy of the machine meanwhile, and report it with its CO2e.

Options end at the first word that is none; everything from COMMAND on belongs to the command, whose streams,
signals and exit status stay its own. The table goes to stderr, the JSON report to a file.

Exit status: the command's own; 125 if energywrap itself fails before the command starts, 126 if the command
cannot be run, 127 if it is not found; 124 if it was ended for its budget (--on-exceed term).
"""


def register(app: typer.Typer) -> None:
    """Add `run` to the app, its parameters made from the one declaration of its options."""

    def run(**given: Any) -> None:
        raise AssertionError("run is answered before typer is loaded")

    parameters = [_parameter(option) for option in OPTIONS]
    command = typer.Argument(..., metavar="COMMAND [ARGS]...", help="The command to run.")
    parameters.append(
        inspect.Parameter("command", inspect.Parameter.KEYWORD_ONLY, default=command, annotation=list[str])
    )
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    app.command("run", help=HELP, context_settings={"allow_interspersed_args": False})(run)


def _parameter(option: Option) -> inspect.Parameter:
    kinds = {FLAG: bool, NUMBER: float}
    kind: Any = list[str] if option.many else kinds.get(option.kind, str)
    if option.kind != FLAG and option.default is None:
        kind = kind | None
    default = typer.Option(
        option.default,
        *option.flags,
        help=option.help,
        metavar=option.metavar or None,
        show_default=option.kind != FLAG,
    )
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
