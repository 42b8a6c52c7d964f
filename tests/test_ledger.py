"""The history of runs: nothing lost, nothing twice, in a file and on a server alike."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from commandline import START, energywrap, environment
from conftest import TIMEOUT_S, Energywrap
from energywrap import ledger
from energywrap.cli import trend
from energywrap.config import Settings, resolve
from energywrap.errors import UserError
from energywrap.formats import document
from energywrap.ledger import codecarbon, entry, named, sql, waiting
from energywrap.ledger.postgres import LOCK
from energywrap.ledger.sql import Filter
from energywrap.ledger.store import Store, Sum, day
from energywrap.model import RunReport
from energywrap.record import replace
from fakes import pgserver

KINDS = ("sqlite", "postgresql")
NOON = 1_780_000_000.0
EVERYTHING = Filter()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A server for all tests."""
    why = pgserver.why_not()
    if why is not None:
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="ew", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        with pgserver.server(Path(folder)) as url:
            yield url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new, empty ledger is: a file, or a database of its own on the server."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    import psycopg

    server = request.getfixturevalue("postgres")
    name = f"t{os.urandom(6).hex()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return str(server.replace("/postgres?", f"/{name}?"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    """The report of a real run."""
    ran = Energywrap(tmp_path_factory.mktemp("ledger"))("-z", "FR", "-p", "vision", "-l", "resnet", "true")
    return document.parse(json.dumps(ran.report), "a run")


def settings(url: str) -> Settings:
    return resolve({"ledger": url}, {}, "/nonexistent")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = ledger.open_store(settings(url), {})
    yield opened
    opened.close()


def run(real: RunReport, number: int, **changes: object) -> RunReport:
    """A run of its own: its id is the number."""
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOON + 60 * number))
    return replace(real, run_id=f"{number:016x}", started_at=started, **changes)


def added(store: Store, *reports: RunReport) -> int:
    return store.add((entry.of_report(report), entry.packed(report)) for report in reports)


def test_a_run_is_kept_whole(store: Store, real: RunReport) -> None:
    assert added(store, real) == 1
    (found,) = store.history(EVERYTHING)

    assert found == entry.of_report(real)
    assert named.of_store(real.run_id, store) == real
    assert (found.project, found.label, found.zone) == ("vision", "resnet", "FR")


def test_a_run_is_taken_once(store: Store, real: RunReport) -> None:
    assert [added(store, real), added(store, real), added(store, real, real)] == [1, 0, 0]

    (total,) = store.totals("project", EVERYTHING)
    assert total.runs == 1


def test_the_newest_come_first_and_every_filter_filters(store: Store, real: RunReport) -> None:
    runs = [run(real, n, project=f"p{n % 2}", label=f"l{n % 3}", command=(f"cmd_{n}%",)) for n in range(6)]
    added(store, *runs)

    def ids(**given: object) -> list[int]:
        return [int(found.run_id, 16) for found in store.history(Filter(**given))]  # type: ignore[arg-type]

    assert ids() == [5, 4, 3, 2, 1, 0]
    assert ids(project="p1") == [5, 3, 1]
    assert ids(project="p1", label="l0") == [3]
    assert ids(command="cmd_4%") == [4]
    assert ids(command="md_") == [5, 4, 3, 2, 1, 0]
    assert ids(command="%%") == []
    assert ids(since_s=NOON + 120, until_s=NOON + 240) == [3, 2]
    assert [int(found.run_id, 16) for found in store.history(EVERYTHING, 2)] == [5, 4]
    assert ids(branch="none") == []


def test_totals_are_the_sums_of_the_runs(store: Store, real: RunReport) -> None:
    added(store, *(run(real, n, project=f"p{n % 2}", label=None) for n in range(5)))
    by_project = {found.key: found for found in store.totals("project", EVERYTHING)}
    energy_j = real.scopes["machine"].energy_j

    assert {key: found.runs for key, found in by_project.items()} == {"p0": 3, "p1": 2}
    assert by_project["p0"].energy_j == pytest.approx(3 * (energy_j or 0))
    (month,) = store.totals("month", EVERYTHING)
    assert (month.key, month.runs) == (day(NOON)[:7], 5)
    (label,) = store.totals("label", EVERYTHING)
    assert label.key == ""
    assert store.totals("day", Filter(since_s=NOON + 10 * 86400)) == []
    (one,) = store.totals("stage", Filter(project="p1"))
    assert one.runs == 2


MIDNIGHT = NOON // 86400 * 86400
FILTERS: tuple[dict[str, object], ...] = (
    {}, {"project": "p1"}, {"label": "l1"}, {"stage": "s0"}, {"project": "p0", "label": "l0"},
    {"since_s": MIDNIGHT + 86400}, {"project": "p1", "until_s": MIDNIGHT + 2 * 86400},
)  # fmt: skip


@pytest.mark.parametrize("given", FILTERS, ids=str)
@pytest.mark.parametrize("by", ["project", "stage", "label", "host", "month", "day"])
def test_a_total_is_what_one_would_add_up_oneself(
    by: str, given: dict[str, object], store: Store, real: RunReport
) -> None:
    runs = []
    for n in range(12):
        changed: dict[str, dict[str, str | float | bool | None]] = {
            **real.settings,
            "stage": {"value": f"s{n % 2}", "origin": "flag"},
        }
        runs.append(run(real, 6 * 60 * n, project=f"p{n % 3}", label=f"l{n % 4}", settings=changed))
    added(store, *runs)
    by_hand: dict[str, int] = {}
    for found in store.history(Filter(**given)):  # type: ignore[arg-type]
        when = day(found.started_at_s)
        key = {"month": when[:7], "day": when}.get(by) or getattr(found, by) or ""
        by_hand[key] = by_hand.get(key, 0) + 1

    told = {found.key: found.runs for found in store.totals(by, Filter(**given))}  # type: ignore[arg-type]
    assert told == by_hand


def test_a_run_answers_to_the_beginning_of_its_id_and_to_its_age(store: Store, real: RunReport) -> None:
    added(store, *(run(real, n) for n in (1, 2, 0xABCDEF)))

    assert store.named(f"{1:016x}") == f"{1:016x}"
    assert store.nth_last(0) == f"{0xABCDEF:016x}"
    assert named.of_store("last~2", store).run_id == f"{1:016x}"
    with pytest.raises(UserError, match="several runs"):
        store.named("00000000")
    with pytest.raises(UserError, match="no run in the ledger"):
        store.named("ff")
    with pytest.raises(UserError, match="holds no 4 runs"):
        named.of_store("last~3", store)


def test_old_runs_can_be_forgotten_and_the_sums_with_them(store: Store, real: RunReport) -> None:
    hours = [0, 10, 30, 50]
    added(store, *(run(real, 60 * hour) for hour in hours))
    edge_s = NOON + 20 * 3600

    assert store.prune(edge_s) == 2
    assert len(store.history(EVERYTHING)) == 2
    assert sum(found.runs for found in store.totals("day", EVERYTHING)) == 2
    assert store.report(run(real, 0).run_id) is None


def home(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}


def test_what_waits_is_taken_in_and_what_is_no_report_is_put_aside(
    url: str, real: RunReport, tmp_path: Path
) -> None:
    environ, named = home(tmp_path), settings(url)
    for n in range(3):
        ledger.put(document.text(run(real, n)), f"{n:016x}", named, environ)
    folder = Path(ledger.inbox(named, environ) or "")
    (folder / "damaged.json").write_text('{"schema_version": 1')
    opened = ledger.open_store(named, environ)

    assert ledger.take_in(opened, named, environ) == 3
    assert ledger.take_in(opened, named, environ) == 0
    assert [path.name for path in folder.iterdir()] == ["damaged.json.unreadable"]
    opened.close()


def test_a_server_that_is_down_costs_no_run_and_gets_it_later(
    url: str, real: RunReport, tmp_path: Path
) -> None:
    environ = home(tmp_path)
    dead = settings("postgresql://nobody@127.0.0.1:9/none")
    said = ledger.keep(document.text(real), real.run_id, 5.0, dead, environ)
    again = ledger.keep(document.text(run(real, 1)), f"{1:016x}", 5.0, dead, environ)

    assert said is not None
    assert "does not answer" in said or "psycopg" in said
    assert again is None  # nobody waits for it again at once
    opened = ledger.open_store(settings(url), environ)
    assert ledger.take_in(opened, settings(url), environ) == 0  # they are for another one
    assert ledger.take_in(opened, dead, environ) == 2
    opened.close()


def test_a_report_that_cannot_be_read_now_is_read_later(url: str, real: RunReport, tmp_path: Path) -> None:
    environ, named = home(tmp_path), settings(url)
    ledger.put(document.text(real), real.run_id, named, environ)
    folder = Path(ledger.inbox(named, environ) or "")
    (folder / "gone.json").symlink_to("nowhere.json")
    (folder / "loop.json").symlink_to("loop.json")
    opened = ledger.open_store(named, environ)

    assert ledger.take_in(opened, named, environ) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["gone.json", "loop.json"]
    opened.close()


def test_every_ledger_has_an_inbox_of_its_own(tmp_path: Path) -> None:
    """Short runs, whose reports the next command takes in: into their ledger, whichever that command has."""
    wrapped = wrap(tmp_path)
    wrapped("--ledger", "team.db", "-l", "theirs", "true")
    wrapped("-l", "mine", "true")
    other = tmp_path / "elsewhere"
    other.mkdir()
    kept = [
        [run["label"] for run in json.loads(ask(wrapped, "history", "--json", *ledger_))]
        for ledger_ in ((), ("--ledger", str(tmp_path / "team.db")), ("--ledger", "team.db"))
    ]

    assert kept == [["mine"], ["theirs"], ["theirs"]]
    wrapped("-l", "mine too", "true")
    named = ("--ledger", str(tmp_path / "state/energywrap/ledger.db"))
    (tmp_path / "link.db").symlink_to("team.db")
    wrapped("--ledger", "link.db", "-l", "theirs too", "true")
    assert len(json.loads(ask(wrapped, "history", "--json", *named))) == 2
    assert len(json.loads(ask(wrapped, "history", "--json", "--ledger", "team.db"))) == 2


def test_whoever_reports_faster_than_we_take_in_is_not_waited_for(tmp_path: Path) -> None:
    def name(number: int) -> Path:
        return tmp_path / f"{number:04}.json"

    for number in range(5):
        name(number).touch()
    found = []
    for bunch in waiting.bunches(str(tmp_path), 2):
        found += bunch
        name(len(found) + 100).touch()

    assert found[:5] == [str(name(number)) for number in range(5)]
    assert len(found) < 20
    assert len(found) == len(set(found))


def test_one_process_at_a_time_is_at_an_inbox(tmp_path: Path) -> None:
    with waiting.alone(str(tmp_path), 0.0) as first, waiting.alone(str(tmp_path), 0.0) as second:
        assert (first, second) == (True, False)
    with waiting.alone(str(tmp_path), 0.0) as again, waiting.alone(str(tmp_path / "none"), 0.0) as none:
        assert (again, none) == (True, True)


def test_a_writer_that_never_ends_holds_no_run(real: RunReport, postgres: str, tmp_path: Path) -> None:
    import psycopg

    environ, named = home(tmp_path), settings(postgres)
    ledger.open_store(named, environ).close()
    with psycopg.connect(postgres) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        said = ledger.keep(document.text(real), real.run_id, 5.0, named, environ)

    assert said is not None
    assert "lock timeout; this run's report waits and is taken in later" in said
    opened = ledger.open_store(named, environ)
    assert ledger.take_in(opened, named, environ) == 1
    opened.close()


def test_what_a_server_refuses_is_a_line(postgres: str, tmp_path: Path) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("CREATE TABLE IF NOT EXISTS energywrap_version (version INTEGER)")
    guest = postgres.replace("tester:secret@", "guest@")
    shown = energywrap("history", "--ledger", guest, cwd=tmp_path)

    assert shown.status == 2
    assert "cannot be used: permission denied for table energywrap_version" in shown.complaint


CHILD = """
import sys
from energywrap import ledger
from energywrap.config import resolve
from energywrap.formats import document
from energywrap.ledger import entry
from energywrap.record import replace
url, path, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
report = document.parse(open(path).read(), path)
store = ledger.open_store(resolve({"ledger": url}, {}, "/nonexistent"), {})
for n in range(first, first + count):
    one = replace(report, run_id=f"{n:016x}")
    store.add([(entry.of_report(one), entry.packed(one))])
    print(n, flush=True)
"""


def child(url: str, path: Path, first: int, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", CHILD, url, str(path), str(first), str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_twenty_writers_at_once_lose_nothing(url: str, real: RunReport, tmp_path: Path) -> None:
    path = tmp_path / "real.json"
    path.write_text(document.text(real))
    each = 10

    def one(index: int) -> int:
        with child(url, path, each * index, each) as process:
            process.communicate(timeout=TIMEOUT_S * 3)
            return process.returncode

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(one, range(20))) == {0}
    opened = ledger.open_store(settings(url), {})
    assert len(opened.history(EVERYTHING)) == 200
    assert sum(found.runs for found in opened.totals("project", EVERYTHING)) == 200
    opened.close()


def test_two_hundred_runs_at_once_are_all_kept(url: str, tmp_path: Path) -> None:
    """Real runs that all end within a moment, each of which takes in what it finds."""
    words = [*START, "run", "-q", "--ledger", url, "--", "sleep", "1"]
    environ = environment(tmp_path, ENERGYWRAP_ZONE="FR")
    runs = [
        subprocess.Popen(words, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
        for _ in range(200)
    ]
    said = [process.communicate(timeout=10 * TIMEOUT_S)[1] for process in runs]

    assert {process.returncode for process in runs} == {0}
    assert set(said) == {""}
    shown = energywrap("history", "--ledger", url, "--all", "--json", cwd=tmp_path)
    assert len({found["run_id"] for found in json.loads(shown.out)}) == 200
    (total,) = json.loads(energywrap("total", "--ledger", url, "--json", cwd=tmp_path).out)
    assert total["runs"] == 200


def test_a_kill_at_any_moment_corrupts_nothing(real: RunReport, tmp_path: Path) -> None:
    url, path = str(tmp_path / "ledger.db"), tmp_path / "real.json"
    path.write_text(document.text(real))
    rng, said = random.Random(7), set()
    for attempt in range(8):
        process = child(url, path, 1000 * attempt, 1000)
        assert process.stdout is not None
        for _ in range(rng.randrange(1, 30)):
            line = process.stdout.readline()
            if line:
                said.add(int(line))
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=TIMEOUT_S)
        said.update(int(line) for line in out.splitlines() if line.isdecimal())

    opened = ledger.open_store(settings(url), {})
    kept = {int(found.run_id, 16) for found in opened.history(EVERYTHING)}
    assert said <= kept
    assert sum(found.runs for found in opened.totals("project", EVERYTHING)) == len(kept)
    opened.close()
    with closing(sqlite3.connect(url)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_ledger_of_an_older_version_is_brought_up_to_date(url: str, real: RunReport) -> None:
    new = sql.VERSION
    sql.VERSION = 1
    row = dict(zip(entry.COLUMNS, entry.of_report(run(real, 1)).values()))
    known = {name: value for name, value in row.items() if name not in sql.LATER} | {"complete": 1}
    marks = ", ".join("?" * len(known))
    try:
        old = ledger.open_store(settings(url), {})
        old._database.run(f"INSERT INTO runs ({', '.join(known)}) VALUES ({marks})", tuple(known.values()))
        old.close()
    finally:
        sql.VERSION = new

    for _ in range(2):
        opened = ledger.open_store(settings(url), {})
        assert [found.run_id for found in opened.history(EVERYTHING)] == [f"{1:016x}"]
        opened.note_check([f"{1:016x}"], "pass", NOON)
        found = opened.history(EVERYTHING)[0]
        assert found.parent is None
        assert opened.last_green(found.command, found.label, found.host, []) == [found.run_id]
        assert opened.last_green(found.command, found.label, found.host, [found.run_id]) == []
        opened.close()


def at(real: RunReport, number: int, start: int, seconds: float, **changes: object) -> RunReport:
    """A run that starts so many seconds after noon."""
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOON + start))
    return replace(real, run_id=f"{number:016x}", started_at=started, duration_s=seconds, **changes)


def came_to(store: Store, by: str = "project", **given: object) -> tuple[int, float]:
    found = store.totals(by, replace(Filter(), **given))
    return sum(each.runs for each in found), round(sum(each.duration_s for each in found), 9)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (2, 3, 1)])
def test_a_run_inside_another_is_in_no_sum_twice(
    order: tuple[int, ...], store: Store, real: RunReport
) -> None:
    """3 is in 2, and 2 in 1: whichever comes first, only 1 is counted; the others once 1 is forgotten."""
    whole = {
        1: at(real, 1, 0, 100.0),
        2: at(real, 2, 10, 80.0, parent_run=f"{1:016x}"),
        3: at(real, 3, 20, 60.0, parent_run=f"{2:016x}"),
    }
    for number in order:
        added(store, whole[number])
    added(store, at(real, 4, 200_000, 1.0))

    assert [came_to(store, by) for by in ("project", "label", "host", "day")] == [(2, 101.0)] * 4
    assert len(store.history(EVERYTHING)) == 4
    assert store.prune(NOON + 5) == 1
    assert came_to(store) == (2, 81.0)
    assert store.prune(NOON + 15) == 1
    assert [came_to(store, by) for by in ("project", "day")] == [(2, 61.0)] * 2


def test_what_is_asked_for_by_the_inner_runs_own_label_is_there(store: Store, real: RunReport) -> None:
    added(store, at(real, 1, 0, 100.0, label="pipeline"))
    added(store, at(real, 2, 10, 80.0, label="train", parent_run=f"{1:016x}"))

    assert came_to(store, label="train") == (1, 80.0)
    assert came_to(store, label="pipeline") == (1, 100.0)
    assert came_to(store, "label") == (2, 180.0)  # each label by itself
    assert came_to(store, "project") == came_to(store, "month") == (1, 100.0)


@pytest.mark.parametrize("start", [-50, 90, 200])
def test_a_run_that_its_parent_has_not_seen_to_its_end_counts_itself(
    start: int, store: Store, real: RunReport
) -> None:
    """What a run has left behind, or sent elsewhere, is not in its energy."""
    added(store, at(real, 2, start, 30.0, parent_run=f"{1:016x}"))
    added(store, at(real, 1, 0, 100.0))

    assert came_to(store) == (2, 130.0)


def test_a_run_on_another_machine_counts_itself(store: Store, real: RunReport) -> None:
    there = replace(real, host=replace(real.host, name_hash="0" * 16))
    added(store, at(real, 1, 0, 100.0), at(there, 2, 10, 30.0, parent_run=f"{1:016x}"))

    assert came_to(store) == (2, 130.0)


def test_a_run_that_grows_takes_its_inner_ones_along(store: Store, real: RunReport) -> None:
    short, inner = at(real, 1, 0, 100.0), at(real, 2, 10, 80.0, parent_run=f"{1:016x}")
    added(store, short, inner)
    longer = entry.of_report(replace(short, duration_s=200.0))
    for _ in range(2):
        store.add([(longer, None)], grown=True)

    assert came_to(store) == (1, 200.0)
    assert len(store.history(EVERYTHING)) == 2


def test_a_run_in_one_without_a_ledger_is_a_part_of_the_one_around(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    inner = (*START, "run", "-q", "-l", "inner", "sleep", "0.1")
    wrapped("-l", "outer", *START, "run", "-q", "--no-ledger", *inner)
    found = {run["label"]: run for run in json.loads(ask(wrapped, "history", "--json"))}
    (total,) = json.loads(ask(wrapped, "total", "--json"))

    assert found["inner"]["parent"] == found["outer"]["run_id"]
    assert total["runs"] == 1


def test_a_run_inside_one_that_is_not_kept_counts_itself(store: Store, real: RunReport) -> None:
    added(store, run(real, 2, parent_run=f"{1:016x}"))

    assert [each.runs for each in store.totals("project", EVERYTHING)] == [1]


def test_a_real_run_in_a_run_is_counted_once(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("-p", "x", *START, "run", "-q", "-p", "x", "sleep", "0.1")
    (total,) = json.loads(ask(wrapped, "total", "--json"))
    outer = json.loads(ask(wrapped, "history", "--json"))[-1]

    assert total["runs"] == 1
    assert len(json.loads(ask(wrapped, "history", "--json"))) == 2
    assert total["energy_j"] == pytest.approx(max(outer["energy_j"], total["energy_j"]))


def test_days_of_a_sum_are_the_days_that_were_named(tmp_path: Path) -> None:
    """Sums are of days in UTC; east of it, a local midnight is in the day before."""
    head, first, second = EMISSIONS.splitlines()
    last_minute = first.replace("2026-11-20T10:00:00", "2026-12-01T00:30:00")  # in Berlin: 23:30 UTC
    (tmp_path / "emissions.csv").write_text("\n".join([head, last_minute, second, ""]))
    berlin = {"TZ": "Europe/Berlin"}
    energywrap("import", "emissions.csv", cwd=tmp_path, changes=berlin)
    days = ("--since", "2026-11-30", "--until", "2026-12-01", "--by", "day", "--json")
    (told,) = json.loads(energywrap("total", *days, cwd=tmp_path, changes=berlin).out)

    assert (told["key"], told["runs"]) == ("2026-11-30", 1)


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(UserError, match="is of version 99"):
        ledger.open_store(settings(str(path)), {})


@pytest.mark.parametrize("content", [b"not a database at all, but a text", b"\0" * 5000])
def test_a_file_that_is_no_ledger_is_refused_and_kept(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)

    with pytest.raises(UserError, match="cannot be opened"):
        ledger.open_store(settings(str(path)), {})
    assert path.read_bytes() == content


def wrap(tmp_path: Path) -> Energywrap:
    return Energywrap(tmp_path)


def ask(wrapped: Energywrap, *words: str) -> str:
    done = subprocess.run(
        [wrapped.program, *words], env=wrapped.env, cwd=wrapped.folder, capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_run_is_recorded_unless_it_is_not_wanted(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    for words in (
        ("--stage", "training", "true"),
        ("--no-ledger", "true"),
        ("-p", "b", "sh", "-c", "exit 3"),
    ):
        wrapped(*words)
    rows = json.loads(ask(wrapped, "history", "--json"))

    assert [row["exit_code"] for row in rows] == [3, 0]
    assert [row["stage"] for row in rows] == [None, "training"]
    assert ask(wrapped, "show", "last~1", "--json").startswith("{")
    assert "true" in ask(wrapped, "show", "last~1")
    assert json.loads(ask(wrapped, "total", "--by", "stage", "--json"))[0]["runs"] == 1
    lines = list(csv.reader(ask(wrapped, "history", "--csv").splitlines()))
    assert lines[0] == list(entry.COLUMNS)
    assert len(lines) == 3


def test_a_longer_run_takes_its_report_in_itself(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("sleep", "1.1")

    assert list((tmp_path / "state/energywrap/inbox").iterdir()) == []
    assert (tmp_path / "state/energywrap/ledger.db").exists()


def test_a_password_of_a_ledger_is_in_no_report(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped.env["ENERGYWRAP_LEDGER"] = "postgresql://me:hunter2@127.0.0.1:9/x"
    ran = wrapped("sleep", "1.1")

    assert "hunter2" not in json.dumps(ran.report) + ran.stderr
    assert ran.report["settings"]["ledger"]["value"] == "postgresql://me:***@127.0.0.1:9/x"
    assert ran.status == 0


EMISSIONS = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_energy,gpu_energy,"
    "ram_energy,energy_consumed,country_name,country_iso_code,region\n"
    "2026-11-20T10:00:00,old,7d2c,e1,120.5,0.0005,4e-06,0.001,0,0.0002,0.0012,France,FRA,\n"
    "2026-11-21T10:00:00,old,8e3d,e1,60,0.0002,3e-06,0.0005,0,0.0001,0.0006,France,FRA,\n"
)


def test_the_emissions_of_codecarbon_are_taken_in_once(tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").write_text(EMISSIONS)
    wrapped = wrap(tmp_path)
    for _ in range(2):
        ask(wrapped, "import", "emissions.csv")
    (total,) = json.loads(ask(wrapped, "total", "--json"))

    assert (total["key"], total["runs"], total["energy_low_j"], total["command_j"]) == ("old", 2, None, None)
    assert total["energy_j"] == pytest.approx(0.0018 * 3.6e6)
    assert total["co2e_g"] == pytest.approx(0.7)


def test_rows_that_grew_are_one_run(tmp_path: Path) -> None:
    """CodeCarbon's flush() writes what a run has come to each time; a later import finds it longer still."""
    head, first, _ = EMISSIONS.splitlines()
    names = head.split(",")
    row = dict(zip(names, first.split(",")))

    def grown(seconds: int, kwh: float) -> str:
        at = f"2026-11-21T10:{seconds // 60:02}:{seconds % 60:02}"
        now = {**row, "timestamp": at, "duration": str(seconds + 0.4), "energy_consumed": str(kwh)}
        return ",".join(now[name] for name in names)

    other = grown(3500, 7.0).replace("2026-11-21T10:58:20,", "2026-11-22T10:58:20,")
    wrapped = wrap(tmp_path)
    for rows in (
        [grown(60, 1.0), grown(120, 2.0)],
        [grown(60, 1.0), grown(180, 3.0), grown(120, 2.0), other],
    ):
        (tmp_path / "emissions.csv").write_text("\n".join([head, *rows, ""]))
        ask(wrapped, "import", "emissions.csv")
    (total,) = json.loads(ask(wrapped, "total", "--json"))

    assert (total["runs"], total["energy_j"]) == (2, pytest.approx(10.0 * 3.6e6))


def test_what_export_writes_import_takes(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    for _ in range(2):
        wrapped("true")
    (tmp_path / "emissions.csv").write_text("\ufeff" + EMISSIONS)
    ask(wrapped, "import", "emissions.csv")
    berlin = {"TZ": "Europe/Berlin", "XDG_STATE_HOME": str(tmp_path / "state")}
    said = energywrap("export", "-o", "all.json", cwd=tmp_path, changes=berlin)
    energywrap("export", "--format", "codecarbon", "-o", "all.csv", cwd=tmp_path, changes=berlin)
    runs = json.loads(energywrap("history", "--json", cwd=tmp_path, changes=berlin).out)
    for name, count in (("all.json", 2), ("all.csv", 4)):
        there = berlin | {"XDG_STATE_HOME": str(tmp_path / name.replace(".", "-"))}
        energywrap("import", name, cwd=tmp_path, changes=there)
        again = json.loads(energywrap("history", "--json", cwd=tmp_path, changes=there).out)
        known = {run["run_id"]: run for run in runs}
        assert len(again) == count
        for run in again:
            assert run["started_at_s"] == pytest.approx(known[run["run_id"]]["started_at_s"], abs=1.5)
            assert run["project"] == known[run["run_id"]]["project"]

    assert "2 runs written; 2 are left out: runs of other tools have no report" in said.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"duration_s": -1.0}, "duration_s = -1.0 is no amount"),
        ({"started_at": "yesterday"}, "yesterday"),
        ({"label": "\ud800"}, "surrogates"),
    ],
)
def test_a_report_that_cannot_be_is_refused_in_a_line(
    change: dict[str, object], words: str, real: RunReport, tmp_path: Path
) -> None:
    (tmp_path / "r.json").write_text(json.dumps(json.loads(document.text(real)) | change))
    shown = energywrap("import", "r.json", cwd=tmp_path)

    assert shown.status == 2
    assert words in shown.complaint


@pytest.mark.parametrize("words", [("history",), ("total",), ("trend",), ("show", "last")])
def test_a_damaged_ledger_is_a_line(words: tuple[str, ...], tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("true")
    ask(wrapped, "history")
    path = tmp_path / "state/energywrap/ledger.db"
    for name in ("ledger.db-wal", "ledger.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    shown = energywrap(*words, cwd=tmp_path, changes={"XDG_STATE_HOME": str(tmp_path / "state")})

    assert shown.status == 2
    assert "ledger.db cannot be used" in shown.complaint


def test_a_label_of_any_letters_breaks_no_row(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("-l", "a\tb\x1b[31mü\nc", "-p", "p\tq", "true")
    for words in (("history",), ("total", "--by", "label"), ("total", "--by", "project")):
        rows = ask(wrapped, *words).splitlines()
        assert len(rows) == 2
        assert rows[0].count("\t") == rows[1].count("\t")
        assert "\x1b" not in rows[1]
    ascii_only = {"PYTHONIOENCODING": "ascii", "XDG_STATE_HOME": str(tmp_path / "state")}
    plain = energywrap("history", "--csv", cwd=tmp_path, changes=ascii_only)
    assert plain.status == 0, plain.err


@pytest.mark.skipif(shutil.which("codecarbon") is None, reason="codecarbon is not installed")
def test_codecarbon_itself_appends_to_an_export(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("-z", "FR", "true")
    ask(wrapped, "export", "--format", "codecarbon", "-o", "emissions.csv")
    before = (tmp_path / "emissions.csv").read_text()
    words = (
        "codecarbon",
        "monitor",
        "--offline",
        "--country-iso-code",
        "FRA",
        "--no-api",
        "--",
        "sleep",
        "2",
    )
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=10 * TIMEOUT_S)
    after = (tmp_path / "emissions.csv").read_text()
    rows = list(csv.DictReader(after.splitlines()))

    assert after.startswith(before)
    assert [path.name for path in tmp_path.glob("emissions*")] == ["emissions.csv"]  # it made no copy aside
    assert [row["country_iso_code"] for row in rows] == ["FRA", "FRA"]
    assert set(rows[1]) == set(codecarbon.COLUMNS)
    ask(wrapped, "import", "emissions.csv")
    assert [run["zone"] for run in json.loads(ask(wrapped, "history", "--json"))] == ["FR", "FR"]


@pytest.mark.parametrize(
    ("country", "written"), [("FR", "FRA"), ("US-CAL-CISO", "USA"), ("GB", "GBR"), ("WORLD", "WORLD")]
)
def test_countries_are_written_as_codecarbon_does(country: str, written: str, real: RunReport) -> None:
    row = codecarbon.row_of(replace(entry.of_report(real), zone=country), real)

    assert row is not None
    assert row["country_iso_code"] == written


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "it has no timestamp"),
        (EMISSIONS.replace("0.0012", "much"), "line 2"),
        (EMISSIONS.replace("2026-11-21T10:00:00", "yesterday"), "line 3"),
        (EMISSIONS.replace("0.0006", "-1"), "line 3"),
        (EMISSIONS.replace("0.0006", "nan"), "line 3"),
    ],
)
def test_a_file_that_is_not_codecarbons_is_refused_whole(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").write_text(text)
    changes = {"XDG_STATE_HOME": str(tmp_path / "state")}
    shown = energywrap("import", "emissions.csv", cwd=tmp_path, changes=changes)

    assert shown.status == 2
    assert words in shown.err
    assert "no run" in energywrap("history", cwd=tmp_path, changes=changes).err


def test_an_export_can_be_taken_in_again_and_has_codecarbons_columns(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("-p", "x", "true")
    ask(wrapped, "export", "--format", "codecarbon", "-o", "out.csv")
    ask(wrapped, "export", "-o", "out.json")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    other = {"XDG_STATE_HOME": str(tmp_path / "other")}

    assert tuple(rows[0]) == codecarbon.COLUMNS
    ask(wrapped, "import", "out.csv")
    assert len(json.loads(ask(wrapped, "history", "--json"))) == 1  # it was there already
    energywrap("import", "out.json", cwd=tmp_path, changes=other)
    (again,) = json.loads(energywrap("history", "--json", cwd=tmp_path, changes=other).out)
    (first,) = json.loads(ask(wrapped, "history", "--json"))
    assert again == first
    assert float(rows[0]["energy_consumed"]) * 3.6e6 == pytest.approx(first["energy_j"])


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("history", "--since", "soon"), "--since 'soon' is no time"),
        (("total", "--by", "mood"), "--by 'mood' is nothing to sum by"),
        (("show", "last"), "the ledger holds no run"),
        (("show", "last~x"), "is no run"),
        (("show", "xyz"), "is no run: neither a file, nor an id"),
        (("show", "abc"), "is the id of no run"),
        (("export", "--format", "xml"), "--format 'xml' is none"),
        (("prune", "--before", "never"), "--before 'never' is no time"),
        (("history", "--ledger", "/proc/nowhere/x.db"), "there is no folder"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_status_2(
    words: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    shown = energywrap(*words, cwd=tmp_path, changes={"XDG_STATE_HOME": str(tmp_path / "state")})

    assert shown.status == 2
    assert complaint in shown.err
    assert shown.err.count("\n") == 1


def test_nothing_is_forgotten_without_a_yes(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("true")
    ask(wrapped, "prune", "--before", "2099-01-01")
    assert len(json.loads(ask(wrapped, "history", "--json"))) == 1
    ask(wrapped, "prune", "--before", "2099-01-01", "--yes")

    assert json.loads(ask(wrapped, "history", "--json")) == []


def test_a_trend_is_a_bar_for_each_day_in_proportion() -> None:
    days = [
        Sum(f"2026-11-0{n}", n, 1.0, joules, None, None, None, None, None)
        for n, joules in ((1, 100.0), (2, 50.0), (3, None), (4, 0.0))
    ]
    lines = trend.plot(days, "energy", 80)

    assert [line.count("#") for line in lines] == [52, 26, 0, 0]
    assert lines[0].startswith("2026-11-01     100 J ###")
    assert lines[0].endswith("# 1 run")
    assert lines[2].split()[1:] == ["-", "?", "3", "runs"]
    assert all(len(line) <= 80 for line in lines)


def test_a_trend_of_the_ledger_is_plotted(tmp_path: Path) -> None:
    wrapped = wrap(tmp_path)
    wrapped("true")

    assert "#" in ask(wrapped, "trend")
    assert ask(wrapped, "trend", "--of", "runs", "--by", "month").split()[1] == "1"
