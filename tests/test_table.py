"""The table reads well wherever it is shown: golden files that a person has looked at, and laws for all.

UPDATE_GOLDEN=1 writes tests/golden/ anew; look at every changed file before you keep it (colours: less -R).
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from energywrap.formats import footprint_table, quantities, table
from energywrap.formats.table import Look
from energywrap.model import (
    SCHEMA_VERSION,
    Basis,
    Carbon,
    Component,
    ComponentEnergy,
    FootprintLine,
    Git,
    Gpu,
    Grade,
    Host,
    ModelBasis,
    NotMeasured,
    Overhead,
    RunReport,
    Sci,
    Scope,
    Trace,
    Tree,
)
from energywrap.record import replace

GOLDEN = Path(__file__).parent / "golden"
REPORT_PATH = "/home/ada/.local/state/energywrap/reports/20260314T091500Z-0123456789abcdef.json"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")

FRANCE = Carbon(
    zone="FR",
    zone_name="France",
    zone_evidence="time zone Europe/Paris",
    intensity_g_per_kwh=41.45,
    intensity_low_g_per_kwh=37.305,
    intensity_high_g_per_kwh=45.595,
    year=2025,
    boundary="lifecycle",
    gas="CO2e",
    accounting="production",
    quality="reported",
    source="ember-yearly-2026",
    licence="CC-BY-4.0",
    pue=1.0,
    pue_low=1.0,
    pue_high=1.0,
    pue_evidence="site local, default",
)
WORLD = replace(
    FRANCE,
    zone="WORLD",
    zone_name="World average",
    zone_evidence="none",
    intensity_g_per_kwh=458.49,
    intensity_low_g_per_kwh=229.245,
    intensity_high_g_per_kwh=687.735,
    pue=1.15,
    pue_low=1.09,
    pue_high=1.46,
    pue_evidence="site aws, environment ENERGYWRAP_SITE",
)
UNKNOWN = Scope(None, None, None, None, None, None)
NO_REST = NotMeasured(
    "rest of the machine",
    "board, fans, disks and power supply loss have no counter and are not in the total",
    "a wall meter would show them",
)


def line(
    name: str,
    scope: str,
    value: float,
    low: float,
    high: float,
    counts: bool,
    source: str = "a formula",
    unit: str = "gCO2e",
) -> FootprintLine:
    """A line of a footprint."""
    return FootprintLine(name, scope, value, low, high, unit, Basis.ASSUMED, source, counts)


LAPTOP = RunReport(
    schema_version=SCHEMA_VERSION,
    energywrap_version="1.0.0",
    run_id="0123456789abcdef",
    parent_run=None,
    label="resnet",
    project="vision",
    command=("python", "train.py", "--model", "resnet50", "--epochs", "30", "--out", "runs/a b"),
    exit_code=0,
    signal=None,
    started_at="2026-03-14T09:15:00Z",
    ended_at="2026-03-14T10:21:02Z",
    duration_s=3962.481,
    suspended_s=0.0,
    complete=True,
    components=(
        ComponentEnergy(
            Component.CPU, "package-0", 61_204.7, 61_143.5, 61_265.9, Basis.MEASURED, "rapl", 1.0
        ),
        ComponentEnergy(Component.RAM, "dram-0", 9_811.2, 8_830.1, 10_792.3, Basis.MEASURED, "rapl", 1.0),
        ComponentEnergy(
            Component.GPU,
            "0, NVIDIA GeForce RTX 4070 Laptop GPU",
            301_877.0,
            286_783.2,
            351_023.2,
            Basis.MEASURED,
            "nvml",
            0.86,
        ),
    ),
    meter=None,
    sources=(),
    model=None,
    scopes={
        "machine": Scope(372_892.9, 356_756.8, 423_081.4, 4.2934, 3.8018, 5.0561, None, None, None, "all"),
        "command": Scope(
            366_102.1, 351_002.9, 415_990.2, 4.2153, 3.7311, 4.9667, 0.904, 0.903, 0.905, "share"
        ),
    },
    footprint=(
        line("it", "machine", 4.2934, 3.8018, 5.0561, True),
        line("facility", "machine", 0.0, 0.0, 0.0, True),
        line("embodied", "machine", 5.68, 4.71, 11.0, False, "laptop, 181 kg over 4 years (ademe)"),
        line("embodied gpu", "machine", 4.71, 1.88, 10.1, False, "RTX 4070, an average card (teads)"),
        line("network", "machine", 0.112, 0.011, 0.31, False, "0.0458 GB x 0.059 kWh/GB, allocated"),
        line("total", "machine", 4.2934, 3.8018, 5.0561, False, "operational"),
        line("it", "command", 4.2153, 3.7311, 4.9667, True),
        line("total", "command", 4.2153, 3.7311, 4.9667, False, "operational"),
    ),
    sci=None,
    grade=Grade("A", "measured, at a known place, with a fresh intensity", None),
    tree=Tree(14_210.5, "perf", 14_210.4, 8_123_456_789, "exact", 22_400_000_000, 1_310_000_000),
    carbon=FRANCE,
    making=None,
    network_bytes=45_812_345,
    not_measured=(NO_REST,),
    warnings=("nvml 0, NVIDIA GeForce RTX 4070 Laptop GPU: covered 86 % of the run",),
    host=Host("00" * 8, "A CPU", 16, 32_000_000_000, (Gpu("RTX", "GPU-1"),), "A", "L", None, None, "3.12.1"),
    git=Git("0" * 40, "main", True),
    trace=Trace(10.0, (0.0,), {"cpu package-0": (15.4,)}, (12.5,)),
    overhead=Overhead(1.2, 1.2, 18.4, 18.0, 18.8, "modelled"),
    settings={},
)
VM = replace(
    LAPTOP,
    label=None,
    project=None,
    command=("make", "-j2", "test"),
    exit_code=2,
    duration_s=83.1952,
    components=(
        ComponentEnergy(
            Component.CPU, "cpu", 281.4, 118.9, 498.1, Basis.MODELLED, "model: vCPU count only", 1.0
        ),
        ComponentEnergy(Component.RAM, "memory", 233.9, 126.4, 475.5, Basis.MODELLED, "model: W per GB", 1.0),
        ComponentEnergy(
            Component.REST,
            "board, fans, power supply",
            93.1,
            39.3,
            164.8,
            Basis.ASSUMED,
            "model: vCPU count only",
            1.0,
        ),
    ),
    scopes={
        "machine": Scope(608.4, 284.6, 1138.4, 0.08911, 0.03187, 0.17411, None, None, None, "all"),
        "command": Scope(590.1, 270.2, 1138.4, 0.08643, 0.03051, 0.17411, 0.97, 0.95, 1.0, "share"),
    },
    footprint=(
        line("it", "machine", 0.07749, 0.02771, 0.1514, True),
        line("facility", "machine", 0.01162, 0.0035, 0.05, True),
        line("embodied", "machine", 0.031, 0.019, 0.07, True, "0.0156 of server with 2 sockets and 512 GB"),
        line("total", "machine", 0.1201, 0.062, 0.21, False, "operational, embodied"),
        line("water site", "machine", 2.2e-5, 1e-5, 6e-5, False, "0.13 L/kWh at the site", "L"),
        line("cost", "machine", 5.8e-5, 2.7e-5, 1.1e-4, False, "0.3 EUR per kWh x PUE 1.15", "EUR"),
        line("storage", "command", 11.9, 2.39, 30.8, False, "0.01 TB for 30 days (ccf)"),
        line("total", "command", 0.1174, 0.06, 0.21, False, "operational, embodied"),
    ),
    sci=Sci("request", 1000, 1.17e-4, 6e-5, 2.1e-4, 0.08643, 0.031, "the command's share", "given"),
    grade=Grade("D", "the grid zone is not known", "--zone"),
    tree=Tree(151.02, "waiting for children", 151.02, 812_000_000, "at most", None, None),
    carbon=WORLD,
    not_measured=(
        NotMeasured("rapl", "this is a virtual machine and its host passes no energy counter on", None),
        NotMeasured("NVIDIA GPU", "it is on the PCI bus, but no source reads it", "see `energywrap doctor`"),
    ),
    warnings=(
        "the grid zone is unknown (the time zone Etc/UTC tells no country): the world's average is used;"
        " give --zone to be right",
    ),
    git=None,
    model=ModelBasis(
        "T5",
        (
            "the processor's name, 'Intel(R) Xeon(R) Processor', names no product",
            "2 vCPUs of a virtual machine",
        ),
        ("--cpu NAME: the processor of the host", "--arch NAME: the generation of the processor"),
    ),
)
NOTHING = replace(
    VM,
    command=("sleep", "1"),
    exit_code=143,
    signal=15,
    duration_s=0.0123,
    components=(),
    model=None,
    scopes={"machine": UNKNOWN, "command": UNKNOWN},
    footprint=(),
    sci=None,
    grade=Grade("E", "no energy could be measured or modelled", "see `energywrap doctor`"),
    tree=Tree(None, "none", None, None, "exact", None, None),
    carbon=FRANCE,
    not_measured=(
        NotMeasured(
            "rapl", "powercap's counters are readable by root only", "sudo chmod a+r /sys/…/energy_uj"
        ),
        NotMeasured("CPU energy", "no source could be read for it", "see `energywrap doctor`"),
        NotMeasured("memory energy", "no source could be read for it", "see `energywrap doctor`"),
        NO_REST,
    ),
    warnings=("the run was shorter than the meters resolve; repeat the command to compare energies",),
)
ODD = replace(
    VM,
    command=(
        "echo",
        "[bold red]markup[/bold red]",
        "[/x]",
        ":smile:",
        "\x1b[2J\x07\r\n",
        "\\xff\\xfe",
        "naïve 日本語 😀",
        "x" * 90,
    ),
    carbon=replace(
        WORLD, zone="AX", zone_name="Åland Islands", zone_evidence="file /tmp/\x1b[31m[red]/energywrap.toml"
    ),
    warnings=("[/] \x1b]0;title\x07",),
)
PLUG = ComponentEnergy(
    Component.MACHINE, "wall", 412_000.0, 391_400.0, 432_600.0, Basis.MEASURED, "plug shelly2", 0.97
)
METERED = replace(
    LAPTOP,
    components=(
        *LAPTOP.components[:2],
        replace(LAPTOP.components[2], coverage=1.0, shared="processes of others cannot be told apart here"),
        ComponentEnergy(
            Component.REST, "all else", 39_107.1, 0.0, 77_642.3, Basis.MEASURED,
            "plug shelly2 less the parts", 0.97,
        ),
    ),
    meter=PLUG,
    scopes={
        "machine": Scope(412_000.0, 391_400.0, 432_600.0, 4.74, 4.2, 5.3, None, None, None, "all"),
        "command": LAPTOP.scopes["command"],
        "marginal": Scope(
            201_000.0, 180_000.0, 221_000.0, 2.31, 2.0, 2.7, None, None, None,
            "above the idle baseline (measured over 30 s, 3 days ago), its share of that",
        ),
        "reserved_idle": Scope(
            18_000.0, 16_000.0, 20_000.0, 0.21, 0.18, 0.24, None, None, None,
            "25 % of the idle energy of CPU and memory: the CPUs reserved",
        ),
    },
    not_measured=(),
    warnings=(),
)  # fmt: skip
REPORTS = {"laptop": LAPTOP, "metered": METERED, "vm": VM, "nothing": NOTHING, "odd": ODD}
GOLDEN_LOOKS = [
    *(
        (name, f"{name}-{width}.txt", Look(width, False, "utf-8"))
        for name in REPORTS
        for width in (60, 100, 200)
    ),
    *((name, f"{name}-100-colour.txt", Look(100, True, "utf-8")) for name in REPORTS),
    *((name, f"{name}-60-ascii.txt", Look(60, False, "ascii")) for name in REPORTS),
]
LOOKS = [Look(w, c, e) for w in (60, 80, 100, 120, 200) for c in (False, True) for e in ("utf-8", "ascii")]


def shown(name: str, look: Look, path: str | None = REPORT_PATH) -> str:
    return table.render(REPORTS[name], path, look).decode(look.encoding)


@pytest.mark.parametrize(("name", "file", "look"), GOLDEN_LOOKS, ids=[file for _, file, _ in GOLDEN_LOOKS])
def test_a_table_is_as_a_person_has_seen_and_approved_it(name: str, file: str, look: Look) -> None:
    rendered = table.render(REPORTS[name], REPORT_PATH, look)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / file).write_bytes(rendered)

    assert rendered.decode("utf-8") == (GOLDEN / file).read_bytes().decode("utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(file for _, file, _ in GOLDEN_LOOKS)


@pytest.mark.parametrize("look", LOOKS, ids=str)
@pytest.mark.parametrize("name", REPORTS)
def test_no_line_is_longer_than_the_width(name: str, look: Look) -> None:
    for line in ESCAPE.sub("", shown(name, look)).splitlines():
        assert cell_len(line) <= look.width
        assert look.colour or line == line.rstrip()  # what is copied from it ends in no blanks


@pytest.mark.parametrize("width", [table.NARROWEST, 72, 80])
def test_even_a_narrow_table_keeps_its_words_whole(width: int) -> None:
    text = shown("laptop", Look(width, False, "utf-8"))

    assert [
        word for word in ("component", "energy", "basis", "machine", "measured") if word not in text
    ] == []
    assert text.count("\n") < 60


def test_a_colour_ends_with_the_words_that_it_is_for() -> None:
    text = shown("laptop", Look(200, True, "utf-8"))

    assert "\x1b[33mwarning: \x1b[0mnvml" in text
    assert "\x1b[33mnot measured: \x1b[0mrest" in text
    assert "\x1b[32mmeasured\x1b[0m (rapl)" in text
    assert re.search(r"4\.29 g\x1b\[0m +3\.8 g to 5\.06 g", text)


@pytest.mark.parametrize("name", REPORTS)
def test_colours_change_nothing_but_colours(name: str) -> None:
    plain = shown(name, Look(100, False, "utf-8"))
    coloured = shown(name, Look(100, True, "utf-8"))

    assert "\x1b" not in plain
    assert "\x1b" in coloured
    without = [line.rstrip() for line in ESCAPE.sub("", coloured).splitlines()]
    assert without == plain.splitlines()


@pytest.mark.parametrize("name", REPORTS)
def test_an_ascii_locale_gets_ascii(name: str) -> None:
    assert shown(name, Look(80, False, "ascii")).isascii()


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_command_is_text_and_never_markup_nor_control(look: Look) -> None:
    text = ESCAPE.sub("", shown("odd", look))
    flat = "".join(text.split())

    assert "[boldred]markup[/boldred]" in flat
    assert "[/x]" in flat
    assert ":smile:" in flat
    assert "\\x1b[2J\\x07\\r\\n" in flat
    assert not set(text) & set("\x1b\x07\r\x00")


@given(text=st.text(max_size=40))
@settings(deadline=None, database=None, max_examples=40)
def test_no_name_in_a_report_steers_the_terminal(text: str) -> None:
    part = replace(LAPTOP.components[0], device=text, source=text)
    carbon = replace(FRANCE, zone=text, zone_name=text, zone_evidence=text, boundary=text, pue_evidence=text)
    report = replace(
        LAPTOP,
        command=(text,),
        components=(part,),
        carbon=carbon,
        tree=replace(LAPTOP.tree, method=text),
        not_measured=(NotMeasured(text, text, text),),
        warnings=(text,),
    )

    for look in (Look(60, False, "utf-8"), Look(100, False, "ascii")):
        rendered = table.render(report, text, look).decode(look.encoding)
        assert all(character.isprintable() or character == "\n" for character in rendered)
        assert max(map(cell_len, rendered.splitlines())) <= look.width


def test_a_very_long_command_is_cut() -> None:
    rendered = table.render(replace(VM, command=("x" * 100_000,)), None, Look(100, False, "utf-8")).decode()

    assert "..." in rendered
    assert rendered.count("x") < 1000


def test_what_is_missing_is_missing_and_never_zero() -> None:
    text = shown("nothing", Look(100, False, "utf-8"))

    assert not re.search(r"\b0 (J|g|mJ|uJ|kJ)\b", text)
    assert "machine, total" in text
    assert text.count("not measured: ") == 4
    assert "CO2e" not in text


def test_every_part_of_the_report_that_bears_on_trust_is_shown() -> None:
    text = " ".join(shown("laptop", Look(200, False, "utf-8")).split())

    for words in ("measured (rapl)", "86 % seen", "90 % of busy CPU time", "zone from time zone"):
        assert words in text
    for words in (
        "41.5 g/kWh in France (FR, lifecycle, 2025",
        "PUE 1 (",
        "rest of the machine: ",
        "warning: ",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0 J"),
        (1.5e-6, "1.5 uJ"),
        (9.996e-4, "1 mJ"),
        (0.5, "500 mJ"),
        (1.0, "1 J"),
        (12.3456, "12.3 J"),
        (999.4, "999 J"),
        (999.6, "1 kJ"),
        (1234.5, "1.23 kJ"),
        (3.6e6, "3.6 MJ"),
        (5e12, "5000 GJ"),
    ],
)
def test_an_energy_has_three_digits_and_a_unit_that_fits(value: float | None, text: str) -> None:
    assert quantities.joules(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0004, "400 us"),
        (0.25, "250 ms"),
        (1.0, "1 s"),
        (90.0, "90 s"),
        (150.0, "2.5 min"),
        (7199.0, "120 min"),
        (7200.0, "2 h"),
        (200_000.0, "2.31 d"),
    ],
)
def test_a_duration_is_in_the_unit_that_people_use_for_it(value: float, text: str) -> None:
    assert quantities.seconds(value) == text


@given(value=st.floats(1e-6, 1e15))
@settings(deadline=None, database=None)
def test_a_shown_energy_is_the_energy_to_three_digits(value: float) -> None:
    sizes = {"uJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9}
    number, unit = quantities.joules(value).split()

    assert float(number) * sizes[unit] == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize("energy_j", [1e-6, 1.0, 5e3, 1e5, 1e6, 1e8, 1e10, 1e12])
def test_an_energy_is_compared_with_something_one_can_picture(energy_j: float) -> None:
    found = footprint_table.comparisons(energy_j)

    assert found != []
    assert not any("e+" in words or "e-" in words for words in found)


@pytest.fixture
def terminal() -> Iterator[int]:
    """One end of a terminal that is 72 columns wide."""
    other, ours = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 72, 0, 0))
    yield ours
    os.close(ours)
    os.close(other)


@pytest.fixture
def pipe() -> Iterator[int]:
    out, into = os.pipe()
    yield into
    os.close(out)
    os.close(into)


def test_on_a_terminal_the_table_has_its_width_and_colours(terminal: int) -> None:
    assert table.look({"TERM": "xterm", "LANG": "C.UTF-8"}, terminal, False) == Look(72, True, "utf-8")


@pytest.mark.parametrize(
    ("environ", "no_color"),
    [
        ({"TERM": "dumb"}, False),
        ({}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm"}, True),
    ],
    ids=str,
)
def test_colours_are_left_out_where_they_are_not_wanted(
    environ: dict[str, str], no_color: bool, terminal: int
) -> None:
    assert table.look(environ, terminal, no_color).colour is False


def test_an_empty_no_color_does_not_count(terminal: int) -> None:
    assert table.look({"TERM": "xterm", "NO_COLOR": ""}, terminal, False).colour is True


@pytest.mark.parametrize(("columns", "width"), [(0, 100), (10, 60), (60, 60), (120, 120), (500, 120)])
def test_a_terminal_of_any_width_gets_a_readable_table(columns: int, width: int, terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    assert table.look({}, terminal, False).width == width


@pytest.mark.parametrize(
    ("columns", "width"),
    [(None, 100), ("", 100), ("80", 80), ("1", 60), ("9999", 120), ("²", 100), ("-5", 100), ("x", 100)]
    + [("9" * 5000, 100)],
    ids=lambda value: str(value)[:6],
)
def test_a_pipe_gets_the_width_that_columns_asks_for(columns: str | None, width: int, pipe: int) -> None:
    environ = {"TERM": "xterm"} if columns is None else {"TERM": "xterm", "COLUMNS": columns}

    assert table.look(environ, pipe, False) == Look(width, False, "ascii")


@pytest.mark.parametrize(
    ("environ", "encoding"),
    [
        ({}, "ascii"),
        ({"LANG": "C"}, "ascii"),
        ({"LANG": "de_DE.UTF-8"}, "utf-8"),
        ({"LANG": "de_DE.utf8"}, "utf-8"),
        ({"LANG": "de_DE.ISO-8859-1"}, "ascii"),
        ({"LANG": "C.UTF-8", "LC_ALL": "C"}, "ascii"),
        ({"LANG": "C.UTF-8", "LC_ALL": ""}, "utf-8"),
        ({"LANG": "C", "LC_CTYPE": "en_GB.UTF-8"}, "utf-8"),
    ],
    ids=str,
)
def test_the_locale_decides_about_the_characters(environ: dict[str, str], encoding: str, pipe: int) -> None:
    assert table.look(environ, pipe, False).encoding == encoding
