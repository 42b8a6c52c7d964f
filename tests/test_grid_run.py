"""A run under a live provider: energy by the slot that it was drawn in, failures said, nothing lost."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from conftest import Energywrap, Ran
from energywrap import grid, surroundings
from energywrap.config import resolve
from energywrap.model import Live, Place, Slot, Trace
from fakes.web import Answer, say, service

SPLIT_S = 1.2  # after the start of the server: the edge between two slots falls into the run


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def two_slots(edge_s: float, first: float, second: float) -> Answer:
    """An hour of one intensity, and an hour of another."""
    entries = [
        {"from": iso(start), "to": iso(start + 3600), "intensity": {"forecast": value, "actual": value}}
        for start, value in ((edge_s - 3600, first), (edge_s, second))
    ]
    return lambda request: say(request, json.dumps({"data": entries}).encode())


def run(folder: Path, base: str, *words: str, options: tuple[str, ...] = ("-z", "GB")) -> Ran:
    """A command under the live provider of Great Britain."""
    wrap = Energywrap(folder)
    wrap.env["ENERGYWRAP_GRID_BASE_URL"] = base
    return wrap("--grid", "neso", *options, *words)


def test_energy_is_weighted_by_the_slot_that_it_was_drawn_in_as_by_hand() -> None:
    """60 s at 10 W, 60 s at 30 W and half a slice at 20 W; the intensity changes after 90 s."""
    edge_s = 1_800_000_090.0
    live = Live(
        "neso", "GB", "direct", "CO2", "consumption", "s", "l", 0.0, False,
        (Slot(edge_s - 3600, edge_s, 100.0, "actual"), Slot(edge_s, edge_s + 3600, 500.0, "actual")),
    )  # fmt: skip
    trace = Trace(
        60.0, (0.0, 60.0, 120.0), {"cpu": (8.0, 20.0, 15.0), "ram": (2.0, 10.0, None)}, (5.0, 30.0, None)
    )
    settings = resolve({"zone": "GB"}, {}, "/nonexistent")
    yearly = grid.lookup(settings, Place("GB", "flag"))
    machine, command = (
        surroundings.blend(yearly, live, surroundings.pieces(trace, 1_800_000_000.0, 150.0, watts))
        for watts in (surroundings.machine_watts(trace), trace.command_w)
    )

    before_j, after_j = 60 * 10 + 30 * 30, 30 * 30 + 30 * 15
    assert machine.intensity.g_per_kwh == pytest.approx(
        (before_j * 100 + after_j * 500) / (before_j + after_j)
    )
    before_j, after_j = 60 * 5 + 30 * 30, 30 * 30
    assert command.intensity.g_per_kwh == pytest.approx(
        (before_j * 100 + after_j * 500) / (before_j + after_j)
    )
    assert (machine.part, command.part) == (1.0, 1.0)


def test_energy_outside_of_the_slots_has_the_yearly_value() -> None:
    live = Live(
        "neso",
        "GB",
        "direct",
        "CO2",
        "consumption",
        "s",
        "l",
        0.0,
        False,
        (Slot(0.0, 60.0, 100.0, "actual"),),
    )
    yearly = grid.lookup(resolve({"zone": "GB"}, {}, "/nonexistent"), Place("GB", "flag"))
    found = surroundings.blend(yearly, live, [(0.0, 60.0, 300.0), (60.0, 120.0, 100.0)])

    assert found.part == 0.75
    assert found.intensity.g_per_kwh == pytest.approx(0.75 * 100 + 0.25 * yearly.g_per_kwh)
    assert found.intensity.boundary == "direct, and lifecycle for the rest"
    assert found.intensity.low_g_per_kwh < found.intensity.g_per_kwh < found.intensity.high_g_per_kwh


def test_a_run_across_two_slots_has_a_mean_of_both(tmp_path: Path) -> None:
    edge_s = time.time() + SPLIT_S
    burn = "import time\nend = time.time() + 2.5\nwhile time.time() < end: pass"
    with service(two_slots(edge_s, 100, 500)) as base:
        ran = run(tmp_path, base, "python3", "-c", burn, options=("-z", "GB", "-i", "0.1"))

    carbon, scopes = ran.report["carbon"], ran.report["scopes"]
    assert carbon["live_part"] == pytest.approx(1, abs=1e-6)
    assert [slot["g_per_kwh"] for slot in carbon["live"]["slots"]] == [100, 500]
    assert 110 < carbon["intensity_g_per_kwh"] < 490
    machine_kwh = scopes["machine"]["energy_j"] / 3.6e6
    assert scopes["machine"]["co2e_g"] == pytest.approx(machine_kwh * carbon["intensity_g_per_kwh"], rel=1e-6)


def test_the_labels_are_the_providers(tmp_path: Path) -> None:
    with service(two_slots(time.time() + 600, 123, 500)) as base:
        report = run(tmp_path, base, "true").report

    carbon = report["carbon"]
    assert carbon["intensity_g_per_kwh"] == 123
    assert (carbon["boundary"], carbon["gas"], carbon["quality"]) == ("direct", "CO2", "live")
    assert carbon["source"].startswith("Carbon Intensity API")
    assert carbon["live"]["provider"] == "neso"


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_provider_that_fails_leaves_the_yearly_value_and_says_so(status: int, tmp_path: Path) -> None:
    with service(lambda request: say(request, b"", status)) as base:
        ran = run(tmp_path, base, "sh", "-c", "echo out; exit 3")

    assert (ran.status, ran.stdout) == (3, "out\n")
    assert ran.report["carbon"]["live"] is None
    assert ran.report["carbon"]["intensity_g_per_kwh"] == pytest.approx(217.41)
    assert any(f"HTTP {status}" in w and "yearly value" in w for w in ran.report["warnings"])


def test_a_provider_for_another_country_is_told_before_it_is_asked(tmp_path: Path) -> None:
    asked: list[str] = []
    with service(lambda request: asked.append(request.path)) as base:
        ran = run(tmp_path, base, "true", options=("-z", "FR"))

    assert asked == []
    assert any("it knows Great Britain alone" in warning for warning in ran.report["warnings"])


def test_a_provider_that_never_answers_costs_a_short_command_seconds_at_most(tmp_path: Path) -> None:
    def hang(request: BaseHTTPRequestHandler) -> None:
        time.sleep(30)

    with service(hang) as base:
        began_s = time.monotonic()
        ran = run(tmp_path, base, "true")

    assert ran.status == 0
    assert time.monotonic() - began_s < 15
    assert ran.report["carbon"]["live"] is None


def test_a_zone_that_the_provider_knows_needs_no_other(tmp_path: Path) -> None:
    with service(two_slots(time.time() + 600, 123, 500)) as base:
        wrap = Energywrap(tmp_path)
        wrap.env.update(ENERGYWRAP_GRID_BASE_URL=base, TZ="UTC", LC_ALL="C")
        report = wrap("--grid", "neso:GB", "true").report

    assert report["carbon"]["intensity_g_per_kwh"] == 123
    assert not any("zone is unknown" in warning for warning in report["warnings"])
    assert "zone" not in report["grade"]["reason"]


def test_no_provider_is_asked_unless_it_is_named(tmp_path: Path) -> None:
    asked: list[str] = []
    with service(lambda request: asked.append(request.path)) as base:
        wrap = Energywrap(tmp_path)
        wrap.env["ENERGYWRAP_GRID_BASE_URL"] = base
        wrap("-z", "GB", "true")

    assert asked == []


def test_an_unknown_provider_stops_before_the_command(tmp_path: Path) -> None:
    ran = Energywrap(tmp_path)("--grid", "moon", "touch", str(tmp_path / "started"))

    assert ran.status == 125
    assert "there is no live provider 'moon'" in ran.stderr
    assert not (tmp_path / "started").exists()


def test_a_missing_key_stops_before_the_command_and_says_where_to_put_it(tmp_path: Path) -> None:
    wrap = Energywrap(tmp_path)
    wrap.env.pop("ELECTRICITY_MAPS_KEY", None)
    ran = wrap("--grid", "electricity-maps", "true")

    assert ran.status == 125
    assert "ELECTRICITY_MAPS_KEY" in ran.stderr


def test_a_start_that_waits_for_green_says_so_in_the_report(tmp_path: Path) -> None:
    with service(two_slots(time.time() + 1.5, 500, 100)) as base:
        ran = run(tmp_path, base, "true", options=("-z", "GB", "--wait-for-green", "30m", "--lasting", "10m"))

    assert "waiting until" in ran.stderr
    assert any("later for 100 g/kWh" in warning for warning in ran.report["warnings"])
    assert ran.report["carbon"]["intensity_g_per_kwh"] == 100
