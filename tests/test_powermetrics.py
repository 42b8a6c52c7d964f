"""A Mac through powermetrics: the real reader on a scripted command of that name."""

from __future__ import annotations

import os
import plistlib
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import config, energy
from energywrap.config import Settings
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind, Tally
from energywrap.sources import plists
from energywrap.sources.powermetrics import Powermetrics, open_powermetrics
from fakes import powermetrics as fake

pytestmark = pytest.mark.skipif(os.name == "nt", reason="powermetrics is a command of a Unix")

WITHIN_S = 20
CPU, GPU, ANE = "powermetrics:cpu", "powermetrics:gpu", "powermetrics:ane"

# Opens the source on a live command and dies as the kernel kills: nothing is closed, nobody is told.
DIES = """
import os, signal, sys
from energywrap import config
from energywrap.sources.powermetrics import open_powermetrics
source = open_powermetrics(config.resolve({}, {}, "/"), root=True, interval_ms=20)
assert source.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


def settings() -> Settings:
    """Settings that say nothing."""
    return config.resolve({"sudo": "true"}, {}, "/")


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end_s, "it did not come to pass"
        os.sched_yield() if hasattr(os, "sched_yield") else time.sleep(0.001)


def without(told: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A document whose processor lacks some keys, and which has no part for the GPU alone."""
    processor = {key: value for key, value in told["processor"].items() if key not in keys}
    return {"is_delta": True, "elapsed_ns": told["elapsed_ns"], "processor": processor}


class Life:
    """A FIFO that a process holds open for writing, to hear of its end."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def ends(self) -> bool:
        """Whether all who held it are gone within the time that a test has."""
        poller = select.poll()
        poller.register(self.fd, 0)  # hang-up alone
        return bool(poller.poll(WITHIN_S * 1000))

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """Hears of the end of the command."""
    found = Life(tmp_path / "alive")
    yield found
    found.close()


class Gate:
    """Where a step waits, until the test lets it go on."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self.step = {"wait": str(path)}

    def open(self) -> None:
        """Let the command go on."""
        self.path.open("wb").close()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """Holds the command between two steps."""
    return Gate(tmp_path / "gate")


Open: TypeAlias = Callable[..., Powermetrics]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the source as root on scripted steps; it is closed with the test."""
    with ExitStack() as stack:

        def start(*steps: dict[str, Any], **more: str) -> Powermetrics:
            environ = fake.env(tmp_path, steps or None, **more)
            source = open_powermetrics(settings(), environ=environ, root=True, interval_ms=20)
            stack.callback(source.close)
            return source

        yield start


def refused(environ: dict[str, str], **more: Any) -> Unavailable:
    """Why the source cannot be opened."""
    with pytest.raises(Unavailable) as caught:
        open_powermetrics(settings(), environ=environ, **{"root": True, **more})
    return caught.value


def fake_sudo(folder: Path, body: str) -> str:
    """A PATH that begins with a `sudo` of our own, then the fake powermetrics."""
    (folder / "bin").mkdir()
    sudo = folder / "bin/sudo"
    sudo.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >> {folder}/sudo-asked; echo >> {folder}/sudo-asked\n{body}\n'
    )
    sudo.chmod(0o755)
    return f"{folder / 'bin'}:{fake.COMMANDS}:{os.environ['PATH']}"


# ---- what is found ---------------------------------------------------------------------------------


def test_processor_gpu_and_neural_engine_are_counters_of_their_own(opened: Open) -> None:
    source = opened({"document": fake.document(500, 200, 30)})

    assert [(c.component, c.device) for c in source.channels] == [
        (Component.CPU, "cpu"),
        (Component.GPU, "gpu-apple"),
        (Component.GPU, "ane"),
    ]
    assert {c.kind for c in source.channels} == {Kind.COUNTER}
    assert source.read() == {CPU: 0.5, GPU: 0.2, ANE: 0.03}


def test_that_the_values_are_apples_estimates_is_said_wherever_they_are(opened: Open) -> None:
    source = opened({"document": fake.document()})

    assert {c.source for c in source.channels} == {"powermetrics estimate"}
    assert all(c.error >= 0.2 for c in source.channels)
    assert [gpu.facts and gpu.facts["estimated"] for gpu in source.gpus] == [True]


def test_one_child_tells_every_window(opened: Open, gate: Gate, tmp_path: Path) -> None:
    source = opened({"document": fake.document(500)}, gate.step, *[{"document": fake.document(100)}] * 5)
    first = source.read()
    gate.open()
    until(lambda: source.read()[CPU] >= 0.99)

    assert first[CPU] == 0.5
    assert source.read()[CPU] == pytest.approx(1.0)
    assert fake.started(tmp_path) == [
        ["-f", "plist", "-i", "20", "--samplers", "cpu_power,gpu_power"],
    ]


def test_reading_twice_in_one_window_counts_it_once(opened: Open) -> None:
    source = opened({"document": fake.document(500)})

    assert source.read() == source.read()


def test_energy_lost_to_the_pipe_is_none(opened: Open, gate: Gate) -> None:
    many = [{"document": fake.document(1)}] * 200  # several times what a pipe holds, and nobody reads
    source = opened({"document": fake.document(0)}, gate.step, *many, {"document": fake.document(1000)})
    gate.open()
    until(lambda: source.read()[CPU] >= 1.0)

    assert source.read()[CPU] == pytest.approx(1.2)


# ---- documents -------------------------------------------------------------------------------------


def test_energy_is_believed_before_power() -> None:
    told = fake.document(500)
    told["processor"]["cpu_power"] = 1e6

    assert plists.energies(fake.written(told))["cpu"] == 0.5


def test_power_is_summed_over_the_real_length_of_the_window() -> None:
    told = without(fake.document(500, elapsed_s=0.25), "cpu_energy")

    assert plists.energies(fake.written(told))["cpu"] == pytest.approx(0.5)


def test_power_over_an_unknown_time_is_no_reading() -> None:
    told = without(fake.document(), "cpu_energy")
    del told["elapsed_ns"]

    assert "cpu" not in plists.energies(fake.written(told))


def test_the_gpu_is_found_in_its_own_part_as_well() -> None:
    told = fake.document(gpu_mj=200)
    del told["processor"]["gpu_energy"]

    assert plists.energies(fake.written(told))["gpu"] == 0.2


@pytest.mark.parametrize("value", ["500", True, -1, float("nan"), float("inf"), [], {}])
def test_what_is_no_amount_is_no_reading(value: object) -> None:
    told = without(fake.document(), "cpu_power")
    told["processor"]["cpu_energy"] = value

    assert plists.energies(fake.written(told)).keys() == {"gpu", "ane"}


def test_sums_since_the_start_of_the_machine_are_no_window() -> None:
    assert plists.energies(fake.written({**fake.document(), "is_delta": False})) == {}


@pytest.mark.parametrize(
    "told", [[], {}, {"processor": 5}, {"processor": {}}, {"processor": [{"cpu_energy": 1}]}]
)
def test_a_document_of_another_shape_is_no_reading(told: Any) -> None:
    assert plists.energies(plistlib.dumps(told)) == {}


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything(garbage: bytes) -> None:
    documents, _ = plists.split(garbage + b"</plist>" + garbage)
    for document in documents:
        assert document is None or plists.energies(document) == {}


@given(st.data())
def test_a_document_with_any_damage_raises_nothing(data: st.DataObject) -> None:
    text = bytearray(fake.written(fake.document()))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=4))
    found = plists.energies(bytes(text))

    assert all(joules >= 0 for joules in found.values())


@pytest.mark.parametrize("leading", [False, True])
@pytest.mark.parametrize("between", [b"\0", b"\n\0", b"\0\n", b"\n", b""])
@given(cuts=st.lists(st.integers(0, 5000), max_size=6))
def test_the_stream_is_the_same_however_it_arrives(cuts: list[int], between: bytes, leading: bool) -> None:
    windows = [fake.written(fake.document(1000 * (number + 1))) for number in range(3)]
    stream = between * leading + between.join(windows) + between
    counters = plists.Counters()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, end in zip(places, places[1:]):
        counters.feed(stream[start:end])

    assert counters.documents == 3
    assert counters.now()["cpu"] == pytest.approx(6.0)


def test_what_never_ends_is_not_kept() -> None:
    counters = plists.Counters()
    counters.feed(fake.written(fake.document()))
    for _ in range(5):
        counters.feed(b"x" * (plists.LONGEST_BYTES // 4))

    assert counters.now() == {}
    assert counters.documents == 2


# ---- a read that fails -----------------------------------------------------------------------------


def test_a_document_that_is_cut_off_is_no_reading(opened: Open, gate: Gate) -> None:
    source = opened({"document": fake.document()}, gate.step, {"cut": fake.document()})
    assert source.read()
    gate.open()

    until(lambda: source.read() == {})


def test_a_device_that_a_document_lacks_is_absent_alone(opened: Open, gate: Gate) -> None:
    lacks = without(fake.document(500), "gpu_energy", "gpu_power")
    source = opened({"document": fake.document(500)}, gate.step, {"document": lacks})
    gate.open()
    until(lambda: source.read().get(CPU) == 1.0)

    assert source.read() == {CPU: 1.0, ANE: 0.0}


def test_the_step_across_a_lost_window_counts_nothing_and_covers_nothing(opened: Open) -> None:
    channel = opened({"document": fake.document()}).channels[0]
    counters, tally = plists.Counters(), Tally()
    whole = fake.written(fake.document(1000, elapsed_s=1))
    for second, piece in enumerate([whole, whole, whole[:-20] + b"\0", whole, whole]):
        counters.feed(piece)
        tally = energy.add(tally, counters.now().get("cpu"), channel, energy.Moment(float(second)), 60)

    assert tally.joules == pytest.approx(2.0)
    assert tally.covered_s == pytest.approx(2.0)
    assert (tally.missing, tally.resets) == (1, 1)


def test_a_child_that_dies_leaves_no_reading(opened: Open, gate: Gate) -> None:
    source = opened({"document": fake.document()}, gate.step, {"exit": 1})
    assert source.read()
    gate.open()

    until(lambda: source.read() == {})


def test_a_closed_source_leaves_no_reading(opened: Open) -> None:
    source = opened({"document": fake.document()})
    source.close()

    until(lambda: source.read() == {})


# ---- the child's life ------------------------------------------------------------------------------


def test_close_ends_the_child_though_it_says_nothing(opened: Open, life: Life) -> None:
    source = opened({"document": fake.document()}, FAKE_POWERMETRICS_ALIVE=life.path)
    source.close()

    assert life.ends()


def test_close_is_harmless_when_the_child_has_long_been_taken_in(opened: Open, life: Life) -> None:
    source = opened({"document": fake.document()}, {"exit": 0}, FAKE_POWERMETRICS_ALIVE=life.path)
    assert life.ends()
    until(lambda: source.read() == {})
    source.close()
    source.close()


def test_a_child_that_takes_no_signal_from_us_ends_by_its_pipe(tmp_path: Path, life: Life) -> None:
    path = fake_sudo(tmp_path, "trap '' TERM; shift; exec \"$@\"")
    environ = fake.env(tmp_path, PATH=path, FAKE_POWERMETRICS_ALIVE=life.path)
    environ["PATH"] = path
    source = open_powermetrics(settings(), environ=environ, root=False, interval_ms=20)
    source.close()

    assert life.ends()


def test_the_child_ends_when_we_are_killed(tmp_path: Path, life: Life) -> None:
    environ = fake.env(tmp_path, FAKE_POWERMETRICS_ALIVE=life.path)
    done = subprocess.run([sys.executable, "-c", DIES], env=environ, timeout=WITHIN_S, check=False)

    assert done.returncode == -signal.SIGKILL
    assert life.ends()


def program(folder: Path, text: str) -> dict[str, str]:
    """An environment in which powermetrics is this script."""
    file = folder / "powermetrics"
    file.write_text(text)
    file.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_child_blocks_no_signal_though_we_do(tmp_path: Path) -> None:
    asks = f"import signal; open('{tmp_path}/seen', 'w').write(repr(signal.pthread_sigmask(0, [])))"
    environ = program(tmp_path, f"#!{sys.executable}\n{asks}\n")  # a shell would unblock them itself
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        refused(environ)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    assert (tmp_path / "seen").read_text() == "set()"


def test_the_child_dies_of_a_broken_pipe_and_not_of_the_terminals_keys(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    refused(program(tmp_path, f"#!/bin/sh\ncat /proc/self/status /proc/$$/stat > {tmp_path}/seen\n"))
    seen = (tmp_path / "seen").read_text().splitlines()
    ignored = next(int(line.split()[1], 16) for line in seen if line.startswith("SigIgn"))
    pid, _, _, _, group = seen[-1].split()[:5]

    assert not ignored >> signal.SIGPIPE - 1 & 1  # though Python ignores it
    assert group == pid


# ---- who may ---------------------------------------------------------------------------------------


def test_sudo_is_not_asked_unless_the_user_allows_it(tmp_path: Path) -> None:
    environ = {"PATH": fake_sudo(tmp_path, 'shift; exec "$@"')}
    with pytest.raises(Unavailable, match="only root may run") as caught:
        open_powermetrics(config.resolve({}, {}, "/"), environ=environ, root=False)

    assert not (tmp_path / "sudo-asked").exists()
    assert "then give --sudo" in str(caught.value.fix)


def test_a_user_runs_it_through_sudo_which_never_asks(tmp_path: Path) -> None:
    environ = fake.env(tmp_path, [{"document": fake.document(500)}])
    environ["PATH"] = fake_sudo(tmp_path, 'shift; exec "$@"')
    source = open_powermetrics(settings(), environ=environ, root=False, interval_ms=20)
    values = source.read()
    source.close()

    assert values[CPU] == 0.5
    asked = (tmp_path / "sudo-asked").read_text().split()
    assert asked[:2] == ["-n", str(fake.COMMANDS / "powermetrics")]


def test_a_sudo_that_wants_a_password_is_told_how_to_want_none(tmp_path: Path) -> None:
    absence = refused({"PATH": fake_sudo(tmp_path, "exit 1")}, root=False)

    assert "password" in absence.reason
    assert "NOPASSWD" in str(absence.fix)
    assert not absence.expected
    assert len((tmp_path / "sudo-asked").read_text().splitlines()) == 1


def test_off_macos_its_absence_is_expected(tmp_path: Path) -> None:
    assert refused({"PATH": str(tmp_path)}).expected
    assert refused({}).expected


def test_a_user_without_sudo_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "powermetrics").symlink_to(fake.COMMANDS / "powermetrics")

    assert "no sudo" in refused({"PATH": str(tmp_path)}, root=False).reason


def test_a_command_that_fails_at_once_is_told_apart(tmp_path: Path) -> None:
    assert "before it told anything" in refused(fake.env(tmp_path, [{"exit": 64}])).reason


def test_a_chip_without_energy_is_told_apart(tmp_path: Path) -> None:
    intel = {"document": {"is_delta": True, "elapsed_ns": 10**8, "processor": {"packages": []}}}

    assert "Apple" in refused(fake.env(tmp_path, [intel, intel])).reason


def test_a_command_that_says_nothing_is_not_waited_for_and_ended(
    tmp_path: Path, life: Life, gate: Gate
) -> None:
    environ = fake.env(tmp_path, [gate.step], FAKE_POWERMETRICS_ALIVE=life.path)
    absence = refused(environ, patience_s=0.5)

    assert absence.reason == "powermetrics told nothing within 0.5 s"
    assert life.ends()


def test_a_file_that_cannot_be_run_is_told_apart(tmp_path: Path) -> None:
    assert "cannot be started" in refused(program(tmp_path, "\x7fnothing")).reason
