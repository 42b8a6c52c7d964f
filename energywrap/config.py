"""Settings: flags > environment > project file > user file > defaults, each value with its origin."""

from __future__ import annotations

import os
import sys

from energywrap.errors import UserError
from energywrap.options import BY_NAME, FLAG, NUMBER, OPTIONS, Option
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Value = str | float | bool | None

PROJECT_FILE = "energywrap.toml"
PREFIX = "ENERGYWRAP_"
# tables in the files: their keys are those outside of them, or shorter words for these
TABLES: dict[str, dict[str, str]] = {"machine": {}, "place": {"metadata": "detect_cloud"}, "footprint": {}}
OTHER_VARIABLES = {"ENERGYWRAP_CONFIG", "ENERGYWRAP_RUN", "ENERGYWRAP_GRID_BASE_URL"}
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


@record
class Settings:
    """Every setting of a run, decided once; `origin` tells where each value came from."""

    output: str | None
    interval: float
    zone: str | None
    region: str | None
    detect_cloud: bool
    grid: str | None
    wait_for_green: str | None
    lasting: str
    intensity: float | None
    pue: float | None
    site: str
    include: str | None
    per: str | None
    stores: str | None
    for_days: float | None
    water: bool
    price: str | None
    embodied_kg: float | None
    gpu_embodied_kg: float | None
    lifetime_years: float | None
    label: str | None
    project: str | None
    stage: str | None
    ledger: str | None
    no_ledger: bool
    ci: str
    source: str | None
    meter: str | None
    sudo: bool
    baseline: float | None
    cpu: str | None
    tdp: float | None
    sockets: float | None
    memory_gb: float | None
    arch: str | None
    no_rest: bool
    max_energy: str | None
    max_co2e: str | None
    on_exceed: str
    grace: float
    quiet: bool
    strict: bool
    no_color: bool
    no_die_with_parent: bool
    sysfs_root: str
    origin: dict[str, str]
    warnings: tuple[str, ...]


def folder() -> str:
    """The working directory; "." when it was deleted or cannot be read: commands run there all the same."""
    try:
        return os.getcwd()
    except OSError:
        return "."


def resolve(given: Mapping[str, str], environ: Mapping[str, str], folder: str) -> Settings:
    """Settle every setting from the flags, the environment and the files that apply in `folder`.

    Raises UserError for an unreadable file, an unknown key or an impossible value, naming its origin.
    """
    values: dict[str, Value] = {}
    origin: dict[str, str] = {}
    for option in OPTIONS:
        if option.in_files:
            values[option.name], origin[option.name] = option.default, "default"
    warnings = []
    for path, table in _files(given, environ, folder):
        _take_table(table, path, values, origin)
    for variable, named in _variables(environ):
        if named is None:
            warnings.append(f"{variable} in the environment is not a setting of energywrap; ignored")
        else:
            text = "true" if variable == "NO_COLOR" else environ[variable]
            values[named.name] = _from_text(named, text, variable)
            origin[named.name] = f"environment {variable}"
    for name, text in given.items():
        option = BY_NAME[name]
        if option.in_files:
            values[name], origin[name] = _from_text(option, text, option.flags[0]), "flag"
    ledger = values["ledger"]
    if isinstance(ledger, str) and "://" not in ledger:
        # whoever recovers a run may be elsewhere
        values["ledger"] = os.path.join(folder, os.path.expanduser(ledger))
    return Settings(**values, origin=origin, warnings=tuple(warnings))  # type: ignore[arg-type]


def _variables(environ: Mapping[str, str]) -> list[tuple[str, Option | None]]:
    known: dict[str, Option] = {}
    for option in (option for option in OPTIONS if option.in_files):
        for variable in (*option.variables, PREFIX + option.name.upper()):
            known[variable] = option
    found: list[tuple[str, Option | None]] = [(v, o) for v, o in known.items() if v in environ]
    found = [(v, o) for v, o in found if v != "NO_COLOR" or environ[v]]  # no-color.org: empty is absent
    strange = [v for v in environ if v.startswith(PREFIX) and v not in known and v not in OTHER_VARIABLES]
    return found + [(variable, None) for variable in strange]


def _files(
    given: Mapping[str, str], environ: Mapping[str, str], folder: str
) -> list[tuple[str, dict[str, object]]]:
    """The tables that apply, weakest first: the user's file, then the named or the project's one."""
    found = []
    home = environ.get("XDG_CONFIG_HOME") or (
        os.path.join(environ["HOME"], ".config") if "HOME" in environ else None
    )
    user = os.path.join(home, "energywrap", "config.toml") if home else None
    if user and os.path.lexists(user):
        found.append((user, _load(user)))
    named = given.get("config", environ.get("ENERGYWRAP_CONFIG"))
    if named == "":
        raise UserError("the name of the configuration file is empty", "give a FILE or leave --config out")
    if named is not None:
        path = os.path.join(folder, named)
        table = _load(path)
        if path.endswith("pyproject.toml"):
            table = _tool_table(table, path)
            if not table:
                raise UserError(f"{path} holds no [tool.energywrap]", "name a file that holds settings")
        return [*found, (path, table)]
    own = project_file(folder)
    if own is None:
        return found
    table = _load(own)
    return [*found, (own, table if own.endswith(PROJECT_FILE) else _tool_table(table, own))]


def project_file(folder: str) -> str | None:
    """The project's own file of settings: its path, or that of a pyproject.toml that may hold our table."""
    project = os.path.join(folder, PROJECT_FILE)
    if os.path.lexists(project):
        return project
    pyproject = os.path.join(folder, "pyproject.toml")
    return pyproject if _mentions_us(pyproject) else None


def settings_file(folder: str) -> str | None:
    """The project's own file, if it holds settings of ours: as `--config` takes it. Raises UserError."""
    path = project_file(folder)
    if path is None or path.endswith(PROJECT_FILE) or _tool_table(_load(path), path):
        return path
    return None


def _mentions_us(path: str) -> bool:
    """Whether a pyproject.toml may hold our table: parsing it costs more than the rest of the start."""
    try:
        with open(path, "rb") as file:
            return b"energywrap" in file.read()
    except OSError:
        return False


def _tool_table(document: dict[str, object], path: str) -> dict[str, object]:
    tool = document.get("tool", {})
    table = tool.get("energywrap", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UserError(f"{path}: tool.energywrap is not a table", "write [tool.energywrap]")
    return table


def _load(path: str) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            table: dict[str, object] = tomllib.load(file)
    except OSError as err:
        raise UserError(f"cannot read the configuration file {path}: {err.strerror}") from err
    except (ValueError, RecursionError) as err:  # what the parser itself objects to, and what breaks it
        raise UserError(f"{path} is not valid TOML: {err}") from err
    return table


def _take_table(
    table: Mapping[str, object], path: str, values: dict[str, Value], origin: dict[str, str]
) -> None:
    for key, value in table.items():
        if key in TABLES and isinstance(value, dict):
            longer = TABLES[key]
            inner = {longer.get(str(name), str(name)): value[name] for name in value}
            _take_table(inner, f"{path} [{key}]", values, origin)
            continue
        option = BY_NAME.get(key)
        if option is None or not option.in_files:
            raise UserError(f"{path}: unknown key {key!r}", _did_you_mean(key))
        values[key] = _checked(option, value, f"{path}: {key}")
        origin[key] = f"file {path}"


def _did_you_mean(key: str) -> str:
    from difflib import get_close_matches  # only here: the command will not run

    names = [option.name for option in OPTIONS if option.in_files]
    close = get_close_matches(key, names, 1)
    return f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(names)}"


def _from_text(option: Option, text: str, where: str) -> Value:
    if option.kind == NUMBER:
        try:
            return _checked(option, float(text), where)
        except ValueError:
            raise UserError(f"{where} = {text!r} is not a number", _expected(option)) from None
    if option.kind == FLAG:
        word = text.strip().lower()
        if word not in TRUE + FALSE:
            raise UserError(f"{where} = {text!r} is neither true nor false")
        return word in TRUE
    return _checked(option, text, where)


def _checked(option: Option, value: object, where: str) -> Value:
    if option.kind == NUMBER:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserError(f"{where} = {value!r} is not a number", _expected(option))
        low, high = option.low or 0.0, option.high or float("inf")
        if not low <= value <= high:  # also refuses NaN
            raise UserError(f"{where} = {str(value)[:20]} is out of range", _expected(option))
        return float(value)
    if option.kind == FLAG:
        if not isinstance(value, bool):
            raise UserError(f"{where} = {value!r} is neither true nor false")
        return value
    if not isinstance(value, str):
        raise UserError(f"{where} = {value!r} is not text", "put it in quotes")
    if "\0" in value:
        raise UserError(f"{where} = {value!r} holds a NUL character")
    if not value:
        raise UserError(f"{where} is empty", f"give a {option.metavar} or leave it out")
    return value


def _expected(option: Option) -> str:
    return f"expected {option.metavar} between {option.low or 0:g} and {option.high or float('inf'):g}"
