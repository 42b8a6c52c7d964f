"""The region by the provider's own variables, where a second one says that the program runs there."""

from __future__ import annotations

from energywrap.errors import printable
from energywrap.place import regions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.place.regions import Region

# Provider, variables that name the region, and marks of an execution there. A region alone is often a
# client's setting: AWS_REGION stands in many a laptop's profile.
RULES = (
    ("aws", ("AWS_REGION",),
     ("AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4",
      "ECS_CONTAINER_METADATA_URI", "CODEBUILD_BUILD_ID", "AWS_BATCH_JOB_ID", "TRAINING_JOB_NAME")),
    ("gcp", ("FUNCTION_REGION", "GOOGLE_CLOUD_REGION", "CLOUD_RUN_REGION", "CLOUD_ML_REGION"),
     ("K_SERVICE", "CLOUD_RUN_JOB", "FUNCTION_TARGET", "GAE_INSTANCE", "CLOUD_ML_PROJECT_ID")),
    ("azure", ("REGION_NAME",),
     ("WEBSITE_INSTANCE_ID", "CONTAINER_APP_NAME", "AZ_BATCH_NODE_ID", "AZUREML_RUN_ID")),
)  # fmt: skip
CLIENTS = ("AWS_DEFAULT_REGION",)  # which region a client speaks to, wherever it is
LONGEST = 64  # letters of a value that are shown


def look(environ: Mapping[str, str]) -> tuple[Region | None, list[str]]:
    """The region, and what was seen on the way to it."""
    steps: list[str] = []
    for provider, variables, marks in RULES:
        for variable in variables:
            value = environ.get(variable, "").strip()
            if not value:
                continue
            mark = next((name for name in marks if environ.get(name)), None)
            if mark is None:
                steps.append(f"{_said(variable, value)}, with no sign of running there: not believed")
                continue
            region = regions.find(f"{provider}:{_plain(value)}")
            if region is None:
                steps.append(f"{_said(variable, value)} is no region that the table has")
                continue
            return region, [*steps, f"{_said(variable, value)}, and {mark} is set"]
    for variable in CLIENTS:
        if environ.get(variable):
            steps.append(f"{_said(variable, environ[variable])}, a client's setting: not believed")
    return None, steps


def _said(variable: str, value: str) -> str:
    return f"environment: {variable}={printable(value)[:LONGEST]}"


def _plain(value: str) -> str:
    """Azure writes "West Europe" where its regions are called westeurope."""
    return value.lower().replace(" ", "")
