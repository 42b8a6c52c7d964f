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
VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")  # what is in such a folder is installed, and not the project's
# what installs each side's own package: pip and uv with -e or a folder, and what works in a project's folder
INSTALLING = re.compile(
    r"(?<!\S)(-e|--editable)\b|\binstall\s([^;&|]*\s)?\.{1,2}(\s|$|/|\[)"
    r"|\b(poetry|pdm|flit|hatch)\s+(install|env)|\buv\s+sync|\bsetup\.py\s"
)


def environment(environ: Mapping[str, str], moved: Mapping[str, str]) -> dict[str, str]:
    """The base's environment: variables that hold one of these folders hold what it has become there.

    So do CI systems' GITHUB_WORKSPACE, CI_PROJECT_DIR and the like, and the shell's PWD.
    """
    places = {os.path.realpath(old): new for old, new in moved.items()}
    return {
        name: places.get(os.path.realpath(value), value) if os.path.isabs(value) else value
        for name, value in environ.items()
    }


def doubts(
    command: Sequence[str], prepare: str | None, environ: Mapping[str, str], root: str
) -> tuple[str, ...]:
    """Why the base may run what is this checkout's. Raises UserError where it certainly would.

    `environ` is the base's, as `environment` gives it.
    """
    found = []
    said = [*(("the command", word) for word in command), ("--prepare", prepare or "")]
    used = {name for _, text in said for name in VARIABLE.findall(text)}
    said += [(name, environ.get(name, "")) for name in sorted({*SEARCHED, *used})]
    for where, text in said:
        for path in _inside(text, root):
            if _tracked(path, root):
                raise UserError(
                    f"{where} names {path}: the base would take this checkout's", "name it from this folder"
                )
            found.append(f"{where} names {path}, which the base takes from this checkout as well")
    found += _programs(command[0], environ, root)
    names = _editable(command[0], environ, root)
    if names and not INSTALLING.search(prepare or ""):
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
    real = os.path.realpath(root)
    for path in PATH.findall(text):
        there = os.path.realpath(path)
        if (there == real or there.startswith(os.path.join(real, ""))) and not _installed(path, real):
            yield path


def _installed(path: str, root: str) -> bool:
    """Whether a path leads into an environment that lies in the checkout."""
    here = os.path.realpath(os.path.dirname(path))  # a program in there may be a link to one elsewhere
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
