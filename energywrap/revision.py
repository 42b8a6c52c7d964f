"""Another revision of the repository beside the working one, in a temporary git worktree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

from energywrap.errors import UserError
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAIN = ("main", "origin/main")
# What CI systems say of the branch that a pull or merge request is for, with what comes before its name.
TOLD = (
    ("GITHUB_BASE_REF", "origin/"),
    ("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""),
    ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "origin/"),
    ("CHANGE_TARGET", "origin/"),  # Jenkins
)
PREFIX = "energywrap-base-"
OLD_S = 60.0  # a folder that nobody holds is one that was left behind, unless it has just been made
LONGEST_S = 600.0  # for a checkout of the largest repositories


@record
class Base:
    """What this checkout is compared with."""

    name: str  # as it was asked for
    commit: str

    @property
    def title(self) -> str:
        """The name and the commit."""
        short = self.commit[:9]
        return short if self.commit.startswith(self.name) else f"{self.name} at {short}"


def default(environ: Mapping[str, str], folder: str) -> str:
    """What the CI system says the pull request is for; else "main", of here or of the origin."""
    told = next((f"{before}{environ[name]}" for name, before in TOLD if environ.get(name)), None)
    return told or next((name for name in MAIN if _commit(name, folder)), MAIN[0])


def base(name: str, folder: str) -> Base:
    """Where this branch left a revision: what the revision has got since is no change of this checkout.

    Without a common history it is the revision itself. Raises UserError.
    """
    top(folder)
    tip = commit_of(name, folder)
    try:
        return Base(name, git(folder, "merge-base", tip, "HEAD"))
    except UserError:
        return Base(name, tip)


@contextmanager
def checked_out(found: Base, folder: str) -> Iterator[str]:
    """The folder in a worktree of the base that `folder` is in this one; the worktree goes afterwards.

    Raises UserError for a folder that the base lacks.
    """
    root = top(folder)
    inner = os.path.relpath(os.path.realpath(folder), os.path.realpath(root))
    _sweep(root)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as kept, _held(kept):
        tree = os.path.join(kept, "base")
        git(root, "worktree", "add", "--quiet", "--detach", tree, found.commit)
        try:
            there = os.path.normpath(os.path.join(tree, inner))
            if not os.path.isdir(there):
                raise UserError(f"{found.title} has no folder {inner}", "run it in a folder that both have")
            yield there
        finally:
            git(root, "worktree", "remove", "--force", tree)


def unchanged(found: Base, folder: str) -> bool:
    """Whether the working tree is just that commit. Raises UserError."""
    return found.commit == commit_of("HEAD", folder) and not git(folder, "status", "--porcelain")


def top(folder: str) -> str:
    """The repository's own folder. Raises UserError outside one."""
    try:
        return git(folder, "rev-parse", "--show-toplevel")
    except UserError as err:
        raise UserError(f"{folder} is in no git repository: {err.line()}", "run it inside one") from err


def commit_of(revision: str, folder: str) -> str:
    """The commit that a name stands for. Raises UserError."""
    found = _commit(revision, folder)
    if found is None:
        raise UserError(
            f"{revision!r} is no revision of the repository here",
            "name a branch, tag or commit that is there; in CI, fetch the history (fetch-depth: 0) and try "
            "origin/BRANCH",
        )
    return found


def _commit(revision: str, folder: str) -> str | None:
    try:
        return git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except UserError:
        return None


def git(folder: str, *words: str) -> str:
    """What git answers. Raises UserError with git's own words."""
    try:
        done = subprocess.run(
            ["git", "-C", folder, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise UserError(f"git cannot be asked: {err}", "install git") from err
    if done.returncode:
        words_of = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UserError(f"git {words[0]}: {words_of[-1] if words_of else f'status {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace").strip()


def _sweep(root: str) -> None:
    """Take away worktrees whose process was killed: nobody holds their folders any more."""
    around = tempfile.gettempdir()
    for name in os.listdir(around):
        path = os.path.join(around, name)
        if not name.startswith(PREFIX) or not os.path.isdir(path) or os.path.islink(path):
            continue
        if os.stat(path).st_uid == os.geteuid() and time.time() - os.stat(path).st_mtime > OLD_S:
            with _held(path) as held:
                if held:
                    shutil.rmtree(path, ignore_errors=True)
    git(root, "worktree", "prune")


@contextmanager
def _held(folder: str) -> Iterator[bool]:
    """Hold a folder for as long as the context lasts; whether it was free. Nothing can be held on Windows."""
    try:
        import fcntl

        fd = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = True
    except OSError:
        held = False
    try:
        yield held
    finally:
        os.close(fd)
