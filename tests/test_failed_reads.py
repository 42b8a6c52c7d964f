"""No source turns a failed read into a number: one law over all that read files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energywrap import config
from energywrap.sources import Sources, registry
from fakes import meters
from fakes.scenario import Scenario, Zone
from fakes.tree import write_tree

Builder = Callable[[Path], object]
ELSEWHERE = {"nvml", "gaudi", "amdsmi", "msr", "perf", "model", "thirdparty", "ipmi", "plugs", "snmp"}


def powercap(root: Path) -> object:
    """Two packages with memory, and a platform counter."""
    zone = Zone("package-0", [[0, 1]], start_uj=10**9, sub={"0": Zone("dram", [[0, 1]], start_uj=10**8)})
    other = Zone("package-1", [[0, 1]], start_uj=2 * 10**9)
    psys = Zone("psys", [[0, 1]], start_uj=5 * 10**9)
    return write_tree(root, Scenario({"intel-rapl": {"0": zone, "1": other, "2": psys}}))


def sensors(root: Path) -> object:
    """A server's power meter, Ampere's cores and rails."""
    meters.hwmon(root, 0, {"name": "power_meter", "power1_average": 250_000_000})
    meters.hwmon(root, 1, {"name": "apm_xgene", "power1_input": 80_000_000, "power1_label": "CPU power",
                           "power2_input": 20_000_000, "power2_label": "IO power"})  # fmt: skip
    return root


def amd_socket(root: Path) -> object:
    """The counters of the amd_energy driver."""
    (root / "bus/platform/drivers/amd_energy").mkdir(parents=True)
    labels = {"energy1_label": "Ecore000", "energy2_label": "Esocket0"}
    return meters.hwmon(
        root, 2, {"name": "amd_energy", **labels, "energy1_input": 7_000_000, "energy2_input": 3_000_000}
    )


def jetson(root: Path) -> object:
    """Three rails of an INA3221."""
    attributes: dict[str, str | int] = {"name": "ina3221"}
    for index, label in enumerate(("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"), 1):
        attributes |= {f"in{index}_label": label, f"in{index}_input": 5000, f"curr{index}_input": 300}
    return meters.put(root / "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1", attributes)


def cray(root: Path) -> object:
    """A node's counters."""
    files: dict[str, str | int] = {
        f"{name}energy": "4711 J 1 us" for name in ("", "cpu_", "memory_", "accel0_")
    }
    return meters.put(root / "cray/pm_counters", {**files, "freshness": 3, "raw_scan_hz": 10})


def batteries(root: Path) -> object:
    """Two batteries that discharge."""
    for name, microwatts in (("BAT0", 9_000_000), ("BAT1", 4_000_000)):
        meters.supply(root, name, {"type": "Battery", "status": "Discharging", "power_now": microwatts})
    return root


BUILDERS: dict[str, Builder] = {
    "powercap": powercap, "sensors": sensors, "amd_socket": amd_socket, "jetson": jetson, "cray": cray,
    "batteries": batteries,
}  # fmt: skip


def opened(root: Path) -> Sources:
    """All sources that look nowhere but into the tree."""
    given_settings = config.resolve({"sysfs_root": str(root)}, {}, "/")
    openers = {key: opening for key, opening in registry.OPENERS.items() if key not in ELSEWHERE}
    found = Sources(given_settings, openers)
    list(found.open_slow())
    return found


def reading(sources: Sources) -> dict[str, float]:
    """What all of them show."""
    return {key: value for source in sources.opened for key, value in source.read().items()}


def spoil(path: Path, how: str) -> None:
    """Make a file fail in one of the ways that files in /sys do."""
    path.unlink()
    if how == "error":
        path.mkdir()  # opens, and every read of it fails
    elif how != "gone":
        path.write_text({"empty": "", "words": "no such thing\n", "unit": "N/A"}[how])


@pytest.mark.parametrize("kind", sorted(BUILDERS))
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_cannot_be_read_is_absent_and_the_rest_is_as_it_was(
    kind: str, data: st.DataObject, tmp_path: Path
) -> None:
    root = tmp_path / "sys"
    shutil.rmtree(root, ignore_errors=True)
    BUILDERS[kind](root)
    sources = opened(root)
    whole = reading(sources)
    assert whole
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    broken = data.draw(st.lists(st.sampled_from(files), unique=True, min_size=1, max_size=4))
    for path in broken:
        spoil(path, data.draw(st.sampled_from(["error", "gone", "empty", "words", "unit"])))

    for channel, value in reading(sources).items():
        assert value == whole[channel], (channel, broken)
    sources.close()


@pytest.mark.parametrize("kind", sorted(BUILDERS))
def test_when_nothing_can_be_read_nothing_is_told(kind: str, tmp_path: Path) -> None:
    BUILDERS[kind](tmp_path)
    sources = opened(tmp_path)
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and not path.is_symlink():
            spoil(path, "error")

    assert reading(sources) == {}
