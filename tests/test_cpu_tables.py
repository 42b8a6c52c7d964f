"""The tables of processors are whole, plausible and small."""

from __future__ import annotations

import pytest

from energywrap import tables
from energywrap.machine import archs, cpunames, cpus
from energywrap.power_model.products import PRODUCTS

COLUMNS = {
    "cpus": "key tdp_w cores_per_socket threads_per_core arch sockets source seen_in",
    "cpuid": "id vendor family models steppings arch has lacks",
}
MOST_BYTES = 70_000
SOURCES = {"ark", "amd", "codecarbon", "manual", "public", "estimate", "recall"}
CLOUDS = {"aws", "azure", "gcp", "github", "gitlab", "oracle", "hetzner", "scaleway"}
CPUS = list(tables.rows("cpus"))
BY_KEY = {row["key"]: row for row in CPUS}
CPUID = list(tables.rows("cpuid"))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_is_plain_tab_separated_text_in_order(name: str) -> None:
    with open(f"{tables.FOLDER}/{name}.tsv", "rb") as file:
        raw = file.read()
    header, *lines = raw.decode("utf-8").removesuffix("\n").split("\n")
    keys = [line.partition("\t")[0] for line in lines]

    assert raw.endswith(b"\n")
    assert b"\r" not in raw
    assert b'"' not in raw
    assert len(raw) < MOST_BYTES
    assert header.split("\t") == COLUMNS[name].split()
    assert [line for line in lines if line.count("\t") != header.count("\t")] == []
    assert [cell for line in lines for cell in line.split("\t") if cell != cell.strip()] == []
    assert all(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_is_named_in_the_sources(name: str) -> None:
    with open(f"{tables.FOLDER}/SOURCES.md", encoding="utf-8") as file:
        assert f"{name}.tsv" in file.read()


def test_every_processor_has_plausible_numbers() -> None:
    wrong = [
        row["key"]
        for row in CPUS
        if not 3 <= float(row["tdp_w"]) <= 500
        or not 1 <= int(row["cores_per_socket"]) <= 288
        or row["threads_per_core"] not in {"", "1", "2"}
        or row["sockets"] not in {"1", "2"}
        or row["source"] not in SOURCES
        or not set(row["seen_in"].split()) <= CLOUDS
        or not 0.5 <= float(row["tdp_w"]) / int(row["cores_per_socket"]) <= 60
    ]

    assert wrong == []


def test_the_table_is_sorted_and_holds_the_hosts_of_the_clouds() -> None:
    assert [row["key"] for row in CPUS] == sorted(BY_KEY)
    assert len([row for row in CPUS if row["seen_in"]]) == 54
    assert len(CPUS) > 1000


def test_every_key_is_found_under_its_own_name_by_the_quick_look_up() -> None:
    for row in CPUS[::7]:
        product = cpus.product(row["key"])
        assert product is not None
        assert (product.key, product.tdp_w) == (row["key"], float(row["tdp_w"]))


@pytest.mark.parametrize(
    ("key", "tdp_w", "cores", "arch", "sockets"),
    [
        ("epyc 7763", 280, 64, "zen3", 2),
        ("epyc 7713p", 225, 64, "zen3", 1),
        ("xeon platinum 8375c", 300, 32, "icelake-sp", 2),
        ("xeon platinum 8272cl", 195, 26, "cascadelake", 2),
        ("xeon e5-2680 v4", 120, 14, "broadwell", 2),
        ("xeon gold 6314u", 205, 32, "icelake-sp", 1),
        ("xeon e-2288g", 95, 8, "coffeelake", 1),
        ("graviton3", 200, 64, "neoverse-v1", 1),
        ("core i7-8650u", 15, 4, "coffeelake", 1),
        ("ryzen 7 5800x", 105, 8, "zen3", 1),
        ("ryzen threadripper 3990x", 280, 64, "zen2", 1),
    ],
)
def test_a_known_processor_has_its_published_numbers(
    key: str, tdp_w: float, cores: int, arch: str, sockets: int
) -> None:
    found = cpus.product(key)

    assert found is not None
    assert (found.tdp_w, found.cores_per_socket, found.arch, found.sockets) == (tdp_w, cores, arch, sockets)


def test_the_power_models_processors_are_spelled_as_names_are() -> None:
    assert [key for key in PRODUCTS if cpunames.key(key) != key] == []


def test_only_servers_of_two_sockets_have_two() -> None:
    pairs = [row["key"] for row in CPUS if row["sockets"] == "2"]

    assert [key for key in pairs if not key.startswith(("xeon ", "epyc ", "opteron "))] == ["graviton4"]
    assert [key for key in pairs if key.startswith("epyc ") and key.endswith("p")] == []


def test_every_generation_of_a_processor_is_one_that_the_numbers_can_mean() -> None:
    by_number = {row["arch"] for row in CPUID}

    assert {row["arch"] for row in CPUS} - by_number == {"", "bartlett"}  # Bartlett: no numbers of its own


def test_no_two_rows_of_the_numbers_claim_one_processor() -> None:
    claimed: dict[tuple[str, str, int, int], str] = {}
    for row in CPUID:
        for model in _range(row["models"]):
            for stepping in _range(row["steppings"] or "0-15"):
                place = (row["vendor"], row["family"], model, stepping)
                assert claimed.setdefault(place, row["id"]) == row["id"]


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "arch"),
    [
        ("GenuineIntel", "6", "85", "4", "skylake-sp"),
        ("GenuineIntel", "6", "85", "7", "cascadelake"),
        ("GenuineIntel", "6", "85", "11", "cooperlake"),
        ("GenuineIntel", "6", "85", "9", None),
        ("AuthenticAMD", "25", "1", "1", "zen3"),
        ("AuthenticAMD", "25", "17", "1", "zen4"),
        ("AuthenticAMD", "25", "160", "2", "zen4c"),
        ("HygonGenuine", "24", "0", "1", "zen1"),
        ("ARM", "0x41", "0xd40", "", "neoverse-v1"),
        ("ARM", "0x43", "0xd40", "", None),
        ("", "", "", "", None),
        ("GenuineIntel", "6", "x", "y", None),
    ],
)
def test_the_numbers_of_a_processor_mean_its_generation(
    vendor: str, family: str, model: str, stepping: str, arch: str | None
) -> None:
    assert archs.generation(vendor, family, model, stepping, (), strict=False).arch == arch


def test_a_flag_from_the_future_belies_the_numbers_a_masked_one_only_those_of_a_named_model() -> None:
    skylake = ("GenuineIntel", "6", "85", "4")

    assert archs.generation(*skylake, {"avx2", "avx512f"}, strict=True).arch == "skylake-sp"
    assert archs.generation(*skylake, {"avx2"}, strict=False).arch == "skylake-sp"
    assert archs.generation(*skylake, {"avx2"}, strict=True).arch is None
    assert archs.generation(*skylake, {"avx512f", "avx512_vnni"}, strict=False).arch is None


def test_names_spelled_alike_are_offered_and_the_exact_end_of_a_name_comes_first() -> None:
    assert cpus.similar("8375C")[0] == "xeon platinum 8375c"
    assert "epyc 7763" in cpus.similar("AMD EPYC 7764")
    assert cpus.similar("nonsense of no kind") == []
    assert cpus.similar("") == []


def test_every_product_of_a_cloud_that_hides_names_is_in_the_table() -> None:
    assert [key for key in cpus.CLOUD_PARTS.values() if cpus.product(key) is None] == []
    assert [key for key in BY_KEY if not cpunames.is_product(key)] == [
        "apple m1", "axion", "graviton", "graviton2", "graviton3", "graviton3e", "graviton4",
    ]  # fmt: skip


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first, 0), int(last or first, 0) + 1)
