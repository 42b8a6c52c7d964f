"""Another revision of the repository beside the working one, in a temporary git worktree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager

from energywrap.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAIN = "main"
# What CI systems say of the branch that a pull or merge request is for, with what comes before its name.
TOLD = (
    ("GITHUB_BASE_REF", "origin/"),
    ("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""),
    ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "origin/"),
    ("CHANGE_TARGET", "origin/"),  # Jenkins
)
LONGEST_S = 600.0  # for a checkout of the largest repositories


@contextmanager
def checked_out(revision: str, folder: str) -> Iterator[str]:
    """The folder in a worktree of the revision that `folder` is in this one; the worktree goes afterwards.

    Raises UserError outside a repository, for a revision that is none, and for a folder that it lacks.
    """
    top = git(folder, "rev-parse", "--show-toplevel")
    commit = commit_of(revision, folder)
    inner = os.path.relpath(os.path.realpath(folder), os.path.realpath(top))
    with tempfile.TemporaryDirectory(prefix="energywrap-base-", ignore_cleanup_errors=True) as kept:
        tree = os.path.join(kept, "base")
        git(top, "worktree", "add", "--quiet", "--detach", tree, commit)
        try:
            there = os.path.normpath(os.path.join(tree, inner))
            if not os.path.isdir(there):
                raise UserError(f"{revision} has no folder {inner}", "run it in a folder that both have")
            yield there
        finally:
            git(top, "worktree", "remove", "--force", tree)


def base_of(environ: Mapping[str, str]) -> str:
    """What a pull request is for, where the CI system tells it; else "main"."""
    return next((f"{before}{environ[name]}" for name, before in TOLD if environ.get(name)), MAIN)


def unchanged(revision: str, folder: str) -> bool:
    """Whether the working tree is just that revision. Raises UserError."""
    same = commit_of(revision, folder) == commit_of("HEAD", folder)
    return same and not git(folder, "status", "--porcelain")


def commit_of(revision: str, folder: str) -> str:
    """The commit that a name stands for. Raises UserError."""
    try:
        return git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except UserError as err:
        raise UserError(
            f"{revision!r} is no revision of the repository here",
            "a branch, tag or commit that is fetched (in CI: a checkout with its history, fetch-depth: 0)",
        ) from err


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
