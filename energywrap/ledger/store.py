"""A ledger in a database: what SQLite and PostgreSQL have in common."""

from __future__ import annotations

import time

from energywrap.errors import UserError
from energywrap.ledger import sql
from energywrap.ledger.entry import COLUMNS, Entry
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any, Protocol

    from energywrap.ledger.sql import Filter

    class Database(Protocol):
        """A connection, as both kinds of database have one."""

        name: str

        def run(self, statement: str, values: Sequence[object] = ()) -> int:
            """Execute; how many rows it concerned."""

        def ask(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
            """The rows of an answer."""

        def transaction(self) -> AbstractContextManager[None]:
            """All or nothing of what happens inside."""

        def close(self) -> None:
            """Let go."""


SLACK_S = 1.0  # that the clock may have been put by meanwhile


@record
class Sum:
    """What runs came to: s, J with bounds, J and g of their commands' shares; None where not all know it."""

    key: str
    runs: int
    duration_s: float
    energy_j: float | None
    energy_low_j: float | None
    energy_high_j: float | None
    command_j: float | None
    co2e_g: float | None
    command_co2e_g: float | None


class Store:
    """The questions that a ledger answers, over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.name = database.name

    def add(self, found: Iterable[tuple[Entry, bytes | None]], *, grown: bool = False) -> int:
        """Take in runs, with their reports where there are any; how many were new.

        A run that is there already stays as it is; where runs may have grown since, the longer one stays.
        """
        added = 0
        with self._database.transaction():
            for entry, document in found:
                if grown:
                    self._make_room(entry)
                if self._database.run(sql.ADD_RUN, _plain(entry.values())) == 1:
                    if document is not None:
                        self._database.run(sql.ADD_REPORT, (entry.run_id, document))
                    self._count(entry, 1.0)
                    for inner, kinds in self._inside(entry):
                        self._sum_up(inner, -1.0, kinds)
                    added += 1
        return added

    def _make_room(self, entry: Entry) -> None:
        """Forget a shorter form of a run."""
        for old in self._runs("run_id = ?", (entry.run_id,)):
            if old.duration_s < entry.duration_s:
                for inner, kinds in self._inside(old):
                    self._sum_up(inner, 1.0, kinds)
                self._count(old, -1.0)
                for table in ("runs", "reports", "checks"):
                    self._database.run(f"DELETE FROM {table} WHERE run_id = ?", (old.run_id,))

    def _count(self, entry: Entry, times: float) -> None:
        """Add a run to the sums, but for those that have it with the run that it was a part of."""
        kinds = sql.EVERY
        if entry.parent is not None:
            for outer in self._runs("run_id = ?", (entry.parent,)):
                kinds = kinds - sql.inside(entry, outer) if within(entry, outer) else kinds
        self._sum_up(entry, times, kinds)

    def _inside(self, outer: Entry) -> list[tuple[Entry, frozenset[str]]]:
        """The runs that were parts of this one, and the sums in which it counts for them."""
        inner = (each for each in self._runs("parent = ?", (outer.run_id,)) if within(each, outer))
        return [(each, sql.inside(each, outer)) for each in inner]

    def _runs(self, condition: str, values: Sequence[object]) -> list[Entry]:
        columns = ", ".join(COLUMNS)
        rows = self._database.ask(f"SELECT {columns} FROM runs WHERE {condition}", values)
        return [_entry(row) for row in rows]

    def history(self, given: Filter, limit: int | None = None) -> list[Entry]:
        """The newest runs first."""
        return [_entry(row) for row in self._database.ask(*sql.history(given, limit))]

    def totals(self, by: str, given: Filter) -> list[Sum]:
        """Sums by project, stage, label, host, month or day."""
        days = tuple(None if moment is None else day(moment) for moment in (given.since_s, given.until_s))
        rows = self._database.ask(*sql.totals(by, given, (days[0], days[1])))
        return [_sum(str(row[0] or ""), dict(zip(sql.SUMS, map(float, row[1:])))) for row in rows]

    def report(self, run_id: str) -> bytes | None:
        """The whole report of a run, as it was packed."""
        rows = self._database.ask("SELECT document FROM reports WHERE run_id = ?", (run_id,))
        return bytes(rows[0][0]) if rows else None

    def named(self, prefix: str) -> str:
        """The run whose id begins so. Raises UserError where none does, or several do."""
        rows = self._database.ask(
            "SELECT run_id FROM runs WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT 3",
            (prefix, prefix + "g"),  # ids are hexadecimal
        )
        if len(rows) == 1 or (rows and rows[0][0] == prefix):
            return str(rows[0][0])
        what = f"is the beginning of several runs: {', '.join(str(row[0]) for row in rows)}, ..."
        raise UserError(
            f"{prefix!r} {what if rows else 'is the id of no run in the ledger, and no file'}",
            "`energywrap history` lists them",
        )

    def nth_last(self, back: int) -> str:
        """The run that was last started, or so many before it. Raises UserError where there are fewer."""
        rows = self._database.ask(
            "SELECT run_id FROM runs ORDER BY started_at_s DESC, run_id LIMIT 1 OFFSET ?", (back,)
        )
        if not rows:
            raise UserError(f"the ledger holds no {back + 1} runs" if back else "the ledger holds no run")
        return str(rows[0][0])

    def note_check(self, run_ids: Iterable[str], word: str, at_s: float) -> None:
        """Keep the verdict of a check; of several on one run the newest counts."""
        with self._database.transaction():
            for run_id in run_ids:
                self._database.run(sql.ADD_CHECK, (run_id, word, at_s))

    def last_green(self, command: str, label: str | None, host: str | None, but: Sequence[str]) -> list[str]:
        """The runs of the newest check that passed, of the same command, label and machine, but for some."""
        rows = self._database.ask(sql.GREEN, (command, label or "", host or ""))
        found = [(str(run_id), at_s) for run_id, at_s in rows if run_id not in but]
        return [run_id for run_id, at_s in found if at_s == found[0][1]]

    def checked(self, run_ids: Iterable[str]) -> frozenset[str]:
        """Those of the runs that a check has passed or failed."""
        question = "SELECT run_id FROM checks WHERE run_id = ? AND word IN ('pass', 'fail')"
        return frozenset(each for each in run_ids if self._database.ask(question, (each,)))

    def prune(self, before_s: float) -> int:
        """Forget the runs that were started before; how many there were."""
        edge = day(before_s)
        with self._database.transaction():
            old = "SELECT run_id FROM runs WHERE started_at_s < ?"
            outer = self._runs(
                "started_at_s < ? AND run_id IN (SELECT parent FROM runs WHERE started_at_s >= ?)",
                (before_s, before_s),
            )
            orphans = [pair for each in outer for pair in self._inside(each)]
            for table in ("reports", "checks"):
                self._database.run(f"DELETE FROM {table} WHERE run_id IN ({old})", (before_s,))
            gone = self._database.run("DELETE FROM runs WHERE started_at_s < ?", (before_s,))
            for table in ("days", "sums"):
                self._database.run(f"DELETE FROM {table} WHERE day <= ?", (edge,))
            for entry in self._runs("started_at_s < ?", (before_s + 86400.0,)):
                if day(entry.started_at_s) <= edge:
                    self._count(entry, 1.0)
            for entry, kinds in orphans:  # the run that counted them as well has gone
                if entry.started_at_s >= before_s and day(entry.started_at_s) > edge:
                    self._sum_up(entry, 1.0, kinds)
        return gone

    def _sum_up(self, entry: Entry, times: float, kinds: frozenset[str]) -> None:
        values = _plain(entry.values())
        for statement, amounts in sql.day_rows(values, day(entry.started_at_s), times, kinds):
            self._database.run(statement, amounts)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()


def within(inner: Entry, outer: Entry) -> bool:
    """Whether a run took place on the machine and in the time of another: only then it is counted with it."""
    ends = inner.started_at_s + inner.duration_s, outer.started_at_s + outer.duration_s
    in_time = outer.started_at_s - SLACK_S <= inner.started_at_s and ends[0] <= ends[1] + SLACK_S
    return in_time and inner.host == outer.host


def _sum(key: str, found: dict[str, float]) -> Sum:
    """What all of the runs know is a sum; what only some know is none."""
    runs = found["runs"]

    def of(name: str, count: str) -> float | None:
        return found[name] if found[count] == runs else None

    return Sum(
        key=key,
        runs=int(runs),
        duration_s=found["duration_s"],
        energy_j=of("energy_j", "known"),
        energy_low_j=of("energy_low_j", "bounded"),
        energy_high_j=of("energy_high_j", "bounded"),
        command_j=of("command_j", "attributed"),
        co2e_g=of("co2e_g", "known"),
        command_co2e_g=of("command_co2e_g", "attributed"),
    )


def day(moment_s: float) -> str:
    """The day of a moment, in UTC: the same for everyone who shares a ledger."""
    return time.strftime("%Y-%m-%d", time.gmtime(moment_s))


def _plain(values: Sequence[object]) -> list[object]:
    """As databases take them: no truth values."""
    return [int(value) if isinstance(value, bool) else value for value in values]


def _entry(row: Sequence[Any]) -> Entry:
    known = dict(zip(COLUMNS, row))
    return Entry(**{**known, "complete": bool(known["complete"])})
