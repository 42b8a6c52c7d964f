"""A ledger in one file, for one user: SQLite with a write-ahead log, for any number of runs at once."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager

from energywrap.errors import UserError
from energywrap.ledger import sql

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any


class Sqlite:
    """The file, opened and brought to this version's form. Raises UserError where that cannot be.

    Others are waited for so long: each holds the file for milliseconds.
    """

    def __init__(self, path: str, patience_s: float) -> None:
        self.name = path
        try:
            os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=patience_s, isolation_level=None)
        except (OSError, sqlite3.Error) as err:
            raise _unusable(path, err) from err
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")  # a lost power supply costs the last runs
            self._migrate()
        except BaseException as err:
            self._connection.close()
            if isinstance(err, sqlite3.Error):
                raise _unusable(path, err) from err
            raise

    def _migrate(self) -> None:
        if not sql.outdated(self._version(), self.name):
            return
        with self.transaction():
            for step in range(self._version() + 1, sql.VERSION + 1):  # none where another has been quicker
                for statement in sql.UPGRADES[step]:
                    self._connection.execute(statement.replace("{bytes}", "BLOB"))
            self._connection.execute(f"PRAGMA user_version = {sql.VERSION}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Execute; how many rows it concerned. Raises UserError."""
        with self._told():
            return self._connection.execute(statement, values).rowcount

    def ask(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer. Raises UserError."""
        with self._told():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What SQLite objects to, in a line."""
        try:
            yield
        except (sqlite3.Error, OverflowError) as err:
            cure = "move it away, or use another with --ledger"
            raise UserError(f"the ledger {self.name} cannot be used: {err}", cure) from err

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one writer after the other."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as err:
            raise UserError(f"the ledger {self.name} cannot be written: {err}") from err

    def trouble(self) -> str | None:
        """What SQLite finds wrong with the file; None where all is well."""
        try:
            found = self._connection.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.Error as err:
            return str(err)
        return None if found == "ok" else str(found)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _unusable(path: str, err: Exception) -> UserError:
    why = err.strerror if isinstance(err, OSError) else str(err)
    denied = isinstance(err, PermissionError) or "unable to open" in str(err)
    cure = "make its folder writable" if denied else "move it away"
    return UserError(f"the ledger {path} cannot be opened: {why}", f"{cure}, or use another with --ledger")
