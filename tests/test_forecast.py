"""The hours to come: shown as they were told, with the greenest window; nobody is asked unless named."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from commandline import energywrap
from fakes.web import Answer, say, service

HALF = 1800.0


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def half_hours(*values: float) -> Answer:
    """From the running half hour on."""
    start = time.time() // HALF * HALF
    data = [
        {"from": iso(start + i * HALF), "to": iso(start + (i + 1) * HALF), "intensity": {"forecast": value}}
        for i, value in enumerate(values)
    ]
    return lambda request: say(request, json.dumps({"data": data}).encode())


def home(tmp_path: Path, base: str) -> dict[str, str | None]:
    return {"ENERGYWRAP_GRID_BASE_URL": base, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_the_greenest_window_is_named(tmp_path: Path) -> None:
    with service(half_hours(300, 300, 300, 100, 100, 300, 300, 300)) as base:
        shown = energywrap(
            "forecast",
            "--grid",
            "neso",
            "-z",
            "GB",
            "--within",
            "3h",
            cwd=tmp_path,
            changes=home(tmp_path, base),
        )

    rows = [line.split("\t") for line in shown.out.splitlines()]
    assert shown.status == 0
    assert rows[0][:3] == ["from", "g/kWh", "kind"]
    assert [row[1] for row in rows[1:]] == ["300", "300", "300", "100", "100", "300", "300", "300"]
    assert "greenest window of 1h" in shown.err
    assert "100 g/kWh, 67 % less than the 300 g/kWh of starting now" in shown.err
    assert "boundary direct" in shown.err


def test_a_program_can_read_it(tmp_path: Path) -> None:
    with service(half_hours(300, 200, 100, 100)) as base:
        words = ("forecast", "--grid", "neso:13", "--lasting", "30m", "--within", "90m", "--json")
        shown = energywrap(*words, cwd=tmp_path, changes=home(tmp_path, base))

    plain = json.loads(shown.out)
    assert (plain["provider"], plain["zone"]) == ("neso", "13")
    assert [slot["g_per_kwh"] for slot in plain["slots"]] == [300, 200, 100, 100]
    assert plain["greenest"]["g_per_kwh"] == 100
    assert plain["greenest"]["start_s"] == plain["slots"][2]["from_s"]


def test_a_provider_of_the_settings_file_is_named_as_well(tmp_path: Path) -> None:
    (tmp_path / "energywrap.toml").write_text('grid = "neso"\n[place]\nzone = "GB"\n')
    with service(half_hours(300, 200, 100, 100)) as base:
        shown = energywrap("forecast", "--within", "30m", cwd=tmp_path, changes=home(tmp_path, base))

    assert shown.status == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "no live provider is named"),
        (("--grid", "moon"), "there is no live provider 'moon'"),
        (("--grid", "neso", "-z", "FR"), "neso cannot be asked: it knows Great Britain alone"),
        (("--grid", "neso", "-z", "GB", "--within", "long"), "--within: 'long' is no duration"),
        (("--grid", "neso", "-z", "GB", "--lasting", "0h"), "--lasting: '0h' is no duration"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_status_2(
    words: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    shown = energywrap("forecast", *words, cwd=tmp_path, changes=home(tmp_path, "http://127.0.0.1:9"))

    assert shown.status == 2
    assert complaint in shown.err
    assert shown.err.count("\n") == 1


def test_a_failing_provider_is_one_line_and_status_2(tmp_path: Path) -> None:
    with service(lambda request: say(request, b"", 404)) as base:
        shown = energywrap(
            "forecast", "--grid", "neso", "-z", "GB", cwd=tmp_path, changes=home(tmp_path, base)
        )

    assert shown.status == 2
    assert "HTTP 404" in shown.err


def test_a_window_that_nobody_can_tell_of_is_said(tmp_path: Path) -> None:
    with service(half_hours(300)) as base:
        words = ("forecast", "--grid", "neso", "-z", "GB", "--lasting", "12h")
        shown = energywrap(*words, cwd=tmp_path, changes=home(tmp_path, base))

    assert shown.status == 0
    assert "no window of 12h is wholly covered" in shown.err
