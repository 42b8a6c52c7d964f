"""What would make the base run this checkout's code, so that a gate compares it with itself."""

from __future__ import annotations

import glob
import os
import re
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
SEARCHED = ("PYTHONPATH", "NODE_PATH", "LD_LIBRARY_PATH", "RUBYLIB", "PERL5LIB")
APART = r"\s\"';:,=()<>|&"  # what separates a path from what stands around it
ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")  # what is in such a folder is installed, and not the project's


def doubts(
    command: Sequence[str], prepare: str | None, environ: Mapping[str, str], root: str
) -> tuple[str, ...]:
    """Why the base may run what is this checkout's. Raises UserError where it certainly would."""
    found = []
    texts = [*(("the command", word) for word in command), ("--prepare", prepare or "")]
    texts += [(name, environ.get(name, "")) for name in SEARCHED]
    for where, text in texts:
        for path in _inside(text, root):
            if _tracked(path, root):
                raise UserError(
                    f"{where} names {path}: the base would take this checkout's", "name it from this folder"
                )
            found.append(f"{where} names {path}, which the base takes from this checkout as well")
    found += _programs(command[0], environ, root)
    names = _editable(command[0], environ, root)
    if names and "install" not in (prepare or ""):
        found.append(
            f"{', '.join(names)}: installed from this checkout (pip install --editable), so the base may run "
            "its code as well; --prepare 'pip install --quiet --editable .' would install each side's own"
        )
    return tuple(dict.fromkeys(found))


def _programs(program: str, environ: Mapping[str, str], root: str) -> Iterator[str]:
    """Doubts about the program that PATH leads to. Raises UserError where it is the project's own."""
    found = shutil.which(program, path=environ.get("PATH")) if os.sep not in program else None
    if found is None or not os.path.isabs(found) or not list(_inside(found, root)):
        return
    if _tracked(found, root):
        raise UserError(
            f"PATH leads to {found}: the base would run this checkout's", "name the program from this folder"
        )
    yield f"PATH leads to {found}, which the base runs from this checkout as well"


def _inside(text: str, root: str) -> Iterator[str]:
    """The paths in a text that lead into the checkout from anywhere, but for installed environments."""
    roots = "|".join(re.escape(each) for each in {root, os.path.realpath(root)})
    for match in re.finditer(rf"(?:^|[{APART}])[^/{APART}]*((?:{roots})(?=/|$|[{APART}])[^{APART}]*)", text):
        if not _installed(match[1], root):
            yield match[1]


def _installed(path: str, root: str) -> bool:
    """Whether a path leads into an environment that lies in the checkout."""
    here = os.path.normpath(path)
    while len(here) > len(root):
        if any(os.path.exists(os.path.join(here, name)) for name in ENVIRONMENTS):
            return True
        here = os.path.dirname(here)
    return False


def _tracked(path: str, root: str) -> bool:
    """Whether a file, or something in a folder, is the repository's own and not just data beside it."""
    try:
        git(root, "ls-files", "--error-unmatch", "--", os.path.realpath(path))
    except UserError:
        return False
    return True


def _editable(program: str, environ: Mapping[str, str], root: str) -> list[str]:
    """Python packages of this checkout that the command's environment takes from here, from either side."""
    found = {
        name
        for prefix in _prefixes(program, environ)
        for pattern in INSTALLED
        for path in glob.glob(os.path.join(glob.escape(prefix), pattern))
        if (name := _from_here(path, root)) is not None
    }
    return sorted(found)


def _prefixes(program: str, environ: Mapping[str, str]) -> Iterator[str]:
    """The folders of the environments that the command may use."""
    if environ.get("VIRTUAL_ENV"):
        yield environ["VIRTUAL_ENV"]
    for name in (program, *PYTHONS):
        path = shutil.which(name, path=environ.get("PATH"))
        if path is not None:
            yield os.path.dirname(os.path.dirname(os.path.abspath(path)))


def _from_here(path: str, root: str) -> str | None:
    """The name of a distribution that pip has installed from the repository without copying it (PEP 610)."""
    import json

    real = os.path.realpath(root)
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
        where = os.path.realpath(unquote(urlsplit(told["url"]).path))
        if not told["dir_info"]["editable"] or os.path.commonpath([where, real]) != real:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return os.path.basename(os.path.dirname(path)).partition("-")[0]
