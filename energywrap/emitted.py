"""The CO2e of a run as it is headed everywhere: of all lines of its footprint that count. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.model import RunReport


def emitted(report: RunReport, scope: str = "machine") -> tuple[float | None, float | None, float | None]:
    """g CO2e of a scope with P10 and P90, parts that `--include` counts among them; None: not known.

    A report without a footprint, as those of before had none, gives the operational ones.
    """
    for line in report.footprint:
        if (line.scope, line.name) == (scope, "total"):
            return line.value, line.low, line.high
    found = report.scopes[scope]
    return found.co2e_g, found.co2e_low_g, found.co2e_high_g
