"""The commands beside `run`, and `run`'s help: thin typer functions, one file each."""

from __future__ import annotations

import io
import os
import shutil
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from energywrap import __version__
from energywrap.cli import (
    bench,
    calibrate,
    check,
    ci,
    compare,
    config,
    doctor,
    exchange,
    forecast,
    history,
    model,
    pairs,
    publish,
    recover,
    run,
    show,
    total,
    trend,
    what_if,
    zones,
)
from energywrap.console import say
from energywrap.errors import UserError

USAGE_ERROR, BUG = 2, 70  # 70: sysexits(3); Python's own 1 would read as a verdict
# typer carries its own copy of click from 0.29 on: find the class where it is
CLICK_ERROR: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="energywrap",
    help="Tell what running a command costs the planet: its energy and CO2e, with where each number is from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"energywrap {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


run.register(app)
app.command("show")(show.show)
app.command("history")(history.history)
app.command("total")(total.total)
app.command("trend")(trend.trend)
app.command("compare")(compare.compare)
app.command("bench", cls=pairs.Paired)(bench.bench)
app.command("check")(check.check)
app.command("ci", context_settings={"allow_interspersed_args": False})(ci.ci)
app.command("publish")(publish.publish)
app.command("import")(exchange.take)
app.command("export")(exchange.give)
app.command("prune")(exchange.prune)
app.command("doctor")(doctor.doctor)
app.command("calibrate")(calibrate.calibrate)
app.command("config")(config.config)
app.command("model")(model.model)
app.command("zones")(zones.zones)
app.command("forecast")(forecast.forecast)
app.command("what-if")(what_if.what_if_command)
app.command("recover")(recover.recover)


def main(arguments: Sequence[str]) -> int:
    """Run one command; a mistake of the user is one line and status 2, one of ours a traceback and 70."""
    if sys.stdout is None:  # it was closed before we began
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a label may hold what the terminal cannot spell
    try:
        status = typer.main.get_command(app).main(
            list(arguments), prog_name="energywrap", standalone_mode=False
        )
    except UserError as mistake:
        say(mistake.line())
        return USAGE_ERROR
    except CLICK_ERROR as mistake:
        return _usage(mistake)
    except typer.Abort:
        return USAGE_ERROR
    except (BrokenPipeError, SystemExit):  # click itself leaves where the pipe is broken
        return 0  # the reader of our output has seen enough
    except OSError as trouble:
        say(f"the output could not be written: {trouble.strerror or trouble}")
        return USAGE_ERROR
    except Exception:
        traceback.print_exc()
        say("this is a bug of energywrap")
        return BUG
    return status if isinstance(status, int) else 0


def _unknown_command(message: str) -> str | None:
    """The word that was taken for a command of ours, by click's own message."""
    before, quote, rest = message.partition("No such command '")
    return rest.partition("'")[0] if quote and not before else None


def _usage(mistake: Exception) -> int:
    """typer's own words on one line; its help for no arguments is no mistake of its own."""
    message = getattr(mistake, "format_message", lambda: str(mistake))()
    if type(mistake).__name__ == "NoArgsIsHelpError":
        typer.echo(message)
    else:
        word = getattr(mistake, "ctx", None) and _unknown_command(message)
        if word and shutil.which(word):
            say(f"{word!r} is no command of energywrap; to measure it: energywrap run {word} ...")
            return USAGE_ERROR
        path = getattr(getattr(mistake, "ctx", None), "command_path", None) or "energywrap"
        say(" ".join(message.split()).rstrip(".") + f"; see `{path} --help`")
    return USAGE_ERROR
