"""The budget of a run that is going on: watched on the sampler's thread, kept to on the main one."""

from __future__ import annotations

import os
import time

from energywrap import balance, budget, facility, grid, plan, procs, report, surroundings, syscalls
from energywrap.console import say
from energywrap.formats.quantities import grams, joules, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from energywrap.budget import Limits, Spent
    from energywrap.config import Settings
    from energywrap.fold import Fold
    from energywrap.measure import Observation
    from energywrap.model import CarbonIntensity, Facility, RunReport, Snapshot
else:
    import _signal

LOOK_S, NAP_S = 0.5, 0.05
KILL = getattr(_signal, "SIGKILL", _signal.SIGTERM)


class Leash:
    """Warns when the machine's use comes near a limit; ends the command's processes beyond it if asked."""

    def __init__(self, given: Limits, settings: Settings) -> None:
        self._limits, self._settings = given, settings
        self._budget = budget.Budget(given, {"max_energy": joules, "max_co2e": grams})
        self._said: list[str] = []
        self._seen: Observation | None = None
        self._factors: tuple[CarbonIntensity, Facility] | None = None
        self._tree: dict[int, str] = {}  # the processes that were told to end, by when they started
        self._deadline_s = float("inf")
        self.ended = False  # whether the command was told to end

    def follow(self, seen: Observation) -> None:
        """What is measured of the run."""
        self._seen = seen

    def note(self, fold: Fold, now: Snapshot) -> None:
        """Look at what is spent. On the sampler's thread: trouble here must not end the readings."""
        if self._seen is None:
            return
        try:
            total = balance.total(plan.choose(self._seen.sources.channels), fold.tallies, now.at_s)
            intensity, site = self._found_factors(self._seen)
            live = self._seen.whereabouts.live()
            if live is not None:  # each slot by what was drawn in it, as in the report
                trace = fold.trace.trace(balance.names(total))
                watts = surroundings.machine_watts(trace)
                drawn = surroundings.pieces(trace, self._seen.whereabouts.started_at_s, now.at_s, watts)
                intensity = surroundings.blend(intensity, live, drawn).intensity
            scope = report.machine_scope(total, intensity, site)
        except Exception as problem:
            self._seen = None
            self._tell([f"the budget is watched no more: {problem!r}"])
            return
        self._look(budget.Spent(scope.energy_j, scope.co2e_g), now.at_s)

    def _found_factors(self, seen: Observation) -> tuple[CarbonIntensity, Facility]:
        """What makes grams of joules, without a live intensity: looked up with the first reading."""
        if self._factors is None:
            place = seen.whereabouts.place()
            self._factors = grid.lookup(self._settings, place), facility.resolve(self._settings, place)
        return self._factors

    def _look(self, spent: Spent, at_s: float) -> None:
        self._tell(self._budget.look(spent, f"after {seconds(at_s)}"))

    def _tell(self, lines: list[str]) -> None:
        self._said += lines
        for line in lines:
            say(line)

    def rest_s(self) -> float:
        """How long the main thread may rest before it looks here again."""
        return LOOK_S if self._limits.term else 3600.0

    def step(self, pid: int) -> None:
        """On the main thread, while the command has not been reaped: TERM, and KILL after the grace."""
        if not self._limits.term or not self._budget.exceeded:
            return
        if not self.ended:
            self._deadline_s = time.monotonic() + self._limits.grace_s
            self._remember(pid)
            self.ended = bool(self._tree)  # else it has just ended by itself
            self._send(_signal.SIGTERM)
        else:
            self._remember(pid)  # what it forks at last
            if time.monotonic() >= self._deadline_s:
                self._send(KILL)

    def finish(self) -> None:
        """The command itself has ended: what else was told to end gets the rest of its grace."""
        while self.ended and self._living() and time.monotonic() < self._deadline_s:
            time.sleep(NAP_S)
        if self.ended:
            self._send(KILL)

    def close(self, made: RunReport) -> tuple[str, ...]:
        """What is to stand in the report: limits that were reached, also by runs too short to be watched."""
        scope = made.scopes["machine"]
        spent = budget.Spent(scope.energy_j, scope.co2e_g)
        self._look(spent, made.duration_s)
        self._tell(self._budget.unknown(spent))
        end = "the command was ended for its budget: TERM" + (
            f", and KILL after {seconds(self._limits.grace_s)}" if made.signal == KILL else ""
        )
        return (*self._said, *((end,) if self.ended else ()))

    def _remember(self, pid: int) -> None:
        for each in procs.tree(pid):
            started = procs.started(each)
            if started is not None:
                self._tree.setdefault(each, started)
        if not syscalls.LINUX:
            self._tree.setdefault(pid, "")

    def _living(self) -> bool:
        return any(started and procs.started(pid) == started for pid, started in self._tree.items())

    def _send(self, number: int) -> None:
        """To every one of them that is still the process it was; and have the stopped ones go on."""
        for pid, started in self._tree.items():
            if started and procs.started(pid) != started:
                continue
            for each in (number, *syscalls.numbers("SIGCONT")):
                try:
                    os.kill(pid, each)
                except (ProcessLookupError, PermissionError):
                    break  # it has just ended, or is another user's
