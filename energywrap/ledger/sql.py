"""The ledger's tables and questions in the SQL that SQLite and PostgreSQL share; `?` stands for a value."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.ledger.entry import COLUMNS
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from energywrap.ledger.entry import Entry

VERSION = 3
KINDS = {"started_at_s": "DOUBLE PRECISION", "exit_code": "INTEGER", "complete": "INTEGER"}
TEXTS = ("run_id", "project", "label", "stage", "command", "branch", "commit_id", "host", "basis", "zone",
         "boundary", "grade", "parent")  # fmt: skip
GROUPS = ("project", "stage", "label", "host")
AMOUNTS = ("duration_s", "energy_j", "energy_low_j", "energy_high_j", "command_j", "co2e_g", "command_co2e_g")
# how many runs know their energy, its bounds, the command's part of it: what fewer know is no sum
COUNTS = {"known": "energy_j", "bounded": "energy_low_j", "attributed": "command_j"}
SUMS = ("runs", *COUNTS, *AMOUNTS)
KEYS = {**{name: name for name in GROUPS}, "month": "substr(day, 1, 7)", "day": "day"}


def _column(name: str) -> str:
    kind = KINDS.get(name, "TEXT" if name in TEXTS else "DOUBLE PRECISION")
    return f"{name} {kind}" + (" PRIMARY KEY" if name == "run_id" else "")


LATER = ("parent",)  # columns that the first version had not
SCHEMA = (
    f"CREATE TABLE runs ({', '.join(_column(name) for name in COLUMNS if name not in LATER)})",
    "CREATE INDEX runs_by_time ON runs (started_at_s)",
    "CREATE INDEX runs_by_project ON runs (project, started_at_s)",
    "CREATE INDEX runs_by_label ON runs (label, started_at_s)",
    "CREATE TABLE reports (run_id TEXT PRIMARY KEY, document {bytes})",
    # what a day came to, kept up with every run: sums over millions of runs need no look at the runs. By all
    # keys at once, and by each alone, which is far less to add up
    "CREATE TABLE days (day TEXT, project TEXT, stage TEXT, label TEXT, host TEXT, "
    + ", ".join(f"{name} DOUBLE PRECISION NOT NULL" for name in SUMS)
    + ", PRIMARY KEY (project, stage, label, host, day))",
    "CREATE TABLE sums (kind TEXT, name TEXT, day TEXT, "
    + ", ".join(f"{name} DOUBLE PRECISION NOT NULL" for name in SUMS)
    + ", PRIMARY KEY (kind, name, day))",
)  # fmt: skip
# what brings a ledger from the version before to this one
UPGRADES: dict[int, tuple[str, ...]] = {
    1: SCHEMA,
    2: (
        # the text that is searched stands in the index: only runs that it fits are looked up
        "CREATE INDEX runs_by_command ON runs (started_at_s, command)",
        "DROP INDEX runs_by_time",
        # the verdict of a check, by run: what `--baseline last-green` goes by
        "CREATE TABLE checks (run_id TEXT PRIMARY KEY, word TEXT NOT NULL, at_s DOUBLE PRECISION NOT NULL)",
    ),
    3: (
        # a run inside another one is no part of a sum that has the other one
        f"ALTER TABLE runs ADD COLUMN {_column('parent')}",
        "CREATE INDEX runs_by_parent ON runs (parent)",
    ),
}
MARKS = ", ".join("?" * len(COLUMNS))
ADD_RUN = f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({MARKS}) ON CONFLICT (run_id) DO NOTHING"
ADD_REPORT = "INSERT INTO reports (run_id, document) VALUES (?, ?) ON CONFLICT (run_id) DO NOTHING"
ADD_CHECK = (
    "INSERT INTO checks (run_id, word, at_s) VALUES (?, ?, ?) "
    "ON CONFLICT (run_id) DO UPDATE SET word = excluded.word, at_s = excluded.at_s"
)
GREEN = (
    "SELECT runs.run_id, checks.at_s FROM checks JOIN runs ON runs.run_id = checks.run_id "
    "WHERE checks.word = 'pass' AND runs.command = ? AND COALESCE(runs.label, '') = ? "
    "AND COALESCE(runs.host, '') = ? ORDER BY checks.at_s DESC, runs.run_id LIMIT 1000"
)
ADDED = ", ".join(f"{name} = {{table}}.{name} + excluded.{name}" for name in SUMS)
ADD_DAY = (
    f"INSERT INTO days (day, project, stage, label, host, {', '.join(SUMS)}) "
    f"VALUES ({', '.join('?' * (5 + len(SUMS)))}) "
    f"ON CONFLICT (project, stage, label, host, day) DO UPDATE SET {ADDED.format(table='days')}"
)
ADD_SUM = (
    f"INSERT INTO sums (kind, name, day, {', '.join(SUMS)}) VALUES ({', '.join('?' * (3 + len(SUMS)))}) "
    f"ON CONFLICT (kind, name, day) DO UPDATE SET {ADDED.format(table='sums')}"
)
ALL, DAYS = "all", "days"  # the kind of sums that holds every run; the sums by all keys at once
EVERY = frozenset({ALL, DAYS, *GROUPS})


@record
class Filter:
    """Which runs; None: whatever."""

    project: str | None = None
    label: str | None = None
    stage: str | None = None
    command: str | None = None  # a part of the command line
    branch: str | None = None
    since_s: float | None = None
    until_s: float | None = None
    commit_id: str | None = None


def outdated(version: int, name: str) -> bool:
    """Whether a ledger's tables must be brought to this version's form. Raises UserError for newer ones."""
    if version > VERSION:
        raise UserError(
            f"the ledger {name} is of version {version}; this energywrap knows {VERSION}", "update energywrap"
        )
    return version < VERSION


def where(given: Filter) -> tuple[str, list[object]]:
    """The condition on runs, and its values."""
    parts: list[str] = []
    values: list[object] = []
    for name in ("project", "label", "stage", "branch", "commit_id"):
        value = getattr(given, name)
        if value is not None:
            parts.append(f"{name} = ?")
            values.append(value)
    if given.command is not None:
        parts.append("command LIKE ? ESCAPE '!'")
        values.append(f"%{_plain(given.command)}%")
    for sign, moment in ((">=", given.since_s), ("<", given.until_s)):
        if moment is not None:
            parts.append(f"started_at_s {sign} ?")
            values.append(moment)
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def _within(days: tuple[str | None, str | None]) -> tuple[list[str], list[object]]:
    """Conditions on the day."""
    found = [(sign, day) for sign, day in zip((">=", "<"), days) if day is not None]
    return [f"day {sign} ?" for sign, _ in found], [day for _, day in found]


def history(given: Filter, limit: int | None) -> tuple[str, list[object]]:
    """The newest runs first."""
    condition, values = where(given)
    most = "" if limit is None else " LIMIT ?"
    return (
        f"SELECT {', '.join(COLUMNS)} FROM runs{condition} ORDER BY started_at_s DESC, run_id{most}",
        values + ([] if limit is None else [limit]),
    )


def totals(by: str, given: Filter, days: tuple[str | None, str | None]) -> tuple[str, list[object]]:
    """Sums by a key, the largest energy first; by time in its order.

    Where one key alone is asked for, from the sums by that key; else from those by all of them.
    """
    wanted = {name: getattr(given, name) for name in ("project", "label", "stage")}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    by_time = by in ("month", "day")
    parts, values = _within(days)
    if len(wanted) <= 1 and (by_time or set(wanted) <= {by}):
        kind = next(iter(wanted), ALL if by_time else by)
        table, key = "sums", KEYS[by] if by_time else "name"
        parts, values = (
            ["kind = ?", *(["name = ?"] if wanted else []), *parts],
            [kind, *wanted.values(), *values],
        )
    else:
        table, key = "days", KEYS[by]
        parts, values = [*(f"{name} = ?" for name in wanted), *parts], [*wanted.values(), *values]
    condition = f" WHERE {' AND '.join(parts)}" if parts else ""
    order = "1" if by_time else f"{SUMS.index('energy_j') + 2} DESC, 1"
    sums = ", ".join(f"SUM({name})" for name in SUMS)
    grouped = f"GROUP BY {key} HAVING SUM(runs) > 0 ORDER BY {order}"
    return f"SELECT {key}, {sums} FROM {table}{condition} {grouped}", values


def _plain(text: str) -> str:
    """A text in which no letter is a pattern."""
    for letter in ("!", "%", "_"):
        text = text.replace(letter, f"!{letter}")
    return text


def inside(inner: Entry, outer: Entry) -> frozenset[str]:
    """The sums in which a run that was a part of another one is counted with that one already.

    A sum by a key holds both only where they have the key in common: what is asked for by the inner one's
    own label is not lost in an outer one that has another.
    """
    common = {name for name in GROUPS if (getattr(inner, name) or "") == (getattr(outer, name) or "")}
    return frozenset({ALL, *common, *({DAYS} if len(common) == len(GROUPS) else ())})


def day_rows(
    entry: Sequence[object], day: str, times: float, kinds: frozenset[str]
) -> list[tuple[str, list[object]]]:
    """The statements that add a run to these sums of its day so many times (-1: take it out), with values."""
    row = dict(zip(COLUMNS, entry))
    keys = {name: row[name] or "" for name in GROUPS}
    counts = [float(row[column] is not None) for column in COUNTS.values()]
    once = [1.0, *counts, *(row[name] or 0.0 for name in AMOUNTS)]
    amounts: list[object] = [times * float(value) for value in once]  # type: ignore[arg-type]
    whole = [day, *(keys[name] for name in ("project", "stage", "label", "host")), *amounts]
    found = [(ADD_DAY, whole)] if DAYS in kinds else []
    named = [(kind, name) for kind, name in (*keys.items(), (ALL, "")) if kind in kinds]
    return found + [(ADD_SUM, [kind, name, day, *amounts]) for kind, name in named]
