"""A report survives the way to text and back, every reader of JSON can read it, and garbage is refused."""

from __future__ import annotations

import json
import shutil
import types
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commandline import energywrap, saved
from energywrap.errors import UserError
from energywrap.formats import document, table
from energywrap.model import SCHEMA_VERSION, Basis, Component, RunReport
from energywrap.options import OPTIONS
from energywrap.record import fields, replace

SCHEMA_FILE = Path(document.__file__).parents[1] / "data" / "report.schema.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
PLAIN_LOOK = table.Look(100, False, "utf-8")

PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(-1e300, 1e300, allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
}
# a failing report is shown as it was found: to make one of this size smaller takes minutes
ANY_REPORT = settings(
    deadline=None,
    database=None,
    max_examples=60,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a kind that model.py names in its annotations."""
    inside = get_args(kind)
    if get_origin(kind) is tuple:
        return st.lists(anything(inside[0]), max_size=3).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(anything(inside[0]), anything(inside[1]), max_size=3)
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of(*(anything(one) for one in inside))
    if kind in PLAIN:
        return PLAIN[kind]
    return st.builds(kind, **{name: anything(hint) for name, hint in get_type_hints(kind).items()})


def reports() -> st.SearchStrategy[Any]:
    """Any report at all, with the command and the two scopes that every report has."""
    scopes = st.fixed_dictionaries(dict.fromkeys(("machine", "command"), anything(_scope_kind())))
    commands = st.lists(PLAIN[str], min_size=1, max_size=3).map(tuple)
    return st.builds(
        lambda report, two, words: replace(report, scopes=two, command=words),
        anything(RunReport),
        scopes,
        commands,
    )


def _scope_kind() -> Any:
    return get_args(get_type_hints(RunReport)["scopes"])[1]


def rounded(value: Any) -> Any:
    """The same with every float at ten significant digits, records as dictionaries, tuples as lists."""
    names = fields(value)
    if names is not None:
        return {name: rounded(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [rounded(item) for item in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of real runs, each of another kind."""
    folder = tmp_path_factory.mktemp("runs")
    lines: dict[str, tuple[str, ...]] = {
        "plain": ("sleep", "0.1"),
        "signal": ("--label", "x", "--project", "p", "--", "sh", "-c", "kill -9 $$"),
        "failed": ("--zone", "SE-SE3", "--pue", "1.3", "--interval", "0.05", "sh", "-c", "sleep 0.2; exit 7"),
        "given": ("--zone", "FR", "--intensity", "12", "--site", "aws", "--strict", "true"),
        "world": ("--no-color", "true"),
        "bytes": ("echo", "é\n\x1b[31m[bold]"),
    }
    for name, words in lines.items():
        changes = {"TZ": "UTC"} if name == "world" else {}
        energywrap("run", "-q", "-o", f"{name}.json", *words, cwd=folder, changes=changes)
    return {name: folder / f"{name}.json" for name in lines}


@pytest.fixture(scope="session")
def real(runs: dict[str, Path]) -> str:
    return runs["failed"].read_text(encoding="utf-8")


@given(report=reports())
@settings(ANY_REPORT)
def test_any_report_comes_back_equal_up_to_ten_significant_digits(report: RunReport) -> None:
    text = document.text(replace(report, schema_version=SCHEMA_VERSION))

    again = document.parse(text, "a test")

    assert rounded(again) == rounded(replace(report, schema_version=SCHEMA_VERSION))
    assert document.text(again) == text
    assert text.isascii()


@given(report=reports())
@settings(ANY_REPORT)
def test_the_standard_library_reads_the_same_values(report: RunReport) -> None:
    assert json.loads(document.text(report)) == rounded(report)


def test_what_comes_back_is_the_very_same_kind_of_record(real: str) -> None:
    report = document.parse(real, "a test")

    assert document.parse(document.text(report), "a test") == report
    assert isinstance(report.command, tuple)
    assert all(isinstance(watts, tuple) for watts in report.trace.power_w.values())
    assert document.text(report) == real


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_never_written(number: float, real: str) -> None:
    report = document.parse(real, "a test")

    with pytest.raises(ValueError, match="NaN"):
        document.text(replace(report, duration_s=number))
    with pytest.raises(ValueError, match="NaN"):
        document.text(replace(report, trace=replace(report.trace, power_w={"cpu": (1.0, number)})))


def test_something_that_is_no_value_is_never_written(real: str) -> None:
    report = document.parse(real, "a test")

    with pytest.raises(TypeError):
        document.text(replace(report, label=b"bytes"))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"7"', "true", "null", "[]"])
def test_a_number_that_is_none_is_never_read(number: str, real: str) -> None:
    plain = json.loads(real)
    text = real.replace(f'"suspended_s": {json.dumps(plain["suspended_s"])}', f'"suspended_s": {number}')
    assert text != real

    with pytest.raises(UserError):
        document.parse(text, "a.json")


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        " ",
        "null",
        "[]",
        "5",
        '"text"',
        "{}",
        "{",
        "\x00",
        "[" * 100_000,
        '{"schema_version": 1}',
        "1" * 9999,
    ]
    + ['{"schema_version": 2}', '{"schema_version": null}', '{"schema_version": "1"}', '{"a": 1} {"b": 2}'],
    ids=lambda text: text[:20],
)
def test_garbage_is_refused_in_one_line_with_its_name(garbage: str) -> None:
    with pytest.raises(UserError) as refusal:
        document.parse(garbage, "a.json")

    line = refusal.value.line()
    assert line.startswith("a.json ")
    assert "\n" not in line
    assert len(line) < 300


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a document."""
    children: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in children:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(plain: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> str:
    copy = deepcopy(plain)
    around = copy
    for key in path[:-1]:
        around = around[key]
    change(around, path[-1])
    return json.dumps(copy)


def remove(around: Any, key: Any) -> None:
    del around[key]


def put(value: Any) -> Callable[[Any, Any], None]:
    def change(around: Any, key: Any) -> None:
        around[key] = value

    return change


@pytest.mark.parametrize(
    "change", ["remove", None, "text", 7, -1e308, True, [], {}, [[]], {"x": {}}], ids=str
)
def test_a_damaged_report_is_refused_or_shown_but_never_a_crash(change: Any, real: str) -> None:
    plain = json.loads(real)

    for path in places(plain):
        text = changed(plain, path, remove if change == "remove" else put(change))
        assert shown(text).startswith(("a.json ", "\nenergywrap:")), path


def shown(text: str) -> str:
    """What a user sees of a saved report: its table, or the one line of a refusal."""
    try:
        return table.render(document.parse(text, "a.json"), None, PLAIN_LOOK).decode()
    except UserError as refusal:
        return refusal.line()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert SCHEMA["$id"] == "urn:energywrap:report:1"
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize("kind", ["plain", "signal", "failed", "given", "world", "bytes"])
def test_the_report_of_a_real_run_keeps_to_the_schema(kind: str, runs: dict[str, Path]) -> None:
    VALIDATOR.validate(saved(runs[kind]))


def test_a_report_without_any_key_or_with_one_too_many_breaks_the_schema(real: str) -> None:
    plain = json.loads(real)
    records = [path for path in places(plain) if isinstance(path[-1], str) and path[-2:-1] != ("power_w",)]
    assert len(records) > 100

    for path in records:
        assert not VALIDATOR.is_valid(json.loads(changed(plain, path, remove))), path
        assert not VALIDATOR.is_valid(json.loads(changed(plain, (*path[:-1], "surplus"), put(1)))), path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("components", 0, "component"), "tpu"),
        (("components", 0, "basis"), "guessed"),
        (("components", 0, "coverage"), 1.01),
        (("components", 0, "coverage"), -0.01),
        (("components", 0, "energy_j"), -1),
        (("components", 0, "energy_j"), None),
        (("scopes", "command", "cpu_share"), 1.5),
        (("carbon", "pue"), 0.9),
        (("trace", "start_s"), [0.0] * 601),
        (("trace", "power_w"), {"cpu": [1.0] * 601}),
        (("trace", "slice_s"), 0),
        (("settings", "zone", "value"), 5),
        (("exit_code",), 256),
        (("duration_s",), -1),
        (("command",), []),
        (("schema_version",), 2),
    ],
    ids=str,
)
def test_an_impossible_value_breaks_the_schema(path: tuple[Any, ...], value: Any, real: str) -> None:
    assert not VALIDATOR.is_valid(json.loads(changed(json.loads(real), path, put(value))))


def described(schema: dict[str, Any], name: str = "report") -> Iterator[str]:
    """The names of the schema's keys that are not described."""
    if not schema.get("description"):
        yield name
    for key, inner in schema.get("properties", {}).items():
        yield from described(inner, f"{name}.{key}")
    if "properties" in schema.get("items", {}):
        yield from described(schema["items"], f"{name}[]")


def test_every_key_of_the_schema_is_described() -> None:
    assert list(described(SCHEMA)) == []


UNITS = {"_j": " J", "_g": " g", "_s": " s", "_w": " W", "_g_per_kwh": "g/kWh", "_bytes": "ytes"}


def units(schema: dict[str, Any], name: str = "report") -> Iterator[str]:
    """The names of the keys whose description does not give the unit that the name ends in."""
    for key, inner in schema.get("properties", {}).items():
        ending = max((end for end in UNITS if key.endswith(end)), key=len, default=None)
        unit = UNITS[ending] if ending else ""
        if unit.replace("g/kWh", " g") not in inner["description"] and unit not in inner["description"]:
            yield f"{name}.{key}"
        yield from units(inner, f"{name}.{key}")
        yield from units(inner.get("items", {}), f"{name}.{key}[]")


def test_the_description_of_a_quantity_gives_its_unit() -> None:
    assert list(units(SCHEMA)) == []


def agree(schema: dict[str, Any], kind: Any, name: str = "report") -> Iterator[str]:
    """The names of the keys where the schema and model.py do not say the same."""
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    kinds = [part for part in parts if part is not type(None)]
    allowed = schema.get("type", [])
    nullable = "null" in ([allowed] if isinstance(allowed, str) else allowed)
    if nullable != (type(None) in parts):
        yield f"{name}: null"
    if get_origin(kinds[0]) is tuple:
        yield from agree(schema["items"], get_args(kinds[0])[0], f"{name}[]")
    elif fields(kinds[0]) is not None:
        hints = get_type_hints(kinds[0])
        if list(schema["properties"]) != list(hints) or schema["required"] != list(hints):
            yield f"{name}: keys"
        if schema["additionalProperties"] is not False:
            yield f"{name}: additionalProperties"
        for key, hint in hints.items():
            if key not in ("scopes", "settings", "power_w"):
                yield from agree(schema["properties"][key], hint, f"{name}.{key}")


def test_the_schema_and_the_model_say_the_same() -> None:
    properties = SCHEMA["properties"]

    assert list(agree(SCHEMA, RunReport)) == []
    for name in ("machine", "command"):
        assert list(agree(properties["scopes"]["properties"][name], _scope_kind(), name)) == []
    assert properties["scopes"]["required"] == ["machine", "command"]
    component = properties["components"]["items"]["properties"]
    assert component["component"]["enum"] == [v for k, v in vars(Component).items() if k.isupper()]
    assert component["basis"]["enum"] == [v for k, v in vars(Basis).items() if k.isupper()]


def test_the_schema_knows_every_setting_with_its_limits() -> None:
    properties = SCHEMA["properties"]["settings"]["properties"]
    options = {option.name: option for option in OPTIONS if option.in_files}

    assert list(properties) == list(options)
    for name, option in options.items():
        value = properties[name]["properties"]["value"]
        assert (value.get("minimum"), value.get("maximum")) == (option.low, option.high)
        assert ("null" in value["type"]) == (option.default is None)


def test_the_bounds_of_every_real_interval_enclose_its_value(runs: dict[str, Path]) -> None:
    for path in runs.values():
        plain = saved(path)
        for part in plain["components"]:
            assert part["low_j"] <= part["energy_j"] <= part["high_j"]
        for scope in plain["scopes"].values():
            assert scope["low_j"] <= scope["energy_j"] <= scope["high_j"]
            assert scope["co2e_low_g"] <= scope["co2e_g"] <= scope["co2e_high_g"]
        carbon = plain["carbon"]
        assert carbon["intensity_low_g_per_kwh"] <= carbon["intensity_g_per_kwh"]
        assert carbon["intensity_g_per_kwh"] <= carbon["intensity_high_g_per_kwh"]
        assert carbon["pue_low"] <= carbon["pue"] <= carbon["pue_high"]


def test_a_command_that_is_no_text_gives_a_report_that_is(tmp_path: Path) -> None:
    energywrap("run", "-q", "-o", "r.json", "--label", b"\xff\xfe", "echo", b"\xff", cwd=tmp_path)

    plain = saved(tmp_path / "r.json")

    assert plain["command"] == ["echo", "\\xff"]
    assert json.dumps(plain, ensure_ascii=False).encode("utf-8")  # no half of a pair of surrogates anywhere


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_report_of_a_run_in_a_repository_keeps_to_the_schema(tmp_path: Path) -> None:
    (tmp_path / "start").write_text(
        "git init -q . && git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m one\n"
    )
    assert energywrap("run", "-q", "-o", "first.json", "sh", "start", cwd=tmp_path).status == 0
    assert energywrap("run", "-q", "-o", "second.json", "true", cwd=tmp_path).status == 0

    plain = saved(tmp_path / "second.json")

    VALIDATOR.validate(plain)
    assert plain["git"]["dirty"] is None  # the run was too short to wait for git
    assert len(plain["git"]["commit"]) == 40
