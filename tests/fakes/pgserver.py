"""A PostgreSQL server of a test's own, below a folder, for whoever may start one."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


def binary(name: str) -> str | None:
    """A program of PostgreSQL, on the path or where Debian puts it."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name)


def why_not() -> str | None:
    """Why no server can be started here; None where one can."""
    lacking = [name for name in ("initdb", "postgres", "pg_ctl") if binary(name) is None]
    if lacking:
        return f"PostgreSQL is not installed: no {', '.join(lacking)}"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed"
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv"
    return None


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of a database on a server that lives as long as the context; it listens on a socket only."""
    data, sockets = folder / "data", folder / "s"
    for each in (folder, data, sockets):
        each.mkdir(exist_ok=True)
        if os.getuid() == 0:
            os.chown(each, NOBODY, NOBODY)
    _as_nobody(folder, binary("initdb"), "-D", str(data), "-U", "tester", "-A", "trust", "-N", "-E", "UTF8")
    options = f"-c listen_addresses= -c unix_socket_directories={sockets} -c fsync=off -c max_connections=300"
    _as_nobody(
        folder, binary("pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"
    )
    try:
        yield f"postgresql://tester:secret@/postgres?host={sockets}"
    finally:
        _as_nobody(folder, binary("pg_ctl"), "-D", str(data), "-m", "immediate", "stop")


def _as_nobody(folder: Path, *words: str | None) -> None:
    lower = (
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
    )
    subprocess.run(
        [*lower, *(word for word in words if word is not None)],
        cwd=folder, env={**os.environ, "LC_ALL": "C", "HOME": str(folder)}, check=True, timeout=120,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
