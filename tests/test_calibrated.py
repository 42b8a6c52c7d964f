"""A machine that was measured once: its watts are what was measured, and the rest follows."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Energywrap
from energywrap import power_model
from energywrap.model import Baseline, Idle
from energywrap.power_model import Described, Power, Watts
from energywrap.power_model.calibrated import TIER, Anchor, Calibration, curve
from energywrap.sources.modelled import calibration, said_of
from fakes import powercap
from fakes.scenario import Scenario, Zone, dump

WORKSTATION = Described(
    threads=16, virtual=False, vendor="amd", arch="zen3", tdp_w=105, sockets=1, cores_per_socket=8,
    threads_per_core=2, memory_gb=32, client=True,
)  # fmt: skip
UNKNOWN = Described(threads=16, virtual=False, memory_gb=32)
fractions = st.floats(0, 1)


def anchors(idle_w: float, *loaded_w: float) -> tuple[Anchor, ...]:
    """Idle, and one, half and all of 16 threads busy, each known to 2 %."""
    at = (0.0, 1 / 16, 0.5, 1.0)
    return tuple(Anchor(u, Watts(w, 0.98 * w, 1.02 * w)) for u, w in zip(at, (idle_w, *loaded_w)))


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    """Some of the parts, each with its own watts, all of the loads or the idle machine alone."""

    def part(most: float) -> tuple[Anchor, ...]:
        if draw(st.booleans()):
            return ()
        watts = sorted(draw(st.lists(st.floats(0.5, most), min_size=4, max_size=4)))
        return anchors(*watts) if draw(st.booleans()) else anchors(watts[0])

    return Calibration(part(300), part(30), part(900))


machines = st.sampled_from([WORKSTATION, UNKNOWN])


@pytest.mark.parametrize(("u", "watts"), [(0.0, 12.0), (1 / 16, 40.0), (0.5, 90.0), (1.0, 118.0)])
def test_what_was_measured_comes_back(u: float, watts: float) -> None:
    model = curve(power_model.curve(WORKSTATION), Calibration(cpu=anchors(12, 40, 90, 118)))

    assert model(u, 1.0, 0.0).cpu.value == pytest.approx(watts)
    assert model(u, 1.0, 0.0).tier == TIER


def test_a_load_that_is_spread_out_follows_the_fitted_curve_between_the_measured_ends() -> None:
    base = power_model.curve(WORKSTATION)
    model = curve(base, Calibration(cpu=anchors(12, 40, 90, 118)))
    fitted = [base(u, 0.0, 0.0).total.value for u in (0.0, 0.5, 1.0)]
    climb = (fitted[1] - fitted[0]) / (fitted[2] - fitted[0])

    assert model(0.5, 0.0, 0.0).cpu.value == pytest.approx(12 + climb * (118 - 12))


def test_a_measured_whole_leaves_the_rest_what_its_parts_do_not_draw() -> None:
    found = Calibration(cpu=anchors(12, 40, 90, 118), ram=anchors(2), machine=anchors(45, 80, 140, 175))
    power = curve(power_model.curve(WORKSTATION), found)(1.0, 1.0, 0.0)

    assert power.total.value == pytest.approx(175)
    assert power.cpu.value == pytest.approx(118)
    assert power.ram.value == pytest.approx(2 + 32 * 0.10)
    assert power.rest.value == pytest.approx(175 - 118 - 2 - 3.2)


def test_an_idle_machine_alone_shifts_the_curve() -> None:
    base = power_model.curve(WORKSTATION)
    model = curve(base, Calibration(machine=anchors(60)))

    assert model(0.0, 0.0, 0.0).total.value == pytest.approx(60)
    added = base(1.0, 0.0, 0.0).total.value - base(0.0, 0.0, 0.0).total.value
    assert model(1.0, 0.0, 0.0).total.value == pytest.approx(60 + added)


def test_a_meter_that_falls_with_load_is_noise_and_no_saving() -> None:
    model = curve(power_model.curve(UNKNOWN), Calibration(cpu=anchors(12, 40, 39, 118)))

    assert model(0.5, 1.0, 0.0).cpu.value == 40


@given(machine=machines, found=calibrations(), u=fractions, packed=fractions, doubt=st.floats(0, 0.3))
def test_the_parts_add_up_and_lie_in_their_intervals(
    machine: Described, found: Calibration, u: float, packed: float, doubt: float
) -> None:
    power = curve(power_model.curve(machine), found)(u, packed, doubt)

    assert power.total.value == pytest.approx(power.cpu.value + power.ram.value + power.rest.value)
    for watts in (power.total, power.cpu, power.ram, power.rest):
        assert 0 <= watts.low <= watts.value * (1 + 1e-9)
        assert watts.value <= watts.high * (1 + 1e-9)


@given(machine=machines, found=calibrations(), packed=fractions, a=fractions, b=fractions)
def test_power_rises_with_load(
    machine: Described, found: Calibration, packed: float, a: float, b: float
) -> None:
    model = curve(power_model.curve(machine), found)
    low, high = (model(u, packed, 0.0).total.value for u in sorted((a, b)))

    assert low <= high * (1 + 1e-9)


@given(machine=machines, found=calibrations(), u=fractions, doubt=st.floats(0, 0.3))
def test_doubt_only_widens(machine: Described, found: Calibration, u: float, doubt: float) -> None:
    model = curve(power_model.curve(machine), found)
    sure, unsure = (model(u, 0.0, d).total for d in (0.0, doubt))

    assert unsure.low <= sure.low * (1 + 1e-9)
    assert sure.high <= unsure.high * (1 + 1e-9)


def widths(power: Power) -> float:
    """How far the bounds of the processor's power are apart, over its value."""
    return (power.cpu.high - power.cpu.low) / power.cpu.value


@pytest.mark.parametrize("u", [0.0, 0.1, 0.5, 1.0])
def test_a_measured_processor_is_surer_than_a_modelled_one(u: float) -> None:
    base = power_model.curve(WORKSTATION)

    assert widths(curve(base, Calibration(cpu=anchors(12, 40, 90, 118)))(u, 1.0, 0.0)) < widths(
        base(u, 1.0, 0.0)
    )


def kept(parts: dict[str, dict[str, Idle]]) -> Baseline:
    """A calibration of a machine with 16 threads."""
    return Baseline(0.0, 1.0, "measured over 30 s", {}, {}, 0.0, parts, {"cpu": "rapl"}, "some CPU", 16)


def test_a_kept_calibration_is_read_by_the_number_of_busy_threads() -> None:
    by_load = {"16": Idle(118, 117, 119), "0": Idle(12, 11, 13), "8": Idle(90, 89, 91)}
    found = calibration(kept({"cpu": by_load}))

    assert found is not None
    assert [anchor.utilisation for anchor in found.cpu] == [0, 0.5, 1]
    assert said_of(kept({"cpu": by_load}), found) == (
        "calibrated: cpu 12 W idle and 118 W with 16 threads busy by rapl, measured over 30 s"
    )


def test_a_part_whose_idle_power_is_not_known_or_nothing_is_left_to_the_model() -> None:
    for parts in ({}, {"cpu": {"16": Idle(118, 117, 119)}}, {"cpu": {"0": Idle(0, 0, 0)}}):
        assert calibration(kept(parts)) is None
    assert said_of(kept({}), None) == "a calibration is kept but not used: measured over 30 s"


@pytest.mark.skipif(powercap.why_not() is not None, reason=str(powercap.why_not()))
def test_a_run_without_counters_on_a_calibrated_machine_uses_and_names_what_was_measured(
    tmp_path: Path,
) -> None:
    scenario = tmp_path / "scenario.json"
    steady = Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 40.0]])}})
    scenario.write_text(dump(steady))
    wrap = Energywrap(tmp_path)
    before = wrap("sleep", "0.5").report
    calibrate = (wrap.program, "calibrate", "--seconds", "1", "--anyway")
    shown = subprocess.run(
        powercap.command(scenario, *calibrate), env=wrap.env, capture_output=True, text=True, check=True
    ).stdout
    ran = wrap("sleep", "0.5")

    assert re.search(r"the power model uses: calibrated: cpu (39\.\d|40(\.\d)?) W idle", shown)
    assert before["model"]["tier"] != TIER
    assert ran.report["model"]["tier"] == TIER
    assert any("calibrated: cpu " in sentence for sentence in ran.report["model"]["evidence"])
    cpu = next(part for part in ran.report["components"] if part["component"] == "cpu")
    assert cpu["basis"] == "modelled"
    assert cpu["energy_j"] == pytest.approx(40.0 * ran.report["duration_s"], rel=0.05)
    assert cpu["source"].endswith(", T0")


@pytest.mark.skipif(powercap.why_not() is not None, reason=str(powercap.why_not()))
def test_a_calibration_of_other_hardware_under_the_same_name_is_said_and_not_used(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(dump(Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 40.0]])}})))
    wrap = Energywrap(tmp_path)
    calibrate = (wrap.program, "calibrate", "--seconds", "1", "--idle-only", "--anyway")
    subprocess.run(
        powercap.command(scenario, *calibrate), env=wrap.env, capture_output=True, text=True, check=True
    )
    (file,) = (tmp_path / "state" / "energywrap" / "baselines").iterdir()
    file.write_text(file.read_text().replace('"threads": ', '"threads": 9'))
    report = wrap("sleep", "0.5", scenario=scenario).report

    assert report["model"]["tier"] != TIER
    assert any("not this machine" in sentence for sentence in report["model"]["evidence"])
    assert "marginal" not in report["scopes"]


@pytest.mark.skipif(powercap.why_not() is not None, reason=str(powercap.why_not()))
@pytest.mark.skipif(os.getuid() != 0, reason="only root measures for everyone")
def test_an_administrators_calibration_serves_every_user(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(dump(Scenario({"intel-rapl": {"0": Zone("package-0", [[0, 40.0]])}})))
    wrap = Energywrap(tmp_path)
    script = (
        "mount -t tmpfs none /var/lib && "
        f"{wrap.program} calibrate --seconds 1 --idle-only --anyway --for-all && "
        "stat -c %a /var/lib/energywrap /var/lib/energywrap/baseline.json && "
        f"XDG_STATE_HOME={tmp_path}/other {wrap.program} calibrate --show"
    )
    done = subprocess.run(
        powercap.command(scenario, "sh", "-c", script),
        env=wrap.env,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "755\n644\n" in done.stdout
    assert done.stdout.count("calibrated: cpu 40") == 2
    assert "kept in /var/lib/energywrap/baseline.json" in done.stderr
