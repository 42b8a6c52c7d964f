"""A processor's name is brought to one spelling, or known to name no product at all."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import tables
from energywrap.machine import cpunames

PRODUCTS = {
    "AMD EPYC 7763 64-Core Processor": "epyc 7763",
    "AMD EPYC 9V74 80-Core Processor": "epyc 9v74",
    "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz": "xeon platinum 8375c",
    "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz": "xeon e5-2680 v4",
    "Intel(R) Xeon(R) CPU E5-2660 0 @ 2.20GHz": "xeon e5-2660",
    "Intel Xeon E5-2660v2": "xeon e5-2660 v2",
    "INTEL(R) XEON(R) PLATINUM 8581C CPU @ 2.10GHz": "xeon platinum 8581c",
    "Intel(R) Xeon(R) Gold 5520+": "xeon gold 5520+",
    "Intel(R) Xeon(R) 6985P-C CPU": "xeon 6985p-c",
    "Intel Xeon Gold 6148 CPU @ 2.40 GHz (Turbo 3.70 GHz)": "xeon gold 6148",
    "Intel Xeon Gold 6148 2.40 GHz": "xeon gold 6148",
    "Intel(R) Xeon(R) E-2288G CPU @ 3.70GHz": "xeon e-2288g",
    "Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz": "core i7-8650u",
    "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz": "core i7-1165g7",
    "Intel(R) Core(TM) Ultra 7 155H": "core ultra 7 155h",
    "Intel(R) N100": "n100",
    "AMD Ryzen 7 5800X 8-Core Processor             ": "ryzen 7 5800x",
    "AMD Ryzen 7 PRO 4750U with Radeon Graphics": "ryzen 7 pro 4750u",
    "AMD Ryzen AI 9 HX 370 w/ Radeon 890M": "ryzen ai 9 hx 370",
    "AMD Ryzen Threadripper PRO 3995WX 64-Cores": "ryzen threadripper pro 3995wx",
    "AMD FX(tm)-8350 Eight-Core Processor": "fx-8350",
    "AMD Opteron(tm) Processor 6274": "opteron 6274",
    "AMD A10-7850K Radeon R7, 12 Compute Cores 4C+8G": "a10-7850k",
}
HIDDEN = {
    "AMD EPYC": "epyc",
    "AMD EPYC Processor (with IBPB)": "epyc",
    "AMD EPYC-Milan Processor": "epyc-milan",
    "AMD EPYC-Rome-v4 Processor": "epyc-rome-v4",
    "Intel(R) Xeon(R) Processor": "xeon",
    "Intel(R) Xeon(R) Processor @ 2.50GHz": "xeon",
    "Intel(R) Xeon(R) CPU @ 2.20GHz": "xeon",
    "Intel Xeon Processor (Skylake, IBRS)": "xeon",
    "Intel Core Processor (Haswell, no TSX, IBRS)": "core",
    "Intel Xeon E312xx (Sandy Bridge, IBRS update)": "xeon e312xx",
    "QEMU Virtual CPU version 2.5+": "qemu virtual version 2.5+",
    "Common KVM processor": "common kvm",
    "DO-Premium-AMD": "do-premium-amd",
    "Genuine Intel(R) CPU 0000%@": "0000%@",
    "ARMv7 Processor rev 4 (v7l)": "armv7 rev 4",
    "AArch64 Processor rev 1 (aarch64)": "aarch64 rev 1",
    "": "",
}
NAMED_BY_HYPERVISORS = [
    "AMD EPYC Processor (with IBPB)",
    "AMD EPYC-Milan Processor",
    "Intel Xeon Processor (Skylake, IBRS)",
    "QEMU Virtual CPU version 2.5+",
    "Common KVM processor",
]
KEYS = [row["key"] for row in tables.rows("cpus")]

names = st.text(alphabet=string.ascii_letters + string.digits + " ()@-+,/.%®™é\t\n\0", max_size=60)


@pytest.mark.parametrize(("name", "key"), PRODUCTS.items())
def test_a_product_has_one_spelling(name: str, key: str) -> None:
    assert cpunames.key(name) == key
    assert cpunames.is_product(key)
    assert not cpunames.is_model_of_hypervisor(name)


@pytest.mark.parametrize(("name", "key"), HIDDEN.items())
def test_a_hidden_name_names_no_product(name: str, key: str) -> None:
    assert cpunames.key(name) == key
    assert not cpunames.is_product(key)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_generation_chosen_by_a_hypervisor_is_told_from_a_name_left_out(name: str) -> None:
    named = name in NAMED_BY_HYPERVISORS or "(" in name.replace("(R)", "")

    assert cpunames.is_model_of_hypervisor(name) == (named or "epyc-" in name.lower())


def test_a_large_memory_xeon_may_be_found_as_the_plain_part() -> None:
    assert cpunames.spellings("xeon platinum 8280l") == ("xeon platinum 8280l", "xeon platinum 8280")
    assert cpunames.spellings("xeon gold 6240m") == ("xeon gold 6240m", "xeon gold 6240")


@pytest.mark.parametrize(
    "key", ["xeon platinum 8275cl", "epyc 7763", "core i7-8650u", "xeon e5-2650l", "xeon", ""]
)
def test_no_other_letter_of_a_name_is_ever_dropped(key: str) -> None:
    assert cpunames.spellings(key) == (key,)


def test_every_key_of_the_table_is_its_own_spelling_and_has_a_maker() -> None:
    assert [key for key in KEYS if cpunames.key(key) != key] == []
    assert {key for key in KEYS if cpunames.vendor(key) is None} == {"n100", "n200", "n97"}


@given(name=names)
def test_a_key_is_plain_lower_case_and_spelling_it_again_changes_no_case_or_space(name: str) -> None:
    key = cpunames.key(name)

    assert key == key.lower()
    assert key == " ".join(key.split())
    assert "(" not in key
    assert not set(key.split()) & cpunames.ENDS


@given(key=st.sampled_from(KEYS), clock=st.floats(0.8, 5.9), cores=st.integers(1, 288), upper=st.booleans())
def test_what_makers_put_around_a_name_never_changes_its_key(
    key: str, clock: float, cores: int, upper: bool
) -> None:
    name = f"AMD {key} {cores}-Core Processor (engineering) CPU @ {clock:.2f}GHz"

    assert cpunames.key(name.upper() if upper else name) == key


@given(key=st.sampled_from(KEYS), at=st.integers(0, 40), digit=st.sampled_from("0123456789"))
def test_another_digit_is_another_key(key: str, at: int, digit: str) -> None:
    at = at % len(key)
    other = key[:at] + digit + key[at + 1 :]

    assert not key[at].isdigit() or digit == key[at] or cpunames.key(other) != key
