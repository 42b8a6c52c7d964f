"""What git says of the repository here: its folder, its commits, and what this checkout is compared with."""

from __future__ import annotations

import os
import subprocess

from energywrap.errors import UserError
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

MAIN = ("main", "origin/main")
# What CI systems say of the branch that a pull or merge request is for, with what comes before its name.
TOLD = (
    ("GITHUB_BASE_REF", "origin/"),
    ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", ""),  # GitLab's pipelines of merged results: HEAD has all of it
    ("CI_MERGE_REQUEST_DIFF_BASE_SHA", ""),
    ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "origin/"),
    ("CHANGE_TARGET", "origin/"),  # Jenkins
)
# Where a hook's git is at work (git-rev-parse(1)); for the base they would lead into this checkout
LOCAL = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_GRAFT_FILE"),
)
LONGEST_S = 600.0  # for a checkout of the largest repositories


@record
class Base:
    """What this checkout is compared with."""

    name: str  # as it was asked for
    commit: str
    related: bool = True  # this checkout has come from it

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

    Without a common history it is the revision itself. Raises UserError, in a clone without its history too.
    """
    top(folder)
    tip = commit_of(name, folder)
    try:
        return Base(name, git(folder, "merge-base", tip, "HEAD"))
    except UserError as err:
        if git(folder, "rev-parse", "--is-shallow-repository") == "true":
            raise UserError(
                f"this clone is too shallow to tell where it left {name}",
                "fetch the history (in CI: fetch-depth: 0, or GIT_DEPTH: 0)",
            ) from err
        return Base(name, tip, related=False)


def forget_hook(environ: MutableMapping[str, str]) -> None:
    """Take out what tells a hook's git where it is at work."""
    for name in LOCAL:
        environ.pop(name, None)


def unchanged(found: Base, folder: str, but: Sequence[str]) -> bool:
    """Whether the working tree is just that commit, but for some files. Raises UserError."""
    if found.commit != commit_of("HEAD", folder):
        return False
    root = os.path.realpath(top(folder))
    spared = {os.path.relpath(os.path.realpath(os.path.join(folder, path)), root) for path in but}
    changed = git(folder, "status", "--porcelain", "-z", "--untracked-files=all").split("\0")
    return not [line for line in changed if line and line[3:] not in spared]


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
        name = words[2] if words[0] == "-c" else words[0]
        raise UserError(f"git {name}: {words_of[-1] if words_of else f'status {done.returncode}'}")
    return os.fsdecode(done.stdout).removesuffix("\n")
