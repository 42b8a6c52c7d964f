"""`energywrap publish`: runs for the CI system that shows them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from energywrap import publish as publishing
from energywrap.cli.history import Ledger, settings_of
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.formats.ci import github
from energywrap.ledger import named

NOT_WRITTEN = 1


def publish(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="A report's file, a run's id, last, last~2 (default: last)."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="TARGET", help=f"{', '.join(publishing.TARGETS)} (default: by the environment)."
        ),
    ] = None,
    folder: Annotated[
        str, typer.Option("--dir", metavar="DIR", help="Where files are written (default: here).")
    ] = ".",
    comment: Annotated[
        str | None, typer.Option("--comment", metavar="FILE", help="Write the body of a comment to FILE.")
    ] = None,
    ledger: Ledger = None,
) -> None:
    """Write runs in the form that a CI system shows: summary, outputs, metrics, tests, benchmarks.

    Exit status 1 if something could not be written; the lines on stderr say what was, and what was not.
    """
    wanted = _wanted(to, comment)
    settings = settings_of(ledger)
    reports = [named.report(run, settings, os.environ) for run in runs or [named.LAST]]
    if not os.path.isdir(folder):
        raise UserError(f"--dir {folder}: there is no such folder", "make it first")
    done, failed = publishing.write(reports, wanted, folder, os.environ)
    if comment is not None:
        try:
            publishing.put(comment, github.comment(reports))
            done.append(f"comment: wrote {comment}")
        except OSError as err:
            failed.append(f"comment: cannot write {comment}: {err.strerror or err}")
    for line in (*done, *failed):
        say(line)
    if publishing.GITHUB in wanted:
        annotation = next(filter(None, (github.warning(report) for report in reports)), None)
        if annotation is not None:
            typer.echo(annotation)
    if failed:
        raise typer.Exit(NOT_WRITTEN)


def _wanted(to: list[str] | None, comment: str | None) -> tuple[str, ...]:
    for word in to or ():
        if word not in publishing.TARGETS:
            raise UserError(f"--to {word!r} is no CI system", f"known: {', '.join(publishing.TARGETS)}")
    wanted = tuple(dict.fromkeys(to)) if to else publishing.detected(os.environ)
    if not wanted and comment is None:
        raise UserError(
            "no CI system is known here: neither GITHUB_ACTIONS, GITLAB_CI nor JENKINS_URL is set",
            f"give --to {', '.join(publishing.TARGETS)}",
        )
    return wanted
