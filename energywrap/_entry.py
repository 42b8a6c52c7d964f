"""The first lines that run: `energywrap run` takes the short way, everything else goes through typer."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

OWN_FAILURE = 125
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _own_path() -> None:
    """Import from the installation only: PYTHONPATH and the working directory belong to the command."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    foreign = {"", os.curdir, *given}
    try:
        foreign.update(map(os.path.abspath, given))  # as `site` has made them
    except OSError:
        pass  # the working directory is gone, and so is what relative entries meant
    if sys.argv[0].endswith("__main__.py"):
        foreign.add(sys.path[0])  # python -m puts the working directory there
    sys.path[:] = [path for path in sys.path if path not in foreign or path == _HERE]


_own_path()


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        _run(arguments[1:])
    from energywrap.cli import main as commands

    sys.exit(commands(arguments))


def _run(arguments: list[str]) -> None:
    """Parse, run, and leave as the command did. Returns only when help is wanted."""
    from energywrap import options
    from energywrap.errors import UserError

    try:
        given, words = options.parse(arguments)
    except options.HelpWanted:
        return
    except UserError as mistake:
        _refuse(mistake.line())
    try:
        from energywrap import measure, runner
    except (OSError, ImportError) as failure:
        _refuse(f"cannot start the command: {getattr(failure, 'strerror', None) or failure}")
    try:
        outcome = measure.run(given, words)
    except UserError as mistake:
        _refuse(mistake.line())
    except runner.NotStarted as failure:
        from energywrap import console

        console.say(str(failure))
        os._exit(failure.status)
    else:
        if outcome.failed:
            os._exit(OWN_FAILURE)
        try:
            from energywrap import leave

            leave.leave_as(outcome.ending)
        except OSError:  # not even a descriptor to load that with
            os._exit(outcome.ending.code)


def _refuse(line: str) -> NoReturn:
    try:
        from energywrap import console

        console.say(line)
    except OSError:  # not even a descriptor to load that with
        os.write(2, f"energywrap: {line}\n".encode("ascii", "backslashreplace"))
    os._exit(OWN_FAILURE)
