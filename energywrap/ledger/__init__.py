"""The history of runs: every report is kept, by default in a file of the user's, for a team in PostgreSQL.

A run puts its report into an inbox, a file that is there whole or not at all, and the ledger takes it in from
there: at once after longer runs, else with the next command that looks. So a database that is busy or silent
costs no run a moment, nothing is lost, and nothing is counted twice: a run's id is taken once.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from energywrap import redact, reportfile
from energywrap.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energywrap.config import Settings
    from energywrap.ledger.store import Store

FILE, INBOX, ASIDE = "ledger.db", "inbox", ".unreadable"
LONG_S = 1.0  # a run that took as long takes its report in itself
SILENT, ASKED_AGAIN_S = ".silent", 300.0
AT_ONCE, FEW = 200, 5  # reports in one transaction; transactions at the end of a run
OTHERS_S = 5.0  # that a command waits for others that are at it
HURRIED_S, PATIENT_S = 3.0, 30.0  # that a run and a command wait for other writers of the database
URLS = ("postgresql://", "postgres://")


def put(text: str, run_id: str, settings: Settings, environ: Mapping[str, str]) -> None:
    """Leave a report for the ledger. Raises NotWritten, a UserError."""
    folder = inbox(settings, environ)
    if folder is None:
        raise UserError("no home directory is known to keep the ledger in", "set HOME, or give --no-ledger")
    reportfile.write(reportfile.Target(os.path.join(folder, f"{run_id}.json"), None, None), text)


def inbox(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """The folder of the reports that the ledger has not taken in yet: every ledger has one of its own."""
    state = reportfile.state_folder(environ)
    if state is None:
        return None
    named = settings.ledger
    if named is None or _same(named, os.path.join(state, FILE)):
        return os.path.join(state, INBOX)
    import hashlib

    # as it stands in reports and journals, from which a run may be recovered
    whole = redact.address(named) if named.startswith(URLS) else os.path.realpath(named)
    name = hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return os.path.join(state, INBOX, name)


def check(named: str, where: str) -> None:
    """Refuse a ledger that cannot be written: no folder, or not ours. Raises UserError."""
    if named.startswith(URLS):
        return
    if "://" in named:
        raise UserError(f"{where}: {redact.address(named)} is no ledger", "a file, or postgresql://...")
    folder = os.path.dirname(named)
    if not os.path.isdir(folder):
        raise UserError(f"{where}: there is no folder {folder}", "make it first")
    if os.path.isdir(named) or not os.access(named if os.path.exists(named) else folder, os.W_OK):
        raise UserError(f"{where}: {named} cannot be written", "name a file that can")


def exists(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether the ledger is there, or reports wait for it; of a server nobody knows."""
    from energywrap.ledger import waiting

    named = settings.ledger
    if named is None or named.startswith(URLS) or os.path.exists(named):
        return True
    return next(waiting.bunches(inbox(settings, environ) or "", 1), None) is not None


def _same(one: str, other: str) -> bool:
    return not one.startswith(URLS) and os.path.realpath(one) == os.path.realpath(other)


def open_store(settings: Settings, environ: Mapping[str, str], *, hurried: bool = False) -> Store:
    """The ledger that the settings name. Raises UserError; Unreachable for a server that does not answer.

    A run is hurried: it waits for others no longer than it must.
    """
    from energywrap.ledger.store import Store

    named = settings.ledger
    if named is not None and named.startswith(URLS):
        from energywrap.ledger.postgres import Postgres

        return Store(Postgres(named, HURRIED_S if hurried else PATIENT_S))
    from energywrap.ledger.sqlite import Sqlite

    state = reportfile.state_folder(environ)
    if named is None and state is None:
        raise UserError("no home directory is known to keep the ledger in", "set HOME or give --ledger FILE")
    return Store(Sqlite(named or os.path.join(state or "", FILE), HURRIED_S if hurried else PATIENT_S))


def take_in(store: Store, settings: Settings, environ: Mapping[str, str]) -> int:
    """Take in what waits in the inbox; how many runs were new. A report that is none is put aside."""
    folder = inbox(settings, environ)
    if folder is None:
        return 0
    from energywrap.ledger import waiting

    with waiting.alone(folder, OTHERS_S):
        return sum(_add(store, paths) for paths in waiting.bunches(folder, AT_ONCE))


def _add(store: Store, paths: Sequence[str]) -> int:
    """Take in some reports, then let go of their files."""
    from energywrap.formats import document
    from energywrap.ledger import entry

    found: list[tuple[entry.Entry, bytes | None]] = []
    done = []
    for path in paths:
        try:
            text = reportfile.read(path)
        except UserError:
            continue  # another has taken it in meanwhile, or it can be read later
        try:
            report = document.parse(text, path)
            found.append((entry.of_report(report), entry.packed(report)))
            done.append(path)
        except (UserError, ValueError):
            with suppress(FileNotFoundError):
                os.replace(path, path + ASIDE)
    added = store.add(found)
    for path in done:
        with suppress(FileNotFoundError):  # another one has
            os.unlink(path)
    return added


def keep(
    text: str, run_id: str, duration_s: float, settings: Settings, environ: Mapping[str, str]
) -> str | None:
    """Record a run; what to tell the user of it, if anything. Raises UserError where it cannot be kept."""
    put(text, run_id, settings, environ)
    far = settings.ledger is not None and settings.ledger.startswith(URLS)
    if duration_s < LONG_S or (far and _silent_lately(settings, environ)):
        return None
    try:
        _take_in_a_few(settings, environ)
    except UserError as trouble:
        _mark_silent(settings, environ)
        return f"{trouble.line()}; this run's report waits and is taken in later"
    return None


def _take_in_a_few(settings: Settings, environ: Mapping[str, str]) -> None:
    """Take in what waits, unless another is at it: that one finds this run's report as well."""
    from energywrap.ledger import waiting

    folder = inbox(settings, environ) or ""
    with waiting.alone(folder, 0.0) as alone:
        if not alone:
            return
        store = open_store(settings, environ, hurried=True)
        try:
            for _, paths in zip(range(FEW), waiting.bunches(folder, AT_ONCE)):
                _add(store, paths)
        finally:
            store.close()


def _silent_lately(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether the ledger has not answered a moment ago: no run shall wait for that again."""
    mark = os.path.join(inbox(settings, environ) or "", SILENT)
    try:
        return time.time() - os.stat(mark).st_mtime < ASKED_AGAIN_S
    except OSError:
        return False


def _mark_silent(settings: Settings, environ: Mapping[str, str]) -> None:
    try:
        with open(os.path.join(inbox(settings, environ) or "", SILENT), "w", encoding="ascii"):
            pass
    except OSError:
        pass  # the next run waits for it again
