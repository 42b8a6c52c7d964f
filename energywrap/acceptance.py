"""What is settled before the command starts: everything that the user can get wrong is refused here."""

from __future__ import annotations

import os
import sys
import time

from energywrap import config, sources
from energywrap.record import record

if sys.platform.startswith("linux"):
    from energywrap import waiting
else:
    from energywrap import portable as waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.budget import Limits
    from energywrap.config import Settings
    from energywrap.extras import Extras
    from energywrap.model import Baseline
    from energywrap.reportfile import Target

EXTRAS = ("include", "per", "stores", "for_days", "price", "water")  # settings that are taken apart
BUDGET = ("max_energy", "max_co2e", "on_exceed")


@record
class Accepted:
    """The settings, checked as far as the user can be wrong, and where the run starts."""

    settings: Settings
    target: Target | None  # what --output names; None for the state directory
    folder: str
    run_id: str
    started_at_s: float
    baseline: Baseline | None  # the idle machine, where it is to be measured just before the command
    extras: Extras | None  # what is asked for beside the usual, taken apart; None: nothing is
    limits: Limits | None  # what the run may use
    waited: str | None  # what waiting for a green hour has come to

    @property
    def heir(self) -> str:
        """The run that one inside this is a part of: the outer one's where no ledger gets this one."""
        outer = os.environ.get("ENERGYWRAP_RUN")
        return outer if outer and self.settings.no_ledger else self.run_id


def accept(given: Mapping[str, str], environ: Mapping[str, str]) -> Accepted:
    """Refuse everything that the user can get wrong, then measure and wait as far as that is wanted.

    Raises UserError. Only what the user has set is looked at: defaults hold by construction.
    """
    folder = config.folder()
    settings = config.resolve(given, environ, folder)
    target, extras, limits = check(settings, folder)
    idle = None
    if settings.baseline is not None:
        from energywrap import baseline

        idle = baseline.measure(settings, settings.baseline, waiting.pause)
    waited = _wait_for_green(settings)
    return Accepted(settings, target, folder, os.urandom(8).hex(), time.time(), idle, extras, limits, waited)


def check(settings: Settings, folder: str) -> tuple[Target | None, Extras | None, Limits | None]:
    """Refuse what cannot be meant, and take apart what must be; nothing is waited for. Raises UserError."""
    target = None
    if settings.zone is not None:
        from energywrap.grid import table

        table.row(settings.zone, settings.origin["zone"])
    if settings.origin["site"] != "default":
        from energywrap import facility

        facility.resolve(settings)
    if settings.output is not None:
        from energywrap import reportfile

        target = reportfile.named(settings.output, settings.origin["output"], folder)
    if settings.source is not None:
        sources.check(settings.source, settings.origin["source"])
    if settings.cpu is not None or settings.arch is not None:
        from energywrap.machine import identify

        identify.check(settings)
    if settings.meter is not None:
        from energywrap.sources import meters

        meters.parse(settings.meter, _where(settings, "meter"))
    if settings.ledger is not None and not settings.no_ledger:
        from energywrap import ledger

        ledger.check(settings.ledger, _where(settings, "ledger"))
    if settings.origin["ci"] != "default":
        from energywrap import publish

        publish.targets(settings.ci, _where(settings, "ci"))
    return target, _asked_for(settings), _limits(settings)


def _where(settings: Settings, name: str) -> str:
    return f"--{name}" if settings.origin[name] == "flag" else settings.origin[name]


def _limits(settings: Settings) -> Limits | None:
    """What the run may use, if that is limited. Raises UserError."""
    if all(settings.origin[name] == "default" for name in BUDGET):
        return None
    from energywrap import budget

    return budget.limits(settings)


def _wait_for_green(settings: Settings) -> str | None:
    """Put the start off until the grid is greenest, if that is wanted; what has come of it, in words."""
    if settings.wait_for_green is None:
        return None
    from energywrap.grid import live
    from energywrap.whereabouts import Whereabouts

    where = Whereabouts(settings, time.time()).place()
    return live.wait_for_green(settings, where, time.time(), waiting.pause)


def _asked_for(settings: Settings) -> Extras | None:
    """Check what concerns the footprint. Raises UserError."""
    if settings.region is not None:
        from energywrap import place

        place.check(settings)
    if settings.grid is not None or settings.wait_for_green is not None:
        from energywrap.grid import live

        live.check(settings)
    if all(settings.origin[name] == "default" for name in EXTRAS):
        return None
    from energywrap import extras

    return extras.resolve(settings)
