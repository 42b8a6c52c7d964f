"""Every setting is decided once, by the strongest place that names it, and remembers that place."""

from __future__ import annotations

import json
import os
import sys
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from commandline import energywrap
from energywrap import facility, grid, place
from energywrap.config import Settings, resolve
from energywrap.errors import UserError
from energywrap.options import FLAG, NUMBER, OPTIONS, Option

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLES = sorted((Path(__file__).parents[1] / "configs").glob("*.toml"))
LAYERS = ("user", "pyproject", "project", "named", "environment", "flag")  # weakest first
IN_FILES = [option for option in OPTIONS if option.in_files]


class Desk(NamedTuple):
    """A working directory and an environment with their files."""

    folder: Path
    environ: dict[str, str]

    def resolve(self, *pairs: tuple[str, str]) -> Settings:
        return resolve(dict(pairs), self.environ, str(self.folder))

    def refusal(self, *pairs: tuple[str, str]) -> str:
        with pytest.raises(UserError) as refusal:
            self.resolve(*pairs)
        assert "\n" not in refusal.value.line()
        return refusal.value.line()

    @property
    def project_file(self) -> Path:
        return self.folder / "energywrap.toml"

    @property
    def user_file(self) -> Path:
        return self.folder / "xdg" / "energywrap" / "config.toml"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "xdg" / "energywrap").mkdir(parents=True)
    return Desk(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path)})


def test_without_files_variables_and_flags_every_value_is_the_default(desk: Desk) -> None:
    settings = desk.resolve()

    assert {o.name: getattr(settings, o.name) for o in IN_FILES} == {o.name: o.default for o in IN_FILES}
    assert settings.origin == dict.fromkeys((option.name for option in IN_FILES), "default")
    assert settings.warnings == ()


@pytest.mark.parametrize("present", list(product((False, True), repeat=len(LAYERS))), ids=str)
def test_the_strongest_layer_that_names_a_setting_decides_it(present: tuple[bool, ...], desk: Desk) -> None:
    layers = [layer for layer, there in zip(LAYERS, present, strict=True) if there]
    origins = {
        "user": f"file {desk.user_file}",
        "pyproject": f"file {desk.folder / 'pyproject.toml'}",
        "project": f"file {desk.project_file}",
        "named": f"file {desk.folder / 'named.toml'}",
        "environment": "environment ENERGYWRAP_LABEL",
        "flag": "flag",
    }
    given = {}
    if "user" in layers:
        desk.user_file.write_text('label = "user"\n')
    if "pyproject" in layers:
        (desk.folder / "pyproject.toml").write_text('[tool.energywrap]\nlabel = "pyproject"\n')
    if "project" in layers:
        desk.project_file.write_text('label = "project"\n')
    if "named" in layers:
        (desk.folder / "named.toml").write_text('label = "named"\n')
        given["config"] = "named.toml"
    if "environment" in layers:
        desk.environ["ENERGYWRAP_LABEL"] = "environment"
    if "flag" in layers:
        given["label"] = "flag"

    settings = desk.resolve(*given.items())

    assert settings.label == (layers[-1] if layers else None)
    assert settings.origin["label"] == (origins[layers[-1]] if layers else "default")


def test_each_value_keeps_the_origin_of_its_own_layer(desk: Desk) -> None:
    desk.user_file.write_text('zone = "FR"\nlabel = "mine"\n')
    desk.project_file.write_text("interval = 2\n")
    desk.environ["ENERGYWRAP_PUE"] = "1.3"

    settings = desk.resolve(("quiet", "true"))

    assert (settings.zone, settings.label, settings.interval) == ("FR", "mine", 2.0)
    assert (settings.pue, settings.quiet, settings.strict) == (1.3, True, False)
    assert settings.origin["zone"] == f"file {desk.user_file}"
    assert settings.origin["interval"] == f"file {desk.project_file}"
    assert settings.origin["pue"] == "environment ENERGYWRAP_PUE"
    assert settings.origin["quiet"] == "flag"
    assert settings.origin["strict"] == "default"


def test_the_project_files_do_not_mix(desk: Desk) -> None:
    desk.project_file.write_text('label = "a"\n')
    (desk.folder / "pyproject.toml").write_text('[tool.energywrap]\nzone = "FR"\n')

    assert desk.resolve().zone is None

    (desk.folder / "named.toml").write_text("interval = 3\n")
    assert desk.resolve(("config", "named.toml")).label is None


def test_a_pyproject_can_be_named_as_the_configuration(desk: Desk) -> None:
    (desk.folder / "other").mkdir()
    (desk.folder / "other" / "pyproject.toml").write_text('[tool.energywrap]\nzone = "SE"\n')

    assert desk.resolve(("config", "other/pyproject.toml")).zone == "SE"


@pytest.mark.parametrize(
    "text", ["", "[tool.other]\nx = 1\n", '[project]\ndependencies = ["energywrap"]\n', "[tool.energywrap]\n"]
)
def test_a_pyproject_that_sets_nothing_changes_nothing(text: str, desk: Desk) -> None:
    (desk.folder / "pyproject.toml").write_text(text)

    assert set(desk.resolve().origin.values()) == {"default"}


def test_a_pyproject_of_others_is_not_even_parsed(desk: Desk) -> None:
    (desk.folder / "pyproject.toml").write_text("[tool.other\n")

    assert set(desk.resolve().origin.values()) == {"default"}


def test_our_table_in_a_pyproject_must_be_a_table(desk: Desk) -> None:
    (desk.folder / "pyproject.toml").write_text("[tool]\nenergywrap = 5\n")

    assert "tool.energywrap is not a table" in desk.refusal()


def test_the_variable_energywrap_config_names_a_file_and_the_flag_beats_it(desk: Desk) -> None:
    (desk.folder / "a.toml").write_text('label = "a"\n')
    (desk.folder / "b.toml").write_text('label = "b"\n')
    desk.environ["ENERGYWRAP_CONFIG"] = "a.toml"

    assert desk.resolve().label == "a"
    assert desk.resolve(("config", "b.toml")).label == "b"
    assert desk.resolve().warnings == ()


def test_an_empty_name_of_a_configuration_file_is_refused(desk: Desk) -> None:
    assert "--config" in desk.refusal(("config", ""))


def test_the_users_file_is_found_below_home_when_xdg_says_nothing(desk: Desk) -> None:
    folder = desk.folder / ".config" / "energywrap"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('zone = "NO"\n')
    del desk.environ["XDG_CONFIG_HOME"]

    assert desk.resolve().zone == "NO"

    desk.environ["XDG_CONFIG_HOME"] = ""
    assert desk.resolve().zone == "NO"


def test_without_a_home_there_is_no_users_file(desk: Desk) -> None:
    desk.environ.clear()

    assert desk.resolve().zone is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('zonee = "FR"', ["'zonee'", "did you mean 'zone'"]),
        ("frobnicate = 1", ["'frobnicate'", "known keys: output, interval"]),
        ('config = "other.toml"', ["'config'"]),
        ("interval = true", ["interval", "True is not a number", "SECONDS"]),
        ('interval = "1"', ["interval", "not a number"]),
        ("interval = nan", ["interval", "out of range"]),
        ("interval = inf", ["interval", "out of range"]),
        ("interval = 0", ["interval = 0 is out of range", "between 0.01 and 3600"]),
        ("interval = [1]", ["interval", "not a number"]),
        (f"interval = 1{'0' * 400}", ["interval", "between 0.01 and 3600"]),
        ("pue = 0.8", ["pue = 0.8 is out of range", "between 1 and 10"]),
        ("intensity = -1", ["intensity = -1 is out of range"]),
        ("zone = 5", ["zone = 5 is not text", "quotes"]),
        ('zone = ""', ["zone is empty", "ZONE"]),
        ('label = ["a"]', ["label", "not text"]),
        ("quiet = 1", ["quiet = 1 is neither true nor false"]),
        ('quiet = "yes"', ["quiet", "neither true nor false"]),
        ("[zone]\nx = 1", ["zone", "not text"]),
        ('output = "a\\u0000b"', ["output"]),
        ('sysfs_root = "\\u0000"', ["sysfs_root"]),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_key(line: str, words: list[str], desk: Desk) -> None:
    desk.project_file.write_text(line + "\n")

    refusal = desk.refusal()

    assert str(desk.project_file) in refusal
    assert [word for word in words if word not in refusal] == []


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("ENERGYWRAP_INTERVAL", "fast", ["'fast' is not a number", "SECONDS"]),
        ("ENERGYWRAP_INTERVAL", "", ["'' is not a number"]),
        ("ENERGYWRAP_INTERVAL", "nan", ["out of range"]),
        ("ENERGYWRAP_INTERVAL", "1e999", ["out of range"]),
        ("ENERGYWRAP_PUE", "0.99", ["0.99 is out of range", "between 1 and 10"]),
        ("ENERGYWRAP_QUIET", "perhaps", ["'perhaps' is neither true nor false"]),
        ("ENERGYWRAP_ZONE", "", ["is empty", "ZONE"]),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    variable: str, text: str, words: list[str], desk: Desk
) -> None:
    desk.environ[variable] = text

    refusal = desk.refusal()

    assert variable in refusal
    assert [word for word in words if word not in refusal] == []


@pytest.mark.parametrize("option", IN_FILES, ids=lambda option: option.name)
def test_a_mistake_on_the_command_line_names_the_flag(option: Option, desk: Desk) -> None:
    wrong = "x" if option.kind in (NUMBER, FLAG) else ""

    assert desk.refusal((option.name, wrong)).startswith(option.flags[0])


@pytest.mark.parametrize("option", IN_FILES, ids=lambda option: option.name)
def test_every_setting_can_be_given_in_the_environment(option: Option, desk: Desk) -> None:
    text, value = {NUMBER: ("2.5", 2.5), FLAG: ("yes", True)}.get(option.kind, ("a text", "a text"))
    name = option.name
    desk.environ[f"ENERGYWRAP_{name.upper()}"] = text

    settings = desk.resolve()

    if name == "ledger":
        value = str(desk.folder / text)  # a file, wherever the run is recovered
    assert getattr(settings, name) == value
    assert settings.origin[name] == f"environment ENERGYWRAP_{name.upper()}"
    assert settings.warnings == ()


@pytest.mark.parametrize("text", ["1", "true", "YES", " on "])
def test_a_switch_is_on_in_many_words(text: str, desk: Desk) -> None:
    desk.environ["ENERGYWRAP_QUIET"] = text

    assert desk.resolve().quiet is True


@pytest.mark.parametrize("text", ["0", "false", "No", "off", ""])
def test_a_switch_is_off_in_as_many_words(text: str, desk: Desk) -> None:
    desk.project_file.write_text("quiet = true\n")
    desk.environ["ENERGYWRAP_QUIET"] = text

    assert desk.resolve().quiet is False


@pytest.mark.parametrize("text", ["1", "0", "false", "anything"])
def test_no_color_counts_whatever_it_holds(text: str, desk: Desk) -> None:
    desk.environ["NO_COLOR"] = text

    settings = desk.resolve()

    assert (settings.no_color, settings.origin["no_color"]) == (True, "environment NO_COLOR")


def test_an_empty_no_color_is_as_good_as_none(desk: Desk) -> None:
    desk.environ["NO_COLOR"] = ""
    assert desk.resolve().origin["no_color"] == "default"

    desk.project_file.write_text("no_color = true\n")
    assert desk.resolve().no_color is True


def test_our_own_variable_beats_the_common_one(desk: Desk) -> None:
    desk.environ.update(NO_COLOR="1", ENERGYWRAP_NO_COLOR="0")

    assert desk.resolve().no_color is False


def test_a_variable_of_our_name_that_is_no_setting_is_warned_about(desk: Desk) -> None:
    desk.environ.update(ENERGYWRAP_ZOEN="FR", OTHER="x")

    settings = desk.resolve()

    assert settings.zone is None
    assert len(settings.warnings) == 1
    assert "ENERGYWRAP_ZOEN" in settings.warnings[0]


@pytest.mark.parametrize(
    "content",
    [b"zone = \n", b"zone = 'FR'\nzone = 'DE'\n", b"\xff\xfe", b"[[", b"zone = 'FR\x00'\n"]
    + [b"interval = 1" + b"0" * 5000, b"label = " + b"[" * 5000],
    ids=lambda content: repr(content[:12]),
)
def test_malformed_toml_is_refused_with_the_files_name(content: bytes, desk: Desk) -> None:
    desk.project_file.write_bytes(content)

    assert f"{desk.project_file} is not valid TOML" in desk.refusal()


def test_a_named_file_must_exist_and_be_readable(desk: Desk) -> None:
    assert "missing.toml: No such file" in desk.refusal(("config", "missing.toml"))
    assert "Is a directory" in desk.refusal(("config", "."))

    desk.environ["ENERGYWRAP_CONFIG"] = "missing.toml"
    assert "missing.toml: No such file" in desk.refusal()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
@pytest.mark.parametrize("which", ["project_file", "user_file"])
def test_a_file_that_is_there_but_unreadable_stops_the_run(which: str, desk: Desk) -> None:
    file: Path = getattr(desk, which)
    file.write_text('zone = "FR"\n')
    file.chmod(0)

    assert f"{file}: Permission denied" in desk.refusal()


def test_settings_cannot_be_written_to_later(desk: Desk) -> None:
    settings = desk.resolve()

    with pytest.raises(AttributeError):
        settings.zone = "FR"  # type: ignore[misc]


def test_there_are_four_examples() -> None:
    names = [path.stem for path in EXAMPLES]

    assert names == ["ci-runner", "cloud-vm", "laptop", "shared-server"]


def written(example: Path) -> dict[str, tuple[Any, str]]:
    """What a file sets, by the setting's name, with the origin that it shall have."""
    found: dict[str, tuple[Any, str]] = {}
    for key, value in tomllib.loads(example.read_text(encoding="utf-8")).items():
        inner = value.items() if isinstance(value, dict) else ((key, value),)
        origin = f"file {example} [{key}]" if isinstance(value, dict) else f"file {example}"
        found.update({name: (text, origin) for name, text in inner})
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_resolves_to_a_place_an_intensity_and_a_facility(example: Path, desk: Desk) -> None:
    table = written(example)

    settings = desk.resolve(("config", str(example)))

    assert {key: (getattr(settings, key), settings.origin[key]) for key in table} == table
    where = place.resolve(settings, desk.environ, str(desk.folder))
    assert where.warning is None
    assert grid.lookup(settings, where).g_per_kwh > 0
    assert facility.resolve(settings).pue >= 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_examples_commented_settings_are_valid_too(example: Path, desk: Desk) -> None:
    lines = example.read_text(encoding="utf-8").splitlines()
    spoken = [line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in lines]
    desk.project_file.write_text("\n".join(spoken) + "\n")

    assert desk.resolve().warnings == ()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_energywrap_config_shows_an_examples_values_and_the_file_they_are_from(
    example: Path, tmp_path: Path
) -> None:
    shown = energywrap("config", "--config", str(example), cwd=tmp_path)

    assert (shown.status, shown.err) == (0, "")
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in shown.out.splitlines()}
    for key, (value, origin) in written(example).items():
        text = value if isinstance(value, str) else json.dumps(value)
        assert rows[key] == [f"{value:g}" if isinstance(value, float) else text, origin]


def test_a_run_keeps_every_setting_with_its_origin_in_its_report(tmp_path: Path) -> None:
    (tmp_path / "energywrap.toml").write_text('zone = "SE"\nlabel = "nightly"\n')

    done = energywrap("run", "-q", "-o", "r.json", "true", cwd=tmp_path, changes={"ENERGYWRAP_PUE": "1.2"})

    assert (done.status, done.err) == (0, "")
    kept = json.loads((tmp_path / "r.json").read_text())["settings"]
    assert kept["zone"] == {"value": "SE", "origin": f"file {tmp_path / 'energywrap.toml'}"}
    assert kept["pue"] == {"value": 1.2, "origin": "environment ENERGYWRAP_PUE"}
    assert kept["output"] == {"value": "r.json", "origin": "flag"}
    assert kept["strict"] == {"value": False, "origin": "default"}
