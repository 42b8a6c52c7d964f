"""A base in a temporary git worktree, which goes afterwards; those that a killed process has left as well."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager

from energywrap.console import say
from energywrap.errors import UserError
from energywrap.revision import git, top

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from energywrap.revision import Base

PREFIX = "energywrap-base-"
MARK = ".energywrap"  # holds the repository's own folder: what is without it is not ours
OLD_S = 60.0  # a folder that nobody holds is one that was left behind, unless it has just been made


@contextmanager
def checked_out(found: Base, folder: str) -> Iterator[str]:
    """The folder in a worktree of the base that `folder` is in this one; the worktree goes afterwards.

    Raises UserError for a folder that the base lacks.
    """
    root = top(folder)
    inner = os.path.relpath(os.path.realpath(folder), os.path.realpath(root))
    repository = os.path.join(root, git(root, "rev-parse", "--git-common-dir"))
    sweep()
    kept = tempfile.mkdtemp(prefix=PREFIX)
    with held(kept):
        try:
            with open(os.path.join(kept, MARK), "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(repository)
            tree = os.path.join(kept, "base")
            hooks = ("-c", f"core.hooksPath={os.devnull}")  # the repository's own have nothing to do with it
            git(root, *hooks, "worktree", "add", "--quiet", "--detach", tree, found.commit)
            there = os.path.normpath(os.path.join(tree, inner))
            if not os.path.isdir(there):
                raise UserError(f"{found.title} has no folder {inner}", "run it in a folder that both have")
            yield there
        finally:
            _remove(kept)


def sweep() -> None:
    """Take away the worktrees of processes that were killed: nobody holds their folders any more."""
    around = tempfile.gettempdir()
    try:
        names = os.listdir(around) if hasattr(os, "geteuid") else []
    except OSError:
        return
    for name in names:
        path = os.path.join(around, name)
        try:
            if name.startswith(PREFIX) and _left(path):
                with held(path) as free:
                    if free:
                        _remove(path)
        except OSError:
            pass  # another has just taken it away


def _left(path: str) -> bool:
    """Whether it is a folder of ours, old enough that its maker would hold it."""
    about = os.lstat(path)
    ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
    return ours and time.time() - about.st_mtime > OLD_S and os.path.isfile(os.path.join(path, MARK))


def _remove(kept: str) -> None:
    """Take a folder away, and what its repository knows of it; other worktrees are left as they are."""
    try:
        with open(os.path.join(kept, MARK), encoding="utf-8", errors="surrogateescape") as file:
            known = os.path.join(file.read(), "worktrees")
        for name in os.listdir(known):
            if _points_into(os.path.join(known, name), kept):
                shutil.rmtree(os.path.join(known, name), ignore_errors=True)
    except OSError:
        pass  # there is no other worktree, or it was never made
    shutil.rmtree(kept, ignore_errors=True)
    if os.path.isdir(kept):  # a command may have made folders that cannot be written, as Go's modules are
        for folder, _, _ in os.walk(kept):
            os.chmod(folder, stat.S_IRWXU)
        shutil.rmtree(kept, ignore_errors=True)
    if os.path.isdir(kept):
        say(f"{kept} could not be taken away")


def _points_into(known: str, kept: str) -> bool:
    try:
        with open(os.path.join(known, "gitdir"), encoding="utf-8", errors="surrogateescape") as file:
            where = file.read()
    except OSError:
        return False
    return where.startswith((os.path.join(kept, ""), os.path.join(os.path.realpath(kept), "")))


@contextmanager
def held(folder: str) -> Iterator[bool]:
    """Hold a folder for as long as the context lasts; whether it was free. Nothing can be held on Windows."""
    try:
        import fcntl

        fd = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(fd)
