"""A machine is recognised from what any user may read, and nothing is claimed that was not said."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from energywrap import power_model
from energywrap.errors import UserError
from energywrap.machine import cpuinfo, elsewhere, firmware, identify
from energywrap.machine.identify import Given, Identified
from fakes.boxes import NAMES, write_box

AWS, AZURE, GOOGLE = "Amazon EC2", "Microsoft Corporation", "Google"


def seen(root: Path, name: str, threads: int, given: Given = identify.NOTHING, **how: object) -> Identified:
    """A machine of the fakes, recognised."""
    return identify.conclude(cpuinfo.linux(**write_box(root, name, threads, **how)), given)  # type: ignore[arg-type]


def test_two_sockets_of_bare_metal_are_counted(tmp_path: Path) -> None:
    machine = seen(tmp_path, "epyc-7763-bare", 256, sockets=2, memory_kib=528_280_576).machine

    assert (machine.threads, machine.virtual, machine.sockets) == (256, False, 2)
    assert (machine.cpu, machine.tdp_w, machine.arch, machine.vendor) == ("epyc 7763", 280, "zen3", "amd")
    assert (machine.cores_per_socket, machine.threads_per_core, machine.client) == (64, 2, False)
    assert machine.memory_gb == pytest.approx(540.96, abs=0.01)
    assert machine.memory_kind == "ddr4"


def test_a_guest_has_its_own_threads_and_memory_and_the_tables_host(tmp_path: Path) -> None:
    found = seen(tmp_path, "xeon-8375c-ec2", 4, vendor=AWS, product="m6i.xlarge")
    machine = found.machine

    assert (machine.threads, machine.virtual) == (4, True)
    assert (machine.cpu, machine.tdp_w, machine.arch) == ("xeon platinum 8375c", 300, "icelake-sp")
    assert (machine.sockets, machine.cores_per_socket, machine.threads_per_core) == (2, 32, 2)
    assert machine.memory_gb == pytest.approx(16.79, abs=0.01)
    assert any("Amazon EC2 m6i.xlarge" in sentence for sentence in found.evidence)
    assert [hint.split()[0] for hint in found.hints] == ["--sockets"]


def test_a_guest_that_sees_two_cores_is_not_taken_for_a_host_of_two(tmp_path: Path) -> None:
    machine = seen(tmp_path, "epyc-7763-azure", 4, vendor=AZURE, product="Virtual Machine").machine

    assert (machine.sockets, machine.cores_per_socket) == (2, 64)


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        ("firecracker-amd", "zen3"),
        ("firecracker-intel", "cascadelake"),
        ("firecracker-t2", "icelake-sp"),
        ("gcp-intel", "broadwell"),
        ("qemu-skylake", "skylake-sp"),
        ("qemu-epyc", "zen1"),
        ("qemu-milan", "zen3"),
    ],
)
def test_a_hidden_name_gives_the_generation_and_no_product(tmp_path: Path, name: str, arch: str) -> None:
    found = seen(tmp_path, name, 2)
    machine = found.machine

    assert machine.arch == arch
    assert machine.virtual
    assert (machine.cpu, machine.tdp_w, machine.sockets, machine.cores_per_socket) == (None,) * 4
    assert found.hints[0].startswith("--cpu NAME")


def test_the_hint_names_what_clouds_have_of_that_generation(tmp_path: Path) -> None:
    assert "epyc 7763" in seen(tmp_path, "firecracker-amd", 2).hints[0]


@pytest.mark.parametrize("name", ["masked-model-amx", "qemu-skylake-masked"])
def test_numbers_that_the_flags_belie_are_not_believed(tmp_path: Path, name: str) -> None:
    found = seen(tmp_path, name, 2)

    assert found.machine.arch is None
    assert found.machine.vendor == "intel"
    assert any("cannot be believed" in sentence for sentence in found.evidence)
    assert any(hint.startswith("--arch") for hint in found.hints)


@pytest.mark.parametrize(
    ("name", "vendor", "product", "cpu", "sockets"),
    [
        ("graviton2", AWS, "m6g.large", "graviton2", 1),
        ("graviton3", AWS, "c7g.medium", "graviton3", 1),
        ("ampere-altra", AZURE, "Virtual Machine", "ampere altra q80-30", 1),
        ("ampere-altra", "Hetzner", "vServer", "ampere altra q80-30", 1),
        ("ampere-altra", "GIGABYTE", "R152-P30", None, 1),
        ("graviton3", "", "", None, 1),
    ],
)
def test_an_arm_part_and_its_cloud_name_the_product(
    tmp_path: Path, name: str, vendor: str, product: str, cpu: str | None, sockets: int
) -> None:
    machine = seen(tmp_path, name, 2, vendor=vendor, product=product, threads_per_core=1).machine

    assert (machine.cpu, machine.sockets, machine.vendor) == (cpu, sockets, "arm")


def test_an_arm_guest_is_known_by_its_firmware_for_it_has_no_flag(tmp_path: Path) -> None:
    assert seen(tmp_path / "guest", "graviton3", 2, vendor=AWS, product="c7g.large").machine.virtual
    assert not seen(tmp_path / "bare", "graviton3", 64, vendor=AWS, product="c7g.metal").machine.virtual


def test_a_bare_altra_of_two_sockets_is_counted_by_its_topology(tmp_path: Path) -> None:
    machine = seen(tmp_path, "ampere-altra", 160, sockets=2, threads_per_core=1).machine

    assert (machine.sockets, machine.cores_per_socket, machine.threads_per_core) == (2, 80, 1)
    assert machine.arch == "neoverse-n1"


@pytest.mark.parametrize(
    ("vendor", "product", "guest"),
    [
        ("Amazon EC2", "m7g.large", True),
        ("Amazon EC2", "m7g.metal-48xl", False),
        ("Google", "Google Compute Engine", True),
        ("Google", "Eve", False),  # a Chromebook
        ("Microsoft Corporation", "Virtual Machine", True),
        ("Microsoft Corporation", "Surface Laptop 4", False),
        ("QEMU", "Standard PC (Q35 + ICH9, 2009)", True),
        ("VMware, Inc.", "VMware7,1", True),
        ("Dell Inc.", "PowerEdge R740", False),
        ("", "", False),
    ],
)
def test_the_names_of_firmware_tell_guests_from_machines(vendor: str, product: str, guest: bool) -> None:
    assert firmware.is_guest(vendor, product) == guest


def test_a_raspberry_pi_is_said_to_be_out_of_range(tmp_path: Path) -> None:
    found = seen(tmp_path, "raspberry-pi-4", 4, threads_per_core=1, memory_kib=3_884_304)

    assert (found.machine.arch, found.machine.sockets, found.machine.cpu) == ("arm-a72", 1, None)
    assert found.machine.client
    assert power_model.outside(found.machine)
    assert any("Raspberry Pi 4 Model B Rev 1.4: laptops and small" in said for said in found.evidence)


def test_vcpus_that_are_whole_cores_are_charged_as_such_where_the_cloud_shows_them(tmp_path: Path) -> None:
    shown = seen(tmp_path / "a", "qemu-milan", 4, vendor=AWS, product="m7a.xlarge")
    hidden = seen(tmp_path / "b", "qemu-milan", 4, vendor="QEMU", product="Standard PC")

    assert shown.machine.threads_per_core == 1
    assert any("a core of its own" in sentence for sentence in shown.evidence)
    assert hidden.machine.threads_per_core is None
    whole, half = (power_model.power(each.machine, 0.5).total.value for each in (shown, hidden))
    assert whole == pytest.approx(2 * half, rel=0.3)  # the host has the same cores, and as much memory a vCPU


@pytest.mark.parametrize(
    ("name", "threads", "cpu", "tdp_w", "arch", "client"),
    [
        ("laptop-i7-8650u", 8, "core i7-8650u", 15, "kabylake", True),
        ("laptop-i7-1260p", 16, "core i7-1260p", 28, "raptorlake", True),
        ("ryzen-5800x", 16, "ryzen 7 5800x", 105, "zen3", True),
        ("threadripper-3990x", 128, "ryzen threadripper 3990x", 280, "zen2", False),
        ("xeon-e5-2620v3-bare", 24, "xeon e5-2620 v3", 85, "haswell", False),
    ],
)
def test_a_machine_of_ones_own_is_known_by_its_name(
    tmp_path: Path, name: str, threads: int, cpu: str, tdp_w: float, arch: str, client: bool
) -> None:
    machine = seen(tmp_path, name, threads, sockets=2 if threads == 24 else 1).machine

    assert not machine.virtual
    assert (machine.cpu, machine.tdp_w, machine.arch, machine.client) == (cpu, tdp_w, arch, client)
    assert machine.sockets == (2 if threads == 24 else 1)


def test_a_hybrid_laptop_has_its_real_number_of_cores(tmp_path: Path) -> None:
    machine = seen(tmp_path, "laptop-i7-1260p", 16).machine

    assert (machine.threads, machine.cores_per_socket, machine.threads_per_core) == (16, 12, 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_machine_of_the_fakes_is_described_in_plain_sentences(tmp_path: Path, name: str) -> None:
    found = seen(tmp_path, name, 4, vendor="QEMU", product="Standard PC")

    assert found.machine.threads == 4
    assert found.machine.vendor in {"intel", "amd", "arm"}
    assert all(text.isprintable() and len(text) < 200 for text in (*found.evidence, *found.hints))


def test_nothing_readable_gives_threads_and_no_more(tmp_path: Path) -> None:
    machine = identify.conclude(cpuinfo.linux(str(tmp_path), str(tmp_path))).machine

    assert machine.threads >= 1
    assert (machine.arch, machine.cpu, machine.memory_gb, machine.sockets, machine.client) == (None,) * 5


def test_rubbish_in_the_files_is_no_fact(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_bytes(b"\xff\xfe\0: :\nsiblings : many\ncpu cores : 0\nmodel : -1\n")
    (tmp_path / "meminfo").write_text("MemTotal:\n")
    machine = identify.conclude(cpuinfo.linux(str(tmp_path), str(tmp_path))).machine

    assert (machine.arch, machine.cpu, machine.memory_gb, machine.sockets) == (None,) * 4


@pytest.mark.parametrize(
    ("ranges", "count"), [("0-3\n", 4), ("0,64\n", 2), ("0-1,8-9,12", 5), ("0", 1), ("", 0), ("x-2", 0)]
)
def test_a_list_of_cpus_is_counted(ranges: str, count: int) -> None:
    assert cpuinfo.count(ranges) == count


def test_the_users_own_words_win(tmp_path: Path) -> None:
    given = Given(cpu="AMD EPYC 7763", tdp_w=240, sockets=1, memory_gb=64)
    found = seen(tmp_path, "firecracker-amd", 2, given)
    machine = found.machine

    assert (machine.cpu, machine.tdp_w, machine.sockets, machine.memory_gb) == ("epyc 7763", 240, 1, 64)
    assert (machine.threads, machine.virtual, machine.cores_per_socket) == (2, True, 64)
    assert found.hints == ()
    assert "epyc 7763, as given; 240 W as given" in found.evidence


def test_the_users_generation_wins_over_numbers_that_lie(tmp_path: Path) -> None:
    machine = seen(tmp_path, "masked-model-amx", 2, Given(arch="sapphirerapids")).machine

    assert (machine.arch, machine.memory_kind) == ("sapphirerapids", "ddr5")


def test_a_cpu_that_is_not_in_the_table_is_the_users_mistake_with_names_spelled_alike() -> None:
    with pytest.raises(UserError) as caught:
        identify.suppose(Given(cpu="EPYC 7764"))

    assert caught.value.line().startswith(
        "CPU 'EPYC 7764' is not in the table of processors; spelled alike: epyc 77"
    )


def test_an_unknown_generation_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="arch 'zen9' is unknown"):
        identify.suppose(Given(arch="zen9", vcpus=2))


def test_a_product_that_the_table_lacks_keeps_its_name_and_asks_for_its_tdp(tmp_path: Path) -> None:
    box = write_box(tmp_path, "epyc-7763-bare", 128)
    path = Path(box["proc"]) / "cpuinfo"
    path.write_text(path.read_text().replace("EPYC 7763", "EPYC 7999"))
    found = identify.conclude(cpuinfo.linux(**box))

    assert (found.machine.cpu, found.machine.tdp_w, found.machine.arch) == ("epyc 7999", None, "zen3")
    assert found.hints[0] == "--tdp WATTS: of one socket; epyc 7999 is not in the table of processors"


def test_a_supposed_server_is_whole_and_a_supposed_guest_has_its_vcpus() -> None:
    whole = identify.suppose(Given(cpu="Xeon Platinum 8375C")).machine
    guest = identify.suppose(Given(cpu="EPYC 7763", vcpus=4, memory_gb=16)).machine
    bare_count = identify.suppose(Given(vcpus=4)).machine

    assert (whole.threads, whole.sockets, whole.virtual, whole.memory_gb) == (128, 2, False, None)
    assert (guest.threads, guest.sockets, guest.virtual, guest.memory_gb) == (4, 2, True, 16)
    assert (bare_count.threads, bare_count.arch, bare_count.vendor) == (4, None, None)


def test_nothing_to_suppose_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match="neither a CPU nor a number of vCPUs"):
        identify.suppose(Given(memory_gb=4))


def test_an_estimated_tdp_is_called_so() -> None:
    hints = identify.suppose(Given(cpu="EPYC 9V74", vcpus=4, memory_gb=16)).hints

    assert any(hint.startswith("--tdp WATTS") and "360 W" in hint for hint in hints)


def test_this_very_machine_is_described_without_a_failure() -> None:
    assert identify.describe().machine.threads >= 1


def test_describing_takes_a_few_milliseconds(tmp_path: Path) -> None:
    box = write_box(tmp_path, "epyc-7763-bare", 256, sockets=2)
    identify.describe(proc=box["proc"], sysfs=box["sysfs"])
    began = time.process_time()
    identify.describe(proc=box["proc"], sysfs=box["sysfs"])

    assert time.process_time() - began < 0.05


MACS = {
    "machdep.cpu.brand_string: Apple M1\nhw.packages: 1\nhw.physicalcpu: 8\nhw.logicalcpu: 8\n"
    "hw.memsize: 17179869184\nhw.model: MacBookPro17,1\nkern.hv_vmm_present: 0\n": (
        "apple m1", None, "arm", 1, 8, False,
    ),
    "machdep.cpu.brand_string: Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz\nmachdep.cpu.vendor: GenuineIntel\n"
    "machdep.cpu.family: 6\nmachdep.cpu.model: 158\nmachdep.cpu.stepping: 10\nhw.packages: 1\n"
    "hw.physicalcpu: 6\nhw.logicalcpu: 12\nhw.memsize: 17179869184\n": (
        "core i7-9750h", "coffeelake", "intel", 1, 6, False,
    ),
    "machdep.cpu.brand_string: Apple processor\nhw.logicalcpu: 3\nkern.hv_vmm_present: 1\n": (
        None, None, "arm", None, None, True,
    ),
    "": (None, None, None, None, None, False),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MACS.items())
def test_a_mac_is_known_by_what_sysctl_prints(text: str, expected: tuple[object, ...]) -> None:
    machine = identify.conclude(elsewhere.of_sysctl(text)).machine

    assert (
        machine.cpu, machine.arch, machine.vendor, machine.sockets, machine.cores_per_socket, machine.virtual,
    ) == expected  # fmt: skip


def test_a_windows_machine_is_known_by_its_registry() -> None:
    values = {
        "ProcessorNameString": "AMD Ryzen 7 5800X 8-Core Processor             ",
        "Identifier": "AMD64 Family 25 Model 33 Stepping 0",
        "VendorIdentifier": "AuthenticAMD",
        "SystemManufacturer": "ASUS",
        "SystemProductName": "System Product Name",
        "memory": "34285510656",
    }
    machine = identify.conclude(elsewhere.of_registry(values, 16)).machine

    assert (machine.cpu, machine.arch, machine.vendor, machine.client) == (
        "ryzen 7 5800x",
        "zen3",
        "amd",
        True,
    )
    assert (machine.threads, machine.virtual, machine.cores_per_socket, machine.sockets) == (16, False, 8, 1)
    assert machine.memory_gb == pytest.approx(34.29, abs=0.01)


def test_a_windows_guest_in_azure_is_virtual() -> None:
    values = {
        "ProcessorNameString": "AMD EPYC 7763 64-Core Processor",
        "Identifier": "AMD64 Family 25 Model 1 Stepping 1",
        "VendorIdentifier": "AuthenticAMD",
        "SystemManufacturer": AZURE,
        "SystemProductName": "Virtual Machine",
    }
    machine = identify.conclude(elsewhere.of_registry(values, 4)).machine

    assert (machine.virtual, machine.threads, machine.sockets, machine.memory_gb) == (True, 4, 2, None)
