"""Runs a bench: hooks, warm-ups, the idle machine, and every round, each run measured on its own."""

from __future__ import annotations

import subprocess
import time

from energywrap import strays, throttle
from energywrap.benching import plan, series
from energywrap.benching.series import Bench, Idle, Run, Series
from energywrap.heard import heard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from energywrap.benching.plan import Command
    from energywrap.benching.terms import Terms
    from energywrap.model import RunReport


STDERR = 2  # what commands write is shown there: stdout is for the results


class Failed(Exception):
    """A command or a hook failed: the line that says so."""


class Trial:
    """A bench on its way; what it has found so far can be had at any time."""

    def __init__(
        self, commands: tuple[Command, ...], terms: Terms, tell: Callable[[str, int, int], None]
    ) -> None:
        self._commands, self._terms = commands, terms
        self._tell = tell  # what is on, how many measurements are done, of how many
        self._runs: list[list[Run]] = [[] for _ in commands]
        self._times = [1] * len(commands)
        self._idle: list[float | None] = [None, None]
        self._first: dict[int, Run] = {}  # the first runs that told the repetitions, and can stand
        self._done = 0
        self._measured = False  # anything so far
        self._complete = False

    def bench(self) -> Bench:
        """All that was measured so far."""
        made = zip(self._commands, self._times, self._runs)
        return Bench(
            label=self._terms.label,
            rounds=self._terms.rounds,
            least_s=self._terms.least_s,
            series=tuple(Series(command, times, tuple(runs)) for command, times, runs in made),
            idle=Idle(self._terms.idle_s, self._idle[0], self._idle[1]),
            complete=self._complete,
        )

    def run(self) -> None:
        """Measure everything. Raises Failed or UserError; the cleanups run in any case."""
        strays.adopt()
        try:
            for line in dict.fromkeys(command.hooks.setup for command in self._commands):
                self._hook("--setup", line)
            self._rest(0)
            for number in range(len(self._commands)):
                self._warm(number)
            self._rounds()
            self._rest(1)
            self._complete = True
        finally:
            for line in dict.fromkeys(command.hooks.cleanup for command in self._commands):
                self._hook("--cleanup", line, fatal=self._complete)  # else a first failure is on its way

    def _rounds(self) -> None:
        whole = self._terms.rounds * len(self._commands)
        for round_, order in enumerate(plan.order(len(self._commands), self._terms.rounds), 1):
            for number in order:
                found = self._first.pop(number, None)
                if found is None:
                    self._tell(self._commands[number].line, self._done, whole)
                    found = self._one(number, round_, counts=True)
                self._runs[number].append(found)
                self._done += 1
        self._tell("", whole, whole)

    def _warm(self, number: int) -> None:
        """Warm up, and find out how often a short command must be repeated."""
        terms, command = self._terms, self._commands[number]
        self._tell(f"warming up {command.line}", 0, 0)
        warmed, settled = 0, terms.least_s <= 0
        while warmed < terms.warmup or not settled:
            run = self._one(number, 1)
            warmed += 1
            wanted = plan.repetitions(self._times[number], run.duration_s * run.repetitions, terms.least_s)
            # one run alone says little of a thousand: look once more, unless that is enough
            settled = settled or wanted == self._times[number] or self._times[number] > 1
            self._times[number] = wanted
        if warmed and not terms.warmup and self._times[number] == 1 and not terms.keep:
            self._first[number] = run  # nothing was changed by it: a long command is not run once in vain

    def _one(self, number: int, round_: int, *, counts: bool = False) -> Run:
        self._cool_down()
        before = throttle.count(self._terms.sys_root)
        report = self._measure(number, counts=counts)
        after = throttle.count(self._terms.sys_root)
        throttled = max(0, after - before) if before is not None and after is not None else None
        return series.run_of(report, round_, self._times[number], throttled)

    def _measure(self, number: int, *, counts: bool) -> RunReport:
        command, terms = self._commands[number], self._terms
        self._hook("--prepare", command.hooks.prepare)
        words = plan.repeated(command.words, self._times[number], regardless=terms.regardless)
        label = ("--label", terms.label) if terms.label else ()
        # repetitions are no run of the command: in the ledger they would be one that used so much
        kept = terms.keep and counts and self._times[number] == 1
        report, told = self._report(words, (*label, *terms.options), kept=kept)
        if not terms.regardless and (report.exit_code or report.signal):
            how = f"status {report.exit_code}" if report.signal is None else f"signal {report.signal}"
            last = f" ({told})" if told else ""
            raise Failed(f"{command.line!r} failed with {how}{last}; --ignore-failure goes on regardless")
        return report

    def _rest(self, end: int) -> None:
        """Measure the idle machine."""
        if self._terms.idle_s > 0:
            self._cool_down()
            self._tell("the idle machine", 0, 0)
            report, _ = self._report(("sleep", f"{self._terms.idle_s:g}"), self._terms.options, kept=False)
            self._idle[end] = series.power_w(report)

    def _cool_down(self) -> None:
        """A pause between two measurements."""
        if self._measured:
            time.sleep(self._terms.cooldown_s)
        self._measured = True

    def _report(
        self, words: tuple[str, ...], options: tuple[str, ...], *, kept: bool
    ) -> tuple[RunReport, str | None]:
        own = () if kept else ("--no-ledger",)
        return heard(words, ("--ci", "off", *own, *options), shown=self._terms.shown)

    def _hook(self, option: str, line: str | None, *, fatal: bool = True) -> None:
        if line is None:
            return
        stream = STDERR if self._terms.shown else subprocess.DEVNULL
        before = strays.children()
        try:
            status = subprocess.run(
                [*plan.SHELL, line], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False
            ).returncode
        except KeyboardInterrupt:
            strays.end(before)
            raise
        if status and fatal and not self._terms.regardless:
            raise Failed(f"the {option} command {line!r} failed with status {status}")
