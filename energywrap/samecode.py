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
PATH = re.compile(rf"(?:^|[{APART}])[^/{APART}]*(/[^{APART}]*)")
VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
ASSIGNED = re.compile(r"(?:^|[\s;&|])([A-Za-z_][A-Za-z0-9_]*)=")
HOME = re.compile(rf"(^|[{APART}])~(?=/)")
OWN = re.compile(r"HOME|TMPDIR|XDG_\w+|\w+_HOME|VIRTUAL_ENV")  # the user's, wherever they lie
ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")  # what is in such a folder is installed, and not the project's
# what installs each side's own package: pip and uv with -e or a folder, and what works in a project's folder
INSTALLING = re.compile(
    r"(?<!\S)(-e|--editable)\b|\binstall\s([^;&|]*\s)?\.{1,2}(\s|$|/|\[)"
    r"|\b(poetry|pdm|flit|hatch)\s+(install|env)|\buv\s+sync|\bsetup\.py\s"
)


def environment(environ: Mapping[str, str], moved: Mapping[str, str]) -> dict[str, str]:
    """The base's environment: what leads into one of these folders leads into what it has become there.

    So do CI systems' GITHUB_WORKSPACE, CI_PROJECT_DIR and the like, the shell's PWD, and what PATH or
    PYTHONPATH have of the checkout. What the base has not (data, installed environments) stays as it is.
    """
    return {
        name: value
        if OWN.fullmatch(name)
        else os.pathsep.join(_moved(part, moved) for part in value.split(os.pathsep))
        for name, value in environ.items()
    }


def _moved(path: str, moved: Mapping[str, str]) -> str:
    """A path as it is on the base's side, if there is such a one."""
    if not os.path.isabs(path) or _installed(path, next(iter(moved))):
        return path
    real = os.path.realpath(path)
    for old, new in moved.items():
        inner = os.path.relpath(real, os.path.realpath(old))
        there = os.path.normpath(os.path.join(new, inner))
        if not inner.startswith(os.pardir) and os.path.exists(there):
            return there
    return path


def doubts(
    command: Sequence[str], prepare: str | None, environ: Mapping[str, str], root: str
) -> tuple[str, ...]:
    """Why the base may run what is this checkout's. Raises UserError where it certainly would."""
    found = []
    for where, text in (*(("the command", word) for word in command), ("--prepare", prepare or "")):
        for path in _inside(_expanded(text, environ, root), root):
            if _tracked(path, root):
                raise UserError(
                    f"{where} names {path}: the base would take this checkout's", "name it from this folder"
                )
            found.append(f"{where} names {path}, which the base takes from this checkout as well")
    for name in SEARCHED:
        for path in _inside(environ.get(name, ""), root):
            if not _tracked(path, root):
                found.append(f"{name} names {path}, which the base takes from this checkout as well")
    found += _programs(command[0], environ, root)
    names = _editable(command[0], environ, root)
    if names and not INSTALLING.search(prepare or ""):
        found.append(
            f"{', '.join(names)}: installed from this checkout (pip install --editable), so the base may run "
            "its code as well; --prepare 'pip install --quiet --editable .' would install each side's own"
        )
    return tuple(dict.fromkeys(found))


def _expanded(text: str, environ: Mapping[str, str], root: str) -> str:
    """A text of a shell with what variables hold, but for those that the base gets its own of."""
    assigned = set(ASSIGNED.findall(text))

    def value(match: re.Match[str]) -> str:
        name, held = match[1], environ.get(match[1], "")
        own = not OWN.fullmatch(name) and any(_tracked(path, root) for path in _inside(held, root))
        return match[0] if name in assigned or own or not held else held

    home = environ.get("HOME", "~")
    return VARIABLE.sub(value, HOME.sub(lambda match: match[1] + home, text))


def _programs(program: str, environ: Mapping[str, str], root: str) -> Iterator[str]:
    """A doubt about the program that PATH leads to, where the base has none of its own."""
    found = shutil.which(program, path=environ.get("PATH")) if os.sep not in program else None
    inside = found is not None and os.path.isabs(found) and bool(list(_inside(found, root)))
    if found is not None and inside and not _tracked(os.path.dirname(found), root):
        yield f"PATH leads to {found}, which the base runs from this checkout as well"


def _inside(text: str, root: str) -> Iterator[str]:
    """The paths in a text that lead into the checkout from anywhere, but for installed environments."""
    real = os.path.realpath(root)
    found = dict.fromkeys(PATH.findall(text))
    for base in (root, real):  # whose own letters may be what separates paths elsewhere
        for match in re.finditer(rf"{re.escape(base)}(?=/|$|[{APART}])[^{APART}]*", text):
            before = re.split(f"[{APART}]", text[: match.start()])[-1]
            found.update({} if "/" in before else {match[0]: None})
    for path in found:
        there = os.path.realpath(path)
        if (there == real or there.startswith(os.path.join(real, ""))) and not _installed(path, real):
            yield path


def _installed(path: str, root: str) -> bool:
    """Whether a path leads into an environment that lies in the checkout."""
    real = os.path.realpath(root)
    for start in (path, os.path.dirname(path)):  # a program in there may be a link to one elsewhere
        here = os.path.realpath(start)
        while len(here) > len(real):
            if any(os.path.exists(os.path.join(here, name)) for name in ENVIRONMENTS):
                return here.startswith(os.path.join(real, ""))
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
