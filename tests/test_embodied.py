"""What making a machine has cost: by its kind, with its range, or as the user says."""

from __future__ import annotations

from pathlib import Path

import pytest

from energywrap import embodied, tables
from energywrap.config import resolve
from energywrap.model import Gpu, Making
from energywrap.power_model import Described

SERVER = Described(
    threads=192, virtual=False, vendor="amd", arch="zen3", tdp_w=280, sockets=2, cores_per_socket=48,
    threads_per_core=2, memory_gb=256, client=False,
)  # fmt: skip
LAPTOP = Described(threads=12, virtual=False, vendor="intel", arch="raptorlake", tdp_w=15, client=True)
DESKTOP = Described(threads=16, virtual=False, vendor="amd", arch="zen3", tdp_w=105, client=True)


def making(machine: Described, sysfs: Path, *gpus: str, **given: str) -> Making:
    """Of a machine with these GPUs."""
    settings = resolve(given, {}, "/nonexistent")
    return embodied.resolve(settings, machine, [Gpu(name, name) for name in gpus], 1.0, str(sysfs))


def chassis(sysfs: Path, number: int) -> Path:
    """What the firmware says of the case."""
    (sysfs / "class/dmi/id").mkdir(parents=True)
    (sysfs / "class/dmi/id/chassis_type").write_text(f"{number}\n")
    return sysfs


def table(key: str) -> dict[str, str]:
    row = tables.find("embodied", key)
    assert row is not None
    return row


def test_a_server_of_the_tables_kind_is_the_tables_server(tmp_path: Path) -> None:
    found = making(SERVER, tmp_path).machine

    assert found.kg == pytest.approx(float(table("server-2s")["kg_co2e"]))
    assert found.years == 4
    assert found.low_kg < found.kg < found.high_kg
    assert found.what == "server with 2 sockets and 256 GB of memory"


def test_more_memory_and_more_sockets_are_more_to_make(tmp_path: Path) -> None:
    one = making(Described(**{**SERVER.__dict__, "sockets": 1}), tmp_path).machine
    large = making(Described(**{**SERVER.__dict__, "memory_gb": 1024}), tmp_path).machine

    assert one.kg == pytest.approx(960 - 100)
    assert large.kg == pytest.approx(960 + 768 * 1.39)


@pytest.mark.parametrize(
    ("machine", "case", "what"),
    [
        (LAPTOP, None, "laptop"),
        (DESKTOP, None, "desktop PC, no screen"),
        (SERVER, 10, "laptop"),
        (SERVER, 3, "desktop PC, no screen"),
        (LAPTOP, 23, "server"),
        (SERVER, 2, "server"),
    ],
)
def test_the_case_tells_the_kind_and_else_the_processor(
    machine: Described, case: int | None, what: str, tmp_path: Path
) -> None:
    found = making(machine, chassis(tmp_path, case) if case else tmp_path).machine

    assert found.what.startswith(what)


def test_a_guest_has_a_part_of_a_server(tmp_path: Path) -> None:
    guest = Described(**{**SERVER.__dict__, "virtual": True, "threads": 4, "memory_gb": 16})
    found = making(guest, chassis(tmp_path, 1))

    assert found.machine.what.startswith("server")
    assert found.part == pytest.approx(4 / 192)


def test_an_h100_is_somewhere_between_what_two_publishers_say(tmp_path: Path) -> None:
    found = making(SERVER, tmp_path, "NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3").gpus

    assert len(found) == 2
    assert (found[0].low_kg, found[0].high_kg) == (164, 575)
    assert found[0].kg == pytest.approx((164 * 575) ** 0.5)


def test_a_card_that_nobody_has_counted_is_an_average_one_and_says_so(tmp_path: Path) -> None:
    (card,) = making(SERVER, tmp_path, "Some Future Card 9000").gpus

    assert card.kg == float(table("gpu-unknown")["kg_co2e"])
    assert "average card" in card.what


def test_the_users_own_figures_count(tmp_path: Path) -> None:
    found = making(
        SERVER, tmp_path, "NVIDIA L4", embodied_kg="1200", gpu_embodied_kg="100", lifetime_years="6"
    )

    assert (found.machine.kg, found.machine.low_kg, found.machine.high_kg) == (1200, 1200, 1200)
    assert (found.machine.years, found.gpus[0].years, found.gpus[0].kg) == (6, 6, 100)
    assert found.machine.source == "given (flag)"
