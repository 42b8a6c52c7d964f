"""What stands between the user and the start of the command: few modules, found quickly, never stale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import energywrap

PROGRAM = Path(sys.executable).parent / "energywrap"
PACKAGE = Path(energywrap.__file__).parent
# All that may be loaded before the command starts, of ours and beyond what the interpreter brings along.
BEFORE = {
    "energywrap", *(f"energywrap.{name}" for name in (
        "_entry", "acceptance", "accounting", "accounting.perf", "config", "descriptors", "errors", "launch",
        "measure", "options", "readings", "record", "runner", "sampler", "sources", "sources.procstat",
        "sources.registry", "syscalls", "units", "waiting")),
    "_ctypes", "errno", "__future__", "gc", "marshal",
}  # fmt: skip
# Each of them takes longer to load than the rest of a short run.
SLOW = {"asyncio", "dataclasses", "enum", "json", "pathlib", "psutil", "pydantic", "pynvml", "re", "rich",
        "signal", "subprocess", "threading", "typer", "typing"}  # fmt: skip


def python(code: str, **environ: str) -> str:
    """What a fresh interpreter says."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}",
        ],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_little_is_loaded_before_the_command_starts() -> None:
    code = "import os\nbefore = set(sys.modules)\nimport energywrap._entry, energywrap.measure\n"
    loaded = set(python(code + "print(*(set(sys.modules) - before))").split())

    assert loaded <= BEFORE


def test_a_short_quiet_run_loads_nothing_slow_at_all(tmp_path: Path) -> None:
    code = """
import os
from energywrap import _entry
leave = os._exit
def show(status):
    os.write(2, " ".join(sys.modules).encode())
    leave(status)
os._exit = show
_entry.main()
"""
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S", "-c"),
            f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}",
            *("run", "--quiet", "-o", tmp_path / "report.json", "true"),
        ],
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())

    assert "energywrap.conclude" in loaded
    assert loaded & SLOW == set()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package in a folder of its own, compiled."""
    shutil.copytree(PACKAGE, tmp_path / "energywrap")
    subprocess.run([sys.executable, "-m", "compileall", "-q", tmp_path], check=True)
    return tmp_path


def finder(copy: Path, code: str) -> str:
    """What an interpreter says that uses our finder on that copy."""
    return python(
        f"sys.path.insert(0, {str(copy)!r})\n"
        f"from energywrap._entry import Quick\nsys.meta_path.insert(0, Quick)\n{code}",
        PYTHONDONTWRITEBYTECODE="1",
    )


@pytest.mark.parametrize("name", ["units", "sources", "sources.rapl", "formats.document"])
def test_our_modules_are_found_as_python_would_find_them(copy: Path, name: str) -> None:
    said = finder(
        copy,
        f"import energywrap.{name} as m\n"
        "print(m.__spec__.loader is Quick, m.__file__, m.__package__, getattr(m, '__path__', None))",
    )
    quick, file, package, *path = said.split()
    source = copy / "energywrap" / name.replace(".", "/")

    assert quick == "True"
    assert file in (f"{source}.py", f"{source}/__init__.py")
    assert package == (f"energywrap.{name}" if source.is_dir() else f"energywrap.{name}".rpartition(".")[0])
    assert " ".join(path) == (str([str(source)]) if source.is_dir() else "None")


def test_a_module_that_was_changed_is_never_run_as_it_was(copy: Path) -> None:
    module = copy / "energywrap" / "units.py"
    module.write_text(module.read_text() + "\nCHANGED = 1\n")
    said = finder(copy, "import energywrap.units as m\nprint(m.CHANGED, m.__spec__.loader is Quick)")

    assert said.split() == ["1", "False"]


@pytest.mark.parametrize("damage", [b"", b"\0" * 16, b"rubbish"])
def test_compiled_code_that_is_damaged_is_compiled_anew(copy: Path, damage: bytes) -> None:
    (compiled,) = (copy / "energywrap" / "__pycache__").glob(f"units.{sys.implementation.cache_tag}.pyc")
    compiled.write_bytes(damage)

    assert finder(copy, "import energywrap.units as m\nprint(m.J_PER_KWH)").strip() == "3600000.0"


def test_without_compiled_code_all_is_found_in_the_ordinary_way(copy: Path) -> None:
    shutil.rmtree(copy / "energywrap" / "__pycache__")

    assert finder(copy, "import energywrap.units as m\nprint(m.__spec__.loader is Quick)").strip() == "False"


def test_a_module_that_does_not_exist_is_a_plain_import_error(copy: Path) -> None:
    said = finder(copy, "try:\n import energywrap.nothing\nexcept ModuleNotFoundError as e:\n print(e.name)")

    assert said.strip() == "energywrap.nothing"


def test_the_installed_program_loads_nothing_of_its_own() -> None:
    text = PROGRAM.read_text()

    assert [line for line in text.splitlines() if line.startswith("import") and line != "import sys"] == []
