"""The first lines that run: `energywrap run` takes the short way, everything else goes through typer."""

from __future__ import annotations

import gc
import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import NoReturn

    MAGIC_NUMBER: bytes
else:
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import MAGIC_NUMBER  # importlib.util takes 4 ms to load

OWN_FAILURE, OVER_BUDGET = 125, 124
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


class Quick:
    """Finds our own modules where they are, by their compiled code; all else is left to Python's own finder.

    That one looks through every folder of the path and asks for six kinds of file. A module whose compiled
    code is absent or older than its source is left to it as well.
    """

    TAG = f".{sys.implementation.cache_tag}.pyc"
    BINARY = getattr(os, "O_BINARY", 0)  # Windows would change some bytes on the way
    UNCHECKED = 8  # bytes of a .pyc before the time and the size of its source

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's spec with its code, or None."""
        package, _, rest = name.partition(".")
        if package != "energywrap":
            return None
        stem = os.path.join(_HERE, package, *rest.split("."))
        for source, inside in ((f"{stem}.py", None), (os.path.join(stem, "__init__.py"), [stem])):
            code = cls._code(source)
            if code is not None:
                spec = ModuleSpec(name, cls, origin=source, loader_state=code)  # type: ignore[arg-type]
                spec.submodule_search_locations = inside
                spec.has_location = True
                return spec
        return None

    @classmethod
    def _code(cls, source: str) -> CodeType | None:
        folder, name = os.path.split(source)
        try:
            of_source = os.stat(source)
            fd = os.open(os.path.join(folder, "__pycache__", name[:-3] + cls.TAG), os.O_RDONLY | cls.BINARY)
            try:
                data = os.read(fd, os.fstat(fd).st_size)
            finally:
                os.close(fd)
        except OSError:
            return None
        stamp = b"".join(
            (int(part) & 0xFFFFFFFF).to_bytes(4, "little") for part in (of_source.st_mtime, of_source.st_size)
        )
        head = MAGIC_NUMBER + bytes(cls.UNCHECKED - len(MAGIC_NUMBER)) + stamp
        code: CodeType | None = marshal.loads(data[len(head) :]) if data.startswith(head) else None
        return code

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Python's own kind of module."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Run the module's code."""
        spec = module.__spec__
        assert spec is not None
        code, spec.loader_state = spec.loader_state, None
        exec(code, module.__dict__)


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        _run(arguments[1:])
    from energywrap.cli import main as commands

    sys.exit(commands(arguments))


def _run(arguments: list[str]) -> None:
    """Parse, run, and leave as the command did. Returns only when help is wanted."""
    gc.disable()  # nothing here is garbage before the command runs
    if sys.pycache_prefix is None and not sys.flags.optimize:
        sys.meta_path.insert(0, Quick)
    from energywrap import options
    from energywrap.errors import NotStarted, UserError

    try:
        given, words = options.parse(arguments)
    except options.HelpWanted:
        return
    except UserError as mistake:
        _refuse(mistake.line())
    try:
        from energywrap import measure
    except (OSError, ImportError) as failure:
        _refuse(f"cannot start the command: {getattr(failure, 'strerror', None) or failure}")
    try:
        outcome = measure.run(given, words)
    except UserError as mistake:
        _refuse(mistake.line())
    except NotStarted as failure:
        from energywrap import console

        console.say(str(failure))
        os._exit(failure.status)
    else:
        if outcome.failed:
            os._exit(OWN_FAILURE)
        if outcome.over_budget:
            os._exit(OVER_BUDGET)
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
