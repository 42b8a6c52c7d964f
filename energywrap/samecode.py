"""What would make the base run this checkout's code, so that a gate compares it with itself."""

from __future__ import annotations

import glob
import os
import shutil
from urllib.parse import unquote, urlsplit

from energywrap.errors import UserError
from energywrap.revision import git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PYTHONS = ("python", "python3")
INSTALLED = (
    "lib/python*/site-packages/*.dist-info/direct_url.json",
    "Lib/site-packages/*.dist-info/direct_url.json",
)


def refuse(command: Sequence[str], environ: Mapping[str, str], root: str) -> None:
    """Raise UserError for a path that leads into this checkout wherever the command is started."""
    said = [("the command", word) for word in command]
    said += [("PYTHONPATH", path) for path in environ.get("PYTHONPATH", "").split(os.pathsep)]
    for where, word in said:
        for path in (word, word.partition("=")[2]):
            if os.path.isabs(path) and _tracked(path, root):
                raise UserError(
                    f"{where} names {path}: the base would run this checkout's", "name it from this folder"
                )


def _tracked(path: str, root: str) -> bool:
    """Whether a file, or something in a folder, is the repository's own and not just data beside it."""
    real = os.path.realpath(path)
    if os.path.commonpath([real, os.path.realpath(root)]) != os.path.realpath(root):
        return False
    try:
        git(root, "ls-files", "--error-unmatch", "--", real)
    except UserError:
        return False
    return True


def editable(command: Sequence[str], environ: Mapping[str, str], root: str) -> tuple[str, ...]:
    """Python packages of this checkout that the command's environment takes from here, from either side."""
    found = {
        name
        for prefix in _prefixes(command[0], environ)
        for pattern in INSTALLED
        for path in glob.glob(os.path.join(glob.escape(prefix), pattern))
        if (name := _from_here(path, root)) is not None
    }
    return tuple(sorted(found))


def _prefixes(program: str, environ: Mapping[str, str]) -> Iterator[str]:
    """The folders of the environments that the command may use."""
    if environ.get("VIRTUAL_ENV"):
        yield environ["VIRTUAL_ENV"]
    for name in (program, *PYTHONS):
        path = shutil.which(name, path=environ.get("PATH"))
        if path is not None:
            yield os.path.dirname(os.path.dirname(os.path.abspath(path)))


def _from_here(path: str, root: str) -> str | None:
    """The name of a distribution that pip has installed from the repository without copying it."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        where = unquote(urlsplit(told["url"]).path)
        inside = os.path.commonpath([os.path.realpath(where), os.path.realpath(root)]) == os.path.realpath(
            root
        )
        if not told["dir_info"]["editable"] or not inside:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return os.path.basename(os.path.dirname(path)).partition("-")[0]
