"""A bench as hyperfine's JSON, for its plots and what else reads that. Pure."""

from __future__ import annotations

import json
from statistics import fmean, median, stdev

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from energywrap.benching.series import Bench, Series


def hyperfine(bench: Bench) -> str:
    """`results` with hyperfine's own keys, its seconds per repetition.

    A report does not part user and system time: `user` is the sum of both, `system` is 0; null where it is
    not known.
    """
    return json.dumps({"results": [_result(each) for each in bench.series if each.runs]}, indent=2) + "\n"


def _result(series: Series) -> dict[str, Any]:
    times = [run.duration_s for run in series.runs]
    used = [run.cpu_s for run in series.runs if run.cpu_s is not None]
    result: dict[str, Any] = {
        "command": series.command.line,
        "mean": fmean(times),
        "stddev": stdev(times) if len(times) > 1 else None,
        "median": median(times),
        "user": fmean(used) if len(used) == len(times) else None,
        "system": 0.0,
        "min": min(times),
        "max": max(times),
        "times": times,
        "exit_codes": [run.exit_code for run in series.runs],
    }
    return result | ({"parameters": series.command.parameters} if series.command.parameters else {})
