"""A run by what the user calls it: an id or its beginning, `last`, `last~2`, or a report's file."""

from __future__ import annotations

import os

from energywrap import ledger, reportfile
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.ledger import entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from energywrap.config import Settings
    from energywrap.ledger.store import Store
    from energywrap.model import RunReport

LAST = "last"


def opened(settings: Settings, environ: Mapping[str, str], *, new: bool = False) -> Store:
    """The ledger with everything taken in that has waited; a new one only if wanted. Raises UserError."""
    if settings.ledger is not None:
        ledger.check(settings.ledger, "the ledger")
        if not new and not ledger.exists(settings, environ):
            raise UserError(f"there is no ledger {settings.ledger}", "`energywrap run --ledger` makes one")
    store = ledger.open_store(settings, environ)
    ledger.take_in(store, settings, environ)
    return store


def report(name: str, settings: Settings, environ: Mapping[str, str]) -> RunReport:
    """The report of a run. Raises UserError for a name that is none."""
    if os.path.exists(name) or os.sep in name or name.endswith(".json"):
        return document.parse(reportfile.read(name), name)
    store = opened(settings, environ)
    try:
        return of_store(name, store)
    finally:
        store.close()


def of_store(name: str, store: Store) -> RunReport:
    """The report of a run in an open ledger."""
    back = _back(name)
    run_id = store.nth_last(back) if back is not None else store.named(_hexadecimal(name))
    data = store.report(run_id)
    if data is None:
        raise UserError(f"the ledger holds the run {run_id} without its report")
    return entry.unpacked(data, run_id)


def _back(name: str) -> int | None:
    """How many runs before the last one: 0 of "last", 2 of "last~2"; None for anything else."""
    word, tilde, number = name.partition("~")
    if word != LAST:
        return None
    if tilde and not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise UserError(f"{name!r} is no run", "write last, or last~2 for the one two before it")
    return int(number) if tilde else 0


def _hexadecimal(name: str) -> str:
    key = name.strip().lower()
    if not key or any(letter not in "0123456789abcdef" for letter in key):
        raise UserError(
            f"{name!r} is no run: neither a file, nor an id",
            "give an id, its beginning, last, last~2, a file, or label=NAME",
        )
    return key
