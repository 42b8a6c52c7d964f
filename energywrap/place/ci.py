"""Services that run other people's commands: which of them have machines of their own, and where."""

from __future__ import annotations

from energywrap.errors import printable
from energywrap.place import regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.place.regions import Region

GITHUB, GITHUB_MAC, GITLAB = "github-hosted:*", "github-hosted:macos", "gitlab-saas:*"
UNFIXED = ("github-hosted", "gitlab-saas")  # whose rows say where their machines are most of the time
GITLAB_SHARED = ("saas-linux", "shared-gitlab", "shared-runners-manager")  # in a hosted runner's description
LONGEST = 64  # letters of a description that are shown


def look(environ: Mapping[str, str]) -> tuple[Region | None, list[str]]:
    """The region of a service's own machines, and what was seen; one's own runner is a machine like any."""
    if environ.get("GITHUB_ACTIONS") == "true":
        if environ.get("RUNNER_ENVIRONMENT") != "github-hosted":
            return None, ["CI: GitHub Actions on a runner of one's own"]
        mac = environ.get("RUNNER_OS") == "macOS"
        return regions.find(GITHUB_MAC if mac else GITHUB), ["CI: GitHub Actions on a hosted runner"]
    if environ.get("GITLAB_CI") == "true":
        runner = environ.get("CI_RUNNER_DESCRIPTION", "")
        hosted = environ.get("CI_SERVER_HOST") == "gitlab.com" and any(n in runner for n in GITLAB_SHARED)
        if hosted:
            return regions.find(GITLAB), [
                f"CI: GitLab.com on its hosted runner {printable(runner)[:LONGEST]}"
            ]
        return None, ["CI: GitLab on a runner of one's own"]
    return None, []
