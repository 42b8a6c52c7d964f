"""The kind of memory: from the kernel's error detection for everyone, from the firmware's table for root."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.machine import cpuinfo, dimms, identify


def controllers(sysfs: Path, *kinds: str) -> None:
    """The files of a memory controller whose modules are of these kinds, as the kernel spells them."""
    for number, kind in enumerate(kinds):
        folder = sysfs / "devices/system/edac/mc/mc0" / f"dimm{number}"
        folder.mkdir(parents=True)
        (folder / "dimm_mem_type").write_text(f"{kind}\n")


def structure(of: int, formatted: bytes, *texts: bytes) -> bytes:
    """An SMBIOS structure: its kind, its length, its handle, its fields, its texts."""
    strings = b"".join(text + b"\0" for text in texts) or b"\0"
    return struct.pack("<BBH", of, 4 + len(formatted), 0) + formatted + strings + b"\0"


def module(kind: int) -> bytes:
    """A memory module of SMBIOS 3.2 with everything but its kind left out."""
    fields = bytearray(80)
    fields[dimms.KIND_AT - 4] = kind
    return structure(17, bytes(fields), b"DIMM 0", b"Bank 0")


def table(sysfs: Path, *structures: bytes) -> None:
    """The firmware's table as the kernel shows it to root."""
    path = sysfs / "firmware/dmi/tables/DMI"
    path.parent.mkdir(parents=True)
    path.write_bytes(structure(0, bytes(20), b"a maker") + b"".join(structures) + structure(127, b""))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Registered-DDR4", "ddr4"),
        ("Unbuffered-DDR5", "ddr5"),
        ("Load-Reduced-DDR-3-RAM", "ddr3"),
        ("Load-Reduced-DDR3-RAM", "ddr3"),
        ("Low-Power-DDR4-RAM", "lpddr"),
        ("Unknown", None),
    ],
)
def test_the_kernels_words_name_the_kind(tmp_path: Path, text: str, kind: str | None) -> None:
    controllers(tmp_path, text, text)

    assert dimms.kind(str(tmp_path)) == kind


def test_modules_of_two_kinds_are_no_kind(tmp_path: Path) -> None:
    controllers(tmp_path, "Registered-DDR4", "Registered-DDR5")

    assert dimms.kind(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("number", "kind"), [(0x18, "ddr3"), (0x1A, "ddr4"), (0x22, "ddr5"), (0x23, "lpddr")]
)
def test_the_firmwares_table_names_the_kind_and_an_empty_slot_none(
    tmp_path: Path, number: int, kind: str
) -> None:
    table(tmp_path, module(2), module(number), module(number))

    assert dimms.kind(str(tmp_path)) == kind


def test_a_guests_made_up_memory_is_no_kind(tmp_path: Path) -> None:
    table(tmp_path, module(0x07))

    assert dimms.kind(str(tmp_path)) is None


def test_without_either_nothing_is_known(tmp_path: Path) -> None:
    assert dimms.kind(str(tmp_path)) is None


@given(rubbish=st.binary(max_size=300))
def test_a_damaged_table_is_no_failure(rubbish: bytes) -> None:
    assert set(dimms._modules(rubbish)) <= set(dimms.SMBIOS.values())


def test_the_kind_that_the_machine_shows_wins_over_its_generations(tmp_path: Path) -> None:
    controllers(tmp_path, "Unbuffered-DDR5")
    found = identify.conclude(cpuinfo.linux(str(tmp_path), str(tmp_path)))

    assert found.machine.memory_kind == "ddr5"
