"""Intel's discrete GPUs by their drivers' energy counters, on a written /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from energywrap import balance, config, energy, plan
from energywrap.balance import Total
from energywrap.config import Settings
from energywrap.errors import Unavailable
from energywrap.model import Component, Kind, Tally
from energywrap.sources import intelgpu
from energywrap.sources.hwmon import Meter
from fakes import gpus

INTEGRATED, FIRST, SECOND = "0000:00:02.0", "0000:03:00.0", "0000:08:00.0"
CARD, PACKAGE = f"xe:{FIRST}:card", f"xe:{FIRST}:pkg"


def settings(root: Path) -> Settings:
    """Settings with another place for /sys."""
    return config.resolve({"sysfs_root": str(root)}, {}, "/")


def opened(root: Path, **environ: str) -> Meter:
    """The source on a written tree, in an environment of its own."""
    return intelgpu.open_intel_gpu(settings(root), environ=environ)


def refused(root: Path) -> Unavailable:
    """Why there is no source."""
    with pytest.raises(Unavailable) as caught:
        opened(root)
    return caught.value


def battlemage(
    root: Path, address: str = FIRST, card_uj: int = 9_000_000, pkg_uj: int = 4_000_000
) -> gpus.Card:
    """A card that counts its own energy and that of its package."""
    card = gpus.add(root, address, "xe", device="0xe20b")
    card.sensors("xe", energy1_input=card_uj, energy1_label="card", energy2_input=pkg_uj, energy2_label="pkg")
    return card


def total(meter: Meter, readings: list[dict[str, float]]) -> Total:
    """The energy over readings one second apart."""
    tallies = {channel.id: Tally() for channel in meter.channels}
    for second, values in enumerate(readings):
        for c in meter.channels:
            moment = energy.Moment(float(second))
            tallies[c.id] = energy.add(tallies[c.id], values.get(c.id), c, moment, 3)
    return balance.total(plan.choose(meter.channels), tallies, len(readings) - 1)


# ---- what is read ----------------------------------------------------------------------------------


def test_a_card_has_two_counters_of_which_one_contains_the_other(tmp_path: Path) -> None:
    battlemage(tmp_path)
    meter = opened(tmp_path)

    assert [(c.id, c.source) for c in meter.channels] == [(CARD, "xe card"), (PACKAGE, "xe package")]
    assert {(c.component, c.device, c.kind) for c in meter.channels} == {
        (Component.GPU, f"gpu {FIRST}", Kind.COUNTER)
    }
    assert meter.read() == {CARD: 9.0, PACKAGE: 4.0}
    assert [(gpu.name, gpu.uuid) for gpu in meter.gpus] == [("Intel GPU 0xe20b", FIRST)]


def test_the_card_speaks_and_its_package_is_not_added(tmp_path: Path) -> None:
    card = battlemage(tmp_path)
    meter = opened(tmp_path)
    readings = [meter.read()]
    for second in (1, 2):
        card.sensors("xe", energy1_input=9_000_000 + second * 200_000_000, energy2_input=second * 150_000_000)
        readings.append(meter.read())
    found = total(meter, readings)

    assert [(part.source, part.energy_j) for part in found.components] == [("xe card", 400.0)]


def test_a_card_counter_that_stands_still_hands_over_to_the_package(tmp_path: Path) -> None:
    card = battlemage(tmp_path)
    meter = opened(tmp_path)
    readings = [meter.read()]
    for second in (1, 2):
        card.sensors("xe", energy2_input=4_000_000 + second * 150_000_000)
        readings.append(meter.read())
    found = total(meter, readings)

    assert [(part.source, part.energy_j) for part in found.components] == [("xe package", 300.0)]
    assert [gap.what for gap in found.skipped] == [f"xe card gpu {FIRST}"]


def test_an_arc_card_under_xe_has_only_the_counter_of_its_package(tmp_path: Path) -> None:
    gpus.add(tmp_path, FIRST, "xe").sensors("xe", energy2_input=5_000_000, energy2_label="pkg")

    assert opened(tmp_path).read() == {PACKAGE: 5.0}


def test_a_single_counter_without_a_label_is_the_packages(tmp_path: Path) -> None:
    gpus.add(tmp_path, FIRST, "i915").sensors("i915", energy1_input=5_000_000)
    gpus.add(tmp_path, SECOND, "xe").sensors("xe", energy1_input=6_000_000)
    meter = opened(tmp_path)

    assert meter.read() == {f"i915:{FIRST}:pkg": 5.0, f"xe:{SECOND}:pkg": 6.0}
    assert {c.error for c in meter.channels} == {0.20}  # memory, fans and regulators are not in it


def test_two_counters_without_labels_are_the_cards_and_the_packages(tmp_path: Path) -> None:
    gpus.add(tmp_path, FIRST, "xe").sensors("xe", energy1_input=9_000_000, energy2_input=4_000_000)

    assert opened(tmp_path).read() == {CARD: 9.0, PACKAGE: 4.0}


def test_a_counter_of_something_else_is_passed_over(tmp_path: Path) -> None:
    battlemage(tmp_path).sensors("xe", energy2_label="vram")

    assert opened(tmp_path).read() == {CARD: 9.0}


def test_the_counters_of_tiles_are_inside_that_of_the_card(tmp_path: Path) -> None:
    card = gpus.add(tmp_path, FIRST, "i915")
    card.sensors("i915_gt0", energy1_input=2_000_000)
    card.sensors("i915", energy1_input=5_000_000)
    card.sensors("i915_gt1", energy1_input=2_000_000)

    assert opened(tmp_path).read() == {f"i915:{FIRST}:pkg": 5.0}


def test_cards_of_both_drivers_add_up(tmp_path: Path) -> None:
    battlemage(tmp_path, SECOND)
    gpus.add(tmp_path, FIRST, "i915").sensors("i915", energy1_input=5_000_000)
    leaves = plan.choose(opened(tmp_path).channels).choices[0][0]

    assert [leaf.device for leaf in leaves] == [f"gpu {FIRST}", f"gpu {SECOND}"]


# ---- a read that fails -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "n/a", "-5", "1e6"])
def test_garbage_in_a_counter_is_no_reading(text: str, tmp_path: Path) -> None:
    card = battlemage(tmp_path)
    meter = opened(tmp_path)
    card.sensors("xe", energy1_input=text)

    assert meter.read() == {PACKAGE: 4.0}


def test_a_counter_whose_read_fails_is_left_out_and_comes_back(tmp_path: Path) -> None:
    file = battlemage(tmp_path).sensors("xe") / "energy1_input"
    meter = opened(tmp_path)
    file.rename(file.with_name("kept"))
    file.mkdir()  # opens, but every read fails
    assert meter.read() == {PACKAGE: 4.0}

    file.rmdir()
    file.with_name("kept").rename(file)

    assert meter.read() == {CARD: 9.0, PACKAGE: 4.0}


def test_a_sleeping_card_is_not_woken_by_being_read(tmp_path: Path) -> None:
    card = battlemage(tmp_path)
    card.sleep()
    meter = opened(tmp_path)
    assert meter.read() == {}

    card.sleep("active")

    assert meter.read() == {CARD: 9.0, PACKAGE: 4.0}


def test_a_counter_that_restarts_makes_its_card_count_no_more_than_it_used(tmp_path: Path) -> None:
    card = battlemage(tmp_path, card_uj=900_000_000)
    meter = opened(tmp_path)
    readings = [meter.read()]
    for energy_uj in (1_000_000_000, 50_000_000, 150_000_000):
        card.sensors("xe", energy1_input=energy_uj)
        readings.append(meter.read())
    found = total(meter, readings)

    assert [part.energy_j for part in found.components] == [250.0]
    assert any("restarted" in warning for warning in found.warnings)


# ---- what is not read ------------------------------------------------------------------------------


def test_a_machine_without_an_intel_gpu_is_what_is_expected(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)

    assert refused(tmp_path).expected


def test_an_integrated_gpu_is_inside_the_package(tmp_path: Path) -> None:
    gpus.add(tmp_path, INTEGRATED, "i915")
    absence = refused(tmp_path)

    assert absence.expected
    assert "package" in absence.reason


def test_an_integrated_gpu_beside_a_card_is_named_as_expected(tmp_path: Path) -> None:
    gpus.add(tmp_path, INTEGRATED, "i915")
    battlemage(tmp_path)
    meter = opened(tmp_path)

    assert [(gap.what, gap.expected) for gap in meter.skipped] == [(f"i915 gpu {INTEGRATED}", True)]
    assert len(meter.gpus) == 1


def test_a_card_without_a_counter_is_named_with_the_kernel_that_has_one(tmp_path: Path) -> None:
    gpus.add(tmp_path, INTEGRATED, "i915")
    gpus.add(tmp_path, FIRST, "i915")
    absence = refused(tmp_path)

    assert FIRST in absence.reason
    assert "Linux" in (absence.fix or "")
    assert not absence.expected


# ---- what the command can see ----------------------------------------------------------------------


def shares(meter: Meter) -> list[tuple[str, float | None, bool]]:
    """Device, the command's share, and whether somebody else may have a part of it."""
    return [(c.device, c.share, c.shared is not None) for c in meter.channels if c.id.endswith("card")]


def test_a_card_that_the_mask_leaves_out_is_none_of_the_commands_energy(tmp_path: Path) -> None:
    gpus.add(tmp_path, INTEGRATED, "i915")
    battlemage(tmp_path)
    battlemage(tmp_path, SECOND)
    meter = opened(tmp_path, ZE_AFFINITY_MASK="1", ZE_ENABLE_PCI_ID_DEVICE_ORDER="1")

    assert shares(meter) == [(f"gpu {FIRST}", None, False), (f"gpu {SECOND}", 0.0, False)]


def test_a_mask_in_an_order_that_nobody_knows_hides_nothing_but_is_said(tmp_path: Path) -> None:
    battlemage(tmp_path)
    battlemage(tmp_path, SECOND)

    assert shares(opened(tmp_path)) == [(f"gpu {FIRST}", None, False), (f"gpu {SECOND}", None, False)]
    assert shares(opened(tmp_path, ZE_AFFINITY_MASK="0")) == [
        (f"gpu {FIRST}", None, True),
        (f"gpu {SECOND}", None, True),
    ]


@pytest.mark.parametrize("driver", ["xe", "i915"])
def test_a_card_of_which_one_tile_is_shown_is_shared(driver: str, tmp_path: Path) -> None:
    card = gpus.add(tmp_path, FIRST, driver)
    card.sensors(driver, energy1_input=1, energy1_label="card")
    for tile in range(2):
        (card.folder / f"tile{tile}").mkdir()
        card.sensors(f"i915_gt{tile}", energy1_input=1)
    order = {"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}

    assert shares(opened(tmp_path, ZE_AFFINITY_MASK="0.1", **order)) == [(f"gpu {FIRST}", None, True)]
    assert shares(opened(tmp_path, ZE_AFFINITY_MASK="0", **order)) == [(f"gpu {FIRST}", None, False)]
