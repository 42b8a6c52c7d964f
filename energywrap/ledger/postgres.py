"""A team's ledger in PostgreSQL, by its URL. Needs the extra `energywrap[postgres]`."""

from __future__ import annotations

from contextlib import contextmanager

from energywrap import redact
from energywrap.errors import UserError
from energywrap.ledger import sql

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

PATIENCE_S = 3
LOCK = 0x656E6572  # of the database: one writes, the others wait


class Unreachable(UserError):
    """The server does not answer: what is to be kept waits."""


class Postgres:
    """A connection, and the tables in this version's form. Raises UserError, Unreachable."""

    def __init__(self, url: str, patience_s: float) -> None:
        try:
            import psycopg
        except ImportError as err:
            raise UserError(
                "a ledger in PostgreSQL needs psycopg", "pip install 'energywrap[postgres]'"
            ) from err
        self._errors = psycopg.Error
        self.name = redact.address(url)
        try:
            self._connection: Any = psycopg.connect(url, connect_timeout=PATIENCE_S, autocommit=True)
        except psycopg.OperationalError as err:
            words = str(err).strip().splitlines()[0].replace(url, self.name)
            raise Unreachable(f"the ledger {self.name} does not answer: {words}") from err
        except psycopg.Error as err:
            raise UserError(f"{self.name} is no URL of a ledger") from err
        try:
            self.run(f"SET lock_timeout = {int(1000 * patience_s)}")
            self._migrate()
        except BaseException:
            self._connection.close()
            raise

    def _migrate(self) -> None:
        if not sql.outdated(self._version(), self.name):
            return
        with self.transaction():
            self.run("CREATE TABLE IF NOT EXISTS energywrap_version (version INTEGER)")
            rows = self.ask("SELECT version FROM energywrap_version")  # another may have been quicker
            version = int(rows[0][0]) if rows else 0
            if not sql.outdated(version, self.name):
                return
            for step in range(version + 1, sql.VERSION + 1):
                for statement in sql.UPGRADES[step]:
                    self.run(statement.replace("{bytes}", "BYTEA"))
            self.run("DELETE FROM energywrap_version")
            self.run("INSERT INTO energywrap_version VALUES (?)", (sql.VERSION,))

    def _version(self) -> int:
        if self.ask("SELECT to_regclass('energywrap_version')")[0][0] is None:
            return 0
        rows = self.ask("SELECT version FROM energywrap_version")
        return int(rows[0][0]) if rows else 0

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Execute; how many rows it concerned. Raises Unreachable."""
        with self._told():
            return int(self._execute(statement, values).rowcount)

    def ask(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer. Raises Unreachable."""
        with self._told():
            rows: list[tuple[Any, ...]] = self._execute(statement, values).fetchall()
        return rows

    def _execute(self, statement: str, values: Sequence[object]) -> Any:
        spelled = statement.replace("%", "%%").replace("?", "%s") if values else statement
        return self._connection.execute(spelled, tuple(values) or None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one writer after the other, so that no two wait for each other's rows."""
        with self._told(), self._connection.transaction():
            self.run("SELECT pg_advisory_xact_lock(?)", (LOCK,))
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What the server objects to, in a line."""
        try:
            yield
        except self._errors as err:
            words = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
            raise Unreachable(f"the ledger {self.name} cannot be used: {words}") from err

    def trouble(self) -> str | None:
        """PostgreSQL looks after its files itself."""
        return None

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()
