"""AMD GPUs by their driver's power sensor, on a written /sys."""

from __future__ import annotations

from pathlib import Path

import pytest

from energywrap import config, plan
from energywrap.config import Settings
from energywrap.errors import Unavailable
from energywrap.model import Basis, Channel, Component, Kind
from energywrap.sources import amdgpu
from energywrap.sources.hwmon import Meter
from fakes import gpus

FIRST, SECOND, THIRD = "0000:03:00.0", "0000:41:00.0", "0000:c1:00.0"


def settings(root: Path) -> Settings:
    """Settings with another place for /sys."""
    return config.resolve({"sysfs_root": str(root)}, {}, "/")


def opened(root: Path, **environ: str) -> Meter:
    """The source on a written tree, in an environment of its own."""
    return amdgpu.open_amdgpu(settings(root), environ=environ)


def refused(root: Path) -> Unavailable:
    """Why there is no source."""
    with pytest.raises(Unavailable) as caught:
        opened(root)
    return caught.value


def shares(meter: Meter) -> dict[str, tuple[float | None, bool]]:
    """By device, the command's share, and whether somebody else may have a part of it."""
    return {channel.device: (channel.share, channel.shared is not None) for channel in meter.channels}


def skipped(meter: Meter) -> dict[str, tuple[str, bool]]:
    """Why each part is silent, and whether that was to be expected."""
    return {gap.what: (gap.why, gap.expected) for gap in meter.skipped}


# ---- what is read ----------------------------------------------------------------------------------


def test_a_card_is_a_gauge_named_by_its_pci_address(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, 215_500_000, unique_id="d5a4c4f2a6a40001", product_name="Radeon Pro W7900")
    meter = opened(tmp_path)

    assert meter.channels == (
        Channel(
            f"amdgpu:{FIRST}:power",
            Component.GPU,
            f"gpu {FIRST}",
            "amdgpu power",
            Kind.GAUGE,
            Basis.MEASURED,
            max_w=3000.0,
            tick_s=0.1,
            error=0.15,
        ),
    )
    assert meter.read() == {f"amdgpu:{FIRST}:power": 215.5}
    assert [(gpu.name, gpu.uuid) for gpu in meter.gpus] == [("Radeon Pro W7900", "GPU-d5a4c4f2a6a40001")]
    assert meter.skipped == ()


def test_a_card_without_a_name_or_number_of_its_own_goes_by_its_address(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)

    assert [(gpu.name, gpu.uuid) for gpu in opened(tmp_path).gpus] == [("AMD GPU 0x744c", FIRST)]


def test_newer_chips_show_their_power_under_another_name(tmp_path: Path) -> None:
    card = gpus.radeon(tmp_path, FIRST, None)
    card.sensors("amdgpu", power1_input=31_000_000, power1_label="PPT")

    assert opened(tmp_path).read() == {f"amdgpu:{FIRST}:power": 31.0}


def test_an_average_that_is_refused_gives_way_to_the_power_of_the_instant(tmp_path: Path) -> None:
    card = gpus.radeon(tmp_path, FIRST, 40_000_000)
    hwmon = card.sensors("amdgpu", power1_input=31_000_000)
    meter = opened(tmp_path)
    assert meter.read() == {f"amdgpu:{FIRST}:power": 40.0}

    (hwmon / "power1_average").unlink()
    (hwmon / "power1_average").mkdir()  # opens, but every read fails

    assert meter.read() == {f"amdgpu:{FIRST}:power": 31.0}


def test_an_average_that_is_an_error_code_gives_way_to_the_power_of_the_instant(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, 4_294_967_274).sensors("amdgpu", power1_input=31_000_000)

    assert opened(tmp_path).read() == {f"amdgpu:{FIRST}:power": 31.0}


def test_several_cards_are_leaves_that_add_up(tmp_path: Path) -> None:
    for address in (SECOND, FIRST):
        gpus.radeon(tmp_path, address)
    leaves = plan.choose(opened(tmp_path).channels).choices[0][0]

    assert [leaf.device for leaf in leaves] == [f"gpu {FIRST}", f"gpu {SECOND}"]


def test_closing_twice_is_no_trouble_and_reading_twice_gives_the_same(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)
    meter = opened(tmp_path)

    assert meter.read() == meter.read() != {}
    meter.close()
    meter.close()


# ---- a read that fails -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "n/a", "-22", "4294967274", "0"])
def test_what_cannot_be_a_power_is_no_reading(text: str, tmp_path: Path) -> None:
    card = gpus.radeon(tmp_path, FIRST)
    gpus.radeon(tmp_path, SECOND)
    meter = opened(tmp_path)
    card.sensors("amdgpu", power1_average=text)  # some kernels print an error code as an unsigned number

    assert meter.read() == {f"amdgpu:{SECOND}:power": 50.0}


def test_a_card_that_is_lost_is_absent_and_comes_back(tmp_path: Path) -> None:
    card = gpus.radeon(tmp_path, FIRST)
    file = card.sensors("amdgpu") / "power1_average"
    meter = opened(tmp_path)
    file.rename(file.with_name("kept"))
    assert meter.read() == {}

    file.with_name("kept").rename(file)

    assert meter.read() == {f"amdgpu:{FIRST}:power": 50.0}


def test_a_sleeping_card_is_not_woken_by_being_read(tmp_path: Path) -> None:
    card = gpus.radeon(tmp_path, FIRST)
    card.sleep()
    meter = opened(tmp_path)

    assert [channel.device for channel in meter.channels] == [f"gpu {FIRST}"]
    assert meter.read() == {}

    card.sleep("active")

    assert meter.read() == {f"amdgpu:{FIRST}:power": 50.0}


# ---- what is not read ------------------------------------------------------------------------------


def test_a_machine_without_an_amd_gpu_is_what_is_expected(tmp_path: Path) -> None:
    gpus.add(tmp_path, FIRST, "nouveau")

    assert refused(tmp_path).expected


def test_a_driver_without_a_device_is_no_gpu(tmp_path: Path) -> None:
    (tmp_path / "bus/pci/drivers/amdgpu").mkdir(parents=True)

    assert refused(tmp_path).expected


def test_a_graphics_core_with_a_northbridge_is_inside_the_package(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST).sensors("amdgpu", in1_label="vddnb")  # however much memory it was given
    absence = refused(tmp_path)

    assert absence.expected
    assert "package" in absence.reason


def test_a_graphics_core_without_memory_of_its_own_is_inside_the_package(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, mem_info_vram_total=512 << 20)
    gpus.radeon(tmp_path, SECOND)
    meter = opened(tmp_path)

    assert [channel.device for channel in meter.channels] == [f"gpu {SECOND}"]
    assert skipped(meter) == {f"amdgpu gpu {FIRST}": (amdgpu.INSIDE, True)}


def test_a_card_without_a_power_sensor_is_named(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, None)
    gpus.radeon(tmp_path, SECOND)
    gpus.add(tmp_path, THIRD, "amdgpu")
    meter = opened(tmp_path)

    assert skipped(meter) == {f"amdgpu gpu {a}": (amdgpu.SILENT, False) for a in (FIRST, THIRD)}


def test_a_card_that_shows_no_watts_at_all_is_not_taken_at_its_word(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, 0)
    absence = refused(tmp_path)

    assert FIRST in absence.reason
    assert not absence.expected


def test_a_sensor_of_something_else_on_the_card_is_not_its_power(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, None).sensors("other", power1_average=7_000_000)

    assert not refused(tmp_path).expected


# ---- two GPUs of one module, and a whole socket ----------------------------------------------------


@pytest.mark.parametrize("silence", [0, None])
def test_the_second_gpu_of_an_mi250x_is_in_the_reading_of_the_first(
    silence: int | None, tmp_path: Path
) -> None:
    gpus.radeon(tmp_path, FIRST, 400_000_000, device=gpus.MI250X)
    gpus.radeon(tmp_path, SECOND, silence, device=gpus.MI250X)  # 0 W, and on newer kernels no sensor
    meter = opened(tmp_path)

    assert meter.read() == {f"amdgpu:{FIRST}:power": 400.0}
    assert skipped(meter) == {f"amdgpu gpu {SECOND}": (amdgpu.TWIN, True)}


def test_a_silent_gpu_has_only_one_twin(tmp_path: Path) -> None:
    for address, power in ((FIRST, 400_000_000), (SECOND, 0), (THIRD, 0)):
        gpus.radeon(tmp_path, address, power, device=gpus.MI250X)

    assert skipped(opened(tmp_path))[f"amdgpu gpu {THIRD}"] == (amdgpu.SILENT, False)


def test_a_silent_gpu_is_no_twin_of_a_card_of_another_kind(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)
    gpus.radeon(tmp_path, SECOND, 0, device=gpus.MI250X)

    assert skipped(opened(tmp_path)) == {f"amdgpu gpu {SECOND}": (amdgpu.SILENT, False)}


@pytest.mark.parametrize(
    ("listed", "share"),
    [("0,1", (None, False)), ("0", (None, True)), ("1", (None, True)), ("2", (0.0, False))],
)
def test_a_module_is_hidden_only_if_both_its_gpus_are(
    listed: str, share: tuple[float | None, bool], tmp_path: Path
) -> None:
    for number, address in enumerate((FIRST, SECOND, THIRD)):
        gpus.radeon(tmp_path, address, 0 if address == SECOND else 90_000_000, device=gpus.MI250X)
        gpus.node(tmp_path, number, address)

    assert shares(opened(tmp_path, ROCR_VISIBLE_DEVICES=listed))[f"gpu {FIRST}"] == share


def test_an_mi300a_covers_its_cpu_cores_and_memory(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST, 550_000_000, device=gpus.MI300A)
    gpus.node(tmp_path, 0, FIRST)
    channel = opened(tmp_path, ROCR_VISIBLE_DEVICES="").channels[0]

    assert channel.covers == (Component.CPU, Component.RAM)
    assert channel.share is None  # its CPU cores are the command's all the same
    assert channel.shared is not None


# ---- what the command can see ----------------------------------------------------------------------


def three(root: Path) -> None:
    """Three cards, which ROCm lists in another order than the bus, after the processor."""
    gpus.node(root, 0, None)
    for number, address in enumerate((SECOND, FIRST, THIRD)):
        gpus.radeon(root, address)
        gpus.node(root, number + 1, address, 0xA0 + number)


def test_all_cards_are_the_commands_if_nothing_hides_them(tmp_path: Path) -> None:
    three(tmp_path)

    assert set(shares(opened(tmp_path)).values()) == {(None, False)}


def test_a_card_that_the_command_cannot_see_is_none_of_its_energy(tmp_path: Path) -> None:
    three(tmp_path)

    assert shares(opened(tmp_path, HIP_VISIBLE_DEVICES="0")) == {
        f"gpu {FIRST}": (0.0, False),
        f"gpu {SECOND}": (None, False),
        f"gpu {THIRD}": (0.0, False),
    }


def test_a_card_may_be_named_by_its_uuid(tmp_path: Path) -> None:
    three(tmp_path)
    found = shares(opened(tmp_path, ROCR_VISIBLE_DEVICES="GPU-00000000000000a1"))

    assert [device for device, (share, _) in found.items() if share is None] == [f"gpu {FIRST}"]


def test_a_list_that_cannot_be_understood_hides_nothing_but_is_said(tmp_path: Path) -> None:
    three(tmp_path)

    assert set(shares(opened(tmp_path, ROCR_VISIBLE_DEVICES="GPU-1-2-3")).values()) == {(None, True)}


def test_a_card_in_partitions_of_which_some_are_seen_is_shared(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)
    for number in range(2):
        gpus.node(tmp_path, number, FIRST)

    assert shares(opened(tmp_path, ROCR_VISIBLE_DEVICES="1")) == {f"gpu {FIRST}": (None, True)}


def test_a_card_that_a_container_was_not_given_is_none_of_its_energy(tmp_path: Path) -> None:
    three(tmp_path)
    closed = tmp_path / "class/kfd/kfd/topology/nodes/1/properties"
    closed.unlink()
    closed.mkdir()  # opens, but every read fails

    assert shares(opened(tmp_path, ROCR_VISIBLE_DEVICES="0")) == {
        f"gpu {FIRST}": (None, False),  # the first of those that are left
        f"gpu {SECOND}": (0.0, False),
        f"gpu {THIRD}": (0.0, False),
    }


def test_a_card_that_rocm_does_not_run_is_left_whole(tmp_path: Path) -> None:
    gpus.radeon(tmp_path, FIRST)

    assert shares(opened(tmp_path, ROCR_VISIBLE_DEVICES="")) == {f"gpu {FIRST}": (None, False)}
