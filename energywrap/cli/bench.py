"""`energywrap bench`: commands measured in turn, and which uses the least energy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated

import typer

from energywrap import acceptance, config, options, trial
from energywrap.benching import exports, plan, words
from energywrap.benching.series import Bench
from energywrap.benching.terms import Terms
from energywrap.cli.interrupted import INTERRUPTED, terminable
from energywrap.cli.listing import listing
from energywrap.cli.output import onto_stdout
from energywrap.cli.pairs import pair
from energywrap.cli.progress import Progress
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.trial import Trial

FAILED, LEAST_RUNS = 1, 2
OWN = ("output", "quiet", "label", "no_ledger", "wait_for_green")  # what `run` takes from us alone


def bench(
    commands: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="Shell lines to compare.")],
    runs: Annotated[int, typer.Option("--runs", "-n", metavar="N", help="Of each, at least 2.")] = 10,
    warmup: Annotated[int, typer.Option("--warmup", "-w", min=0, metavar="N", help="Not counted.")] = 0,
    setup: Annotated[str | None, typer.Option("--setup", "-s", metavar="CMD", help="Before all.")] = None,
    prepare: Annotated[
        str | None, typer.Option("--prepare", "-p", metavar="CMD", help="Before every measurement.")
    ] = None,
    cleanup: Annotated[str | None, typer.Option("--cleanup", "-c", metavar="CMD", help="After all.")] = None,
    cooldown: Annotated[
        float, typer.Option("--cooldown", min=0, max=3600, metavar="SECONDS", help="Between two runs.")
    ] = 0.0,
    idle: Annotated[
        float,
        typer.Option(
            "--idle", min=0, max=3600, metavar="SECONDS", help="Idle machine before and after; 0: not."
        ),
    ] = 3.0,
    min_time: Annotated[
        float,
        typer.Option(
            "--min-time", min=0, max=3600, metavar="SECONDS", help="Repeat what is shorter; 0: never."
        ),
    ] = 0.5,
    parameter_list: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter-list", "-L", metavar="NAME VALUES", help="Fill in {NAME}, as in size 1,2,4."
        ),
    ] = None,
    no_shell: Annotated[bool, typer.Option("--no-shell", "-N", help="Split into words, no shell.")] = False,
    ignore_failure: Annotated[
        bool, typer.Option("--ignore-failure", "-i", help="Go on when a command fails.")
    ] = False,
    show_output: Annotated[bool, typer.Option("--show-output", help="Of the commands.")] = False,
    label: Annotated[str | None, typer.Option("--label", "-l", metavar="TEXT", help="A name for it.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Put the runs into the ledger.")] = False,
    zone: Annotated[str | None, typer.Option("--zone", "-z", metavar="ZONE", help="Grid zone.")] = None,
    run_option: Annotated[
        list[str] | None,
        typer.Option("--run-option", metavar="OPTION", help="Of `energywrap run`, as in --pue=1.2."),
    ] = None,
    export_markdown: Annotated[
        str | None, typer.Option("--export-markdown", metavar="FILE", help="Table; - is stdout.")
    ] = None,
    export_json: Annotated[
        str | None, typer.Option("--export-json", metavar="FILE", help="With every run.")
    ] = None,
    export_hyperfine: Annotated[
        str | None, typer.Option("--export-hyperfine", metavar="FILE", help="As hyperfine writes it.")
    ] = None,
    export_csv: Annotated[
        str | None, typer.Option("--export-csv", metavar="FILE", help="A run a line.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Measure commands in turn, several times each, and say which uses the least energy.

    Exit status: 0; 1 when a command or a hook failed; 2 for a mistake in the command line; 130 after Ctrl-C.
    What was measured until then is shown.
    """
    targets = _targets(
        {"markdown": export_markdown, "json": export_json, "hyperfine": export_hyperfine, "csv": export_csv}
    )
    if json:
        targets.append(("json", "-"))
    wanted, sys_root = _options(zone, label, run_option or [])
    terms = Terms(
        rounds=_at_least(runs), warmup=warmup, cooldown_s=cooldown, idle_s=idle, least_s=min_time,
        regardless=ignore_failure, shown=show_output, label=label, options=wanted, sys_root=sys_root,
        keep=keep,
    )  # fmt: skip
    hooks = plan.Hooks(setup, prepare, cleanup)
    chosen = plan.parameters([pair(text) for text in parameter_list or []])
    planned = plan.commands(commands, chosen, hooks, shell=not no_shell)
    progress = Progress()
    attempt = Trial(planned, terms, progress.tell)
    status, why = _attempt(attempt, progress)
    found = attempt.bench()
    if status in (0, INTERRUPTED) or any(series.runs for series in found.series):
        written = _show(found, targets, keep=keep)
        status = status or (0 if written else FAILED)
    if why is not None:
        say(why)
    raise typer.Exit(status)


def _attempt(attempt: Trial, progress: Progress) -> tuple[int, str | None]:
    """Measure; the status that it ends with, and why it failed. Raises UserError if nothing was measured."""
    try:
        with terminable():
            attempt.run()
    except (trial.Failed, UserError) as failure:
        progress.clear()
        if isinstance(failure, UserError):
            if not any(series.runs for series in attempt.bench().series):
                raise
            return FAILED, failure.line()
        return FAILED, str(failure)
    except KeyboardInterrupt:
        progress.clear()
        return INTERRUPTED, None
    except BaseException:
        progress.clear()
        raise
    return 0, None


def _show(found: Bench, targets: Sequence[tuple[str, str]], *, keep: bool) -> bool:
    """The table or what is wanted on stdout in its place, the verdict, the files; whether all was written."""
    texts = [(path, exports.EXPORTS[kind](found)) for kind, path in targets]
    shown = [text for path, text in texts if path == "-"]
    whole = onto_stdout(
        lambda: (
            typer.echo("".join(shown), nl=False)
            if shown
            else listing(exports.HEADS, exports.rows(found), drop=exports.DROPPED, words=exports.HEADS[0])
        )
    )
    for line in (
        *words.verdict(found), *words.repetitions(found), *words.idle(found.idle), *words.doubts(found),
        *(words.kept(found) if keep else ()),
    ):  # fmt: skip
        say(line)
    for path, text in texts:
        if path == "-":
            continue
        try:
            with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as trouble:
            say(f"cannot write {path}: {trouble.strerror or trouble}")
            whole = False
    return whole


def _targets(given: dict[str, str | None]) -> list[tuple[str, str]]:
    """The exports that are wanted. Raises UserError for one that could not be written."""
    wanted = [(kind, path) for kind, path in given.items() if path is not None]
    for kind, path in wanted:
        folder = os.path.dirname(path) or "."
        if path != "-" and (not path or os.path.isdir(path) or not os.path.isdir(folder)):
            what = f"there is no folder {folder}" if path and not os.path.isdir(path) else "that is no file"
            raise UserError(f"--export-{kind} {path!r}: {what}")
        if path != "-" and not os.access(path if os.path.exists(path) else folder, os.W_OK):
            raise UserError(f"--export-{kind} {path!r} cannot be written")
    return wanted


def _options(zone: str | None, label: str | None, further: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The options for every run, and where sysfs is. Raises UserError for one that is wrong or ours."""
    wanted = (*(("--zone", zone) if zone is not None else ()), *further)
    given, rest = options.parse([*wanted, "--", "true"])
    if rest != ["true"]:
        raise UserError(f"--run-option {rest[0]!r} is no option", "write --run-option=--pue=1.2")
    for name in given:
        if name in OWN:
            raise UserError(f"--run-option --{name.replace('_', '-')} is the bench's own")
    named = {"label": label} if label is not None else {}
    folder = config.folder()
    settings = config.resolve({**given, **named}, os.environ, folder)
    acceptance.check(settings, folder)
    return wanted, settings.sysfs_root


def _at_least(runs: int) -> int:
    if runs < LEAST_RUNS:
        raise UserError(f"--runs {runs} is too few", f"at least {LEAST_RUNS}, and 10 to be sure of anything")
    return runs
