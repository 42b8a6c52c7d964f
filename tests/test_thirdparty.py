"""Sources of other packages: found by their entry point, checked, and never the end of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from energywrap import config, plan
from energywrap.errors import Unavailable
from energywrap.model import Component
from energywrap.sources import thirdparty
from energywrap.sources.thirdparty import ThirdParty, open_thirdparty

GUIDE = Path(__file__).parents[1] / "docs/third-party-sources.md"
SETTINGS = config.resolve({}, {}, "/")

# A source with one channel; each test changes what it is about.
MODULE = """
from energywrap.errors import Unavailable
from energywrap.readings import Basis, Channel, Component, Gpu, Kind, Skipped

def channel(**given):
    usual = dict(id="{name}:power", component=Component.MACHINE, device="machine", source="{name}")
    return Channel(**{{**usual, "kind": Kind.GAUGE, **given}})

class Source:
    name, skipped, gpus = "{name}", (), ()
    channels = (channel(),)
    def read(self):
        return {{"{name}:power": 5}}
    def close(self):
        pass

def open_source(settings):
    return Source()

{more}
"""
# Opens what a folder of packages brings, in an interpreter that has it on its path; then reads.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from energywrap import config
from energywrap.sources.thirdparty import open_thirdparty
source = open_thirdparty(config.resolve({}, {}, "/"))
print(json.dumps([[c.id for c in source.channels], source.read(), [s.why for s in source.skipped],
                  "importlib.metadata" in sys.modules]))
"""
Package: TypeAlias = Callable[..., str]


def write_package(folder: Path, name: str, module: str, group: str = thirdparty.GROUP) -> None:
    """A package as pip leaves it."""
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}:open_source\n")
    (folder / f"{name}.py").write_text(module)


@pytest.fixture
def package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Package]:
    """Writes a package whose module ends with the given lines; returns its name, new in this process."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def write(more: str = "", *, module: str = MODULE) -> str:
        name = f"own{abs(hash((request.node.nodeid, len(made))))}"
        made.append(name)
        write_package(tmp_path, name, module.format(name=name, more=more.replace("NAME", name)))
        return name

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], ThirdParty]:
    """Opens what the packages of the test bring."""
    return lambda: open_thirdparty(SETTINGS, path=[str(tmp_path)])


def in_a_new_process(folder: Path, **environ: str) -> Any:
    """[ids, values, whys, whether importlib.metadata was loaded] of the packages in a folder."""
    argv = [sys.executable, "-c", PROGRAM, str(folder)]
    done = subprocess.run(argv, env={**os.environ, **environ}, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


def example() -> tuple[str, str]:
    """The project file and the module of the guide."""
    text = GUIDE.read_text()
    return text.split("```toml\n")[1].split("```")[0], text.split("```python\n")[1].split("```")[0]


# ---- the guide -------------------------------------------------------------------------------------


def test_the_guides_package_can_be_installed_and_read(tmp_path: Path) -> None:
    project, module = example()
    source, target = tmp_path / "project", tmp_path / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(project)
    (source / "energywrap_bench.py").write_text(module)
    (tmp_path / "watts").write_text("87.5\n")
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--no-index", "--disable-pip-version-check", "--target", str(target), str(source)]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        pytest.skip(f"pip cannot build here: {done.stderr.strip().splitlines()[-1:]}")
    ids, values, whys, _ = in_a_new_process(target, BENCH_METER=str(tmp_path / "watts"))

    assert ids == ["bench:power"]
    assert values == {"bench:power": 87.5}
    assert whys == []


def test_the_guides_module_works_as_pip_would_have_left_it(tmp_path: Path) -> None:
    project, module = example()
    assert 'bench = "energywrap_bench:open_source"' in project
    metadata = tmp_path / "energywrap_bench-1.0.dist-info"
    metadata.mkdir()
    (metadata / "entry_points.txt").write_text("[energywrap.sources]\nbench = energywrap_bench:open_source\n")
    (tmp_path / "energywrap_bench.py").write_text(module)
    there, absent = tmp_path / "watts", tmp_path / "nothing"
    there.write_text("87.5\n")

    assert in_a_new_process(tmp_path, BENCH_METER=str(there))[:2] == [["bench:power"], {"bench:power": 87.5}]
    assert in_a_new_process(tmp_path, BENCH_METER=str(absent))[2] == [f"no bench meter writes {absent}"]


# ---- what is found ---------------------------------------------------------------------------------


def test_a_packages_channel_is_read_and_has_a_place_in_the_plan(
    package: Package, opened: Callable[[], ThirdParty]
) -> None:
    name = package()
    source = opened()

    assert source.read() == {f"{name}:power": 5.0}
    assert [leaf.device for leaf in plan.choose(source.channels).meters] == ["machine"]
    assert source.skipped == ()
    source.close()


def test_a_machine_without_such_packages_lacks_nothing_and_loads_nothing(tmp_path: Path) -> None:
    write_package(tmp_path, "other", "1 / 0", group="console_scripts")
    with pytest.raises(Unavailable) as caught:
        open_thirdparty(SETTINGS, path=[str(tmp_path)])
    code = "import sys\nfrom energywrap.sources import thirdparty\nthirdparty.promising(None)\n"
    code += "print('importlib.metadata' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert caught.value.expected
    assert loaded.stdout.strip() == "False"


def test_of_a_package_that_is_installed_twice_the_first_one_counts(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        write_package(folder, "twice", "")

    assert thirdparty.mentions([str(folder) for folder in folders]) == [
        str(folders[0] / "twice-1.0.dist-info")
    ]


def test_the_working_directory_and_what_is_no_folder_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(tmp_path, "here", "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive.zip").touch()

    assert thirdparty.mentions(["", ".", str(tmp_path / "archive.zip"), str(tmp_path / "nothing")]) == []


# ---- what goes wrong in them -----------------------------------------------------------------------

TROUBLES = {
    "import": ("1 / 0", "ZeroDivisionError"),
    "exit": ("raise SystemExit(3)", "SystemExit"),
    "attribute": ("del open_source", "open_source"),
    "open": ("def open_source(settings): raise KeyError('deep')", "KeyError"),
    "absent": (
        "def open_source(settings): raise Unavailable('not plugged in', 'plug it in')",
        "not plugged in",
    ),
    "nothing": ("def open_source(settings): return None", "no tuple of Channel"),
    "no channel": ("Source.channels = ()", "no channel"),
    "a list": ("Source.channels = [channel()]", "no tuple of Channel"),
    "another thing": ("Source.channels = ('power',)", "no tuple of Channel"),
    "no read": ("Source.read = None", "cannot be read"),
    "one id twice": ("Source.channels = (channel(), channel())", "one id"),
    "a stranger's id": ("Source.channels = (channel(id='rapl:intel-rapl:0'),)", "must begin with"),
    "a stranger's share": ("Source.channels = (channel(share_id='nvml:GPU-a:share'),)", "must begin with"),
    "a stranger's family": ("Source.channels = (channel(source='rapl'),)", "the word"),
    "an id of bytes": ("Source.channels = (channel(id=b'x'),)", "texts"),
    "no device": ("Source.channels = (channel(device=None),)", "texts"),
    "an odd component": ("Source.channels = (channel(component='soul'),)", "component"),
    "an odd kind": ("Source.channels = (channel(kind='vibe'),)", "kind"),
    "a model": ("Source.channels = (channel(basis=Basis.MODELLED),)", "measured"),
    "a text as error": ("Source.channels = (channel(error='2 %'),)", "numbers"),
    "nan as limit": ("Source.channels = (channel(max_w=float('nan')),)", "numbers"),
    "a wrap below 0": ("Source.channels = (channel(wrap_j=-1.0),)", "numbers"),
}


@pytest.mark.parametrize(("more", "why"), TROUBLES.values(), ids=TROUBLES)
def test_trouble_in_a_package_is_named_and_leaves_the_others_going(
    more: str, why: str, package: Package, opened: Callable[[], ThirdParty]
) -> None:
    bad, good = package(more), package()
    source = opened()

    assert source.read() == {f"{good}:power": 5.0}
    assert [gap.what for gap in source.skipped] == [f"package {bad}"]
    assert why in source.skipped[0].why
    assert not source.skipped[0].expected


def test_a_source_may_not_take_the_name_of_ours(tmp_path: Path, opened: Callable[[], ThirdParty]) -> None:
    write_package(tmp_path, "rapl", "")

    assert ["rapl" in gap.why for gap in opened().skipped] == [True]


def test_unreadable_entry_points_are_named(tmp_path: Path, opened: Callable[[], ThirdParty]) -> None:
    write_package(tmp_path, "odd", "")
    (tmp_path / "odd-1.0.dist-info/entry_points.txt").write_bytes(b"[energywrap.sources]\nodd = \xff\n")

    assert [gap.what for gap in opened().skipped] == ["package odd"]


def test_a_reading_that_fails_is_absent_and_costs_no_other(
    package: Package, opened: Callable[[], ThirdParty]
) -> None:
    bad, good = package("Source.read = lambda self: 1 / 0"), package()
    source = opened()

    assert source.read() == {f"{good}:power": 5.0}
    assert "ZeroDivisionError" in source.errors[bad]


@pytest.mark.parametrize(
    "value", ["float('nan')", "float('inf')", "-1", "'5'", "None", "True", "[5]", "10**400"]
)
def test_a_value_that_is_no_number_is_dropped(
    value: str, package: Package, opened: Callable[[], ThirdParty]
) -> None:
    package(f"Source.read = lambda self: {{'NAME:power': {value}}}")

    assert opened().read() == {}


def test_a_value_of_an_unknown_channel_is_dropped(package: Package, opened: Callable[[], ThirdParty]) -> None:
    name = package("Source.read = lambda self: {'rapl:intel-rapl:0': 9.0, 'NAME:power': 5.0}")

    assert opened().read() == {f"{name}:power": 5.0}


@pytest.mark.parametrize("answer", ["None", "5", "[('a', 1)]"])
def test_an_answer_of_another_shape_is_no_reading(
    answer: str, package: Package, opened: Callable[[], ThirdParty]
) -> None:
    package(f"Source.read = lambda self: {answer}")

    assert opened().read() == {}


def test_closing_one_that_fails_closes_the_others(package: Package, opened: Callable[[], ThirdParty]) -> None:
    package("Source.close = lambda self: 1 / 0")
    other = package("closed = []\nSource.close = lambda self: closed.append(1)")
    opened().close()

    assert sys.modules[other].closed == [1]


def test_what_a_package_itself_skips_and_its_gpus_are_passed_on(
    package: Package, opened: Callable[[], ThirdParty]
) -> None:
    more = "Source.skipped = (Skipped('one', 'broken'), 'nonsense')\n"
    more += "Source.gpus = (Gpu('Big', 'uuid-1'), None)\n"
    package(more + "Source.channels = (channel(component=Component.GPU, device='gpu-0'),)")
    source = opened()

    assert [gap.what for gap in source.skipped] == ["one"]
    assert [gpu.name for gpu in source.gpus] == ["Big"]
    assert [channel.component for channel in source.channels] == [Component.GPU]
