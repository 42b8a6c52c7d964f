"""RunReport to JSON text and back.

Written by hand for the way out: importing the standard `json` takes longer than the rest of a short run.
"""

from __future__ import annotations

from energywrap import model
from energywrap.errors import UserError
from energywrap.model import DIGITS, SCHEMA_VERSION, RunReport
from energywrap.record import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _json import encode_basestring_ascii as _quote
    from typing import Any, TypeVar

    T = TypeVar("T")
else:
    try:
        from _json import encode_basestring_ascii as _quote
    except ImportError:  # an interpreter without the C accelerator
        from json.encoder import encode_basestring_ascii as _quote

PLAIN = {"str": str, "bool": bool, "int": int}
SHOWN = 10  # of the keys that a document lacks
LARGEST = 1e300  # beyond, a number is no measurement


def text(report: RunReport) -> str:
    """The report as indented JSON. Numbers keep ten significant digits."""
    return _render(report, "") + "\n"


def record_text(item: object) -> str:
    """Any record as indented JSON, its numbers to ten significant digits."""
    return _render(item, "") + "\n"


def line(item: object) -> bytes:
    """A record as one line of JSON."""
    return _flat(item).encode() + b"\n"


def _flat(value: object) -> str:
    names = fields(value)
    if names is not None:
        value = {name: getattr(value, name) for name in names}
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quote(str(k))}: {_flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_flat(item) for item in value) + "]"
    return repr(value) if isinstance(value, float) else _scalar(value)


def from_line(kind: str, source: bytes) -> Any:
    """A record of model.py of that kind from one line. Raises ValueError if it is damaged."""
    import json

    if not source.endswith(b"\n"):
        raise ValueError("the line was cut off")
    return _build(kind, json.loads(source, parse_constant=_refuse_constant), kind)


def _render(value: object, indent: str) -> str:
    names = fields(value)
    if names is not None:
        value = {name: getattr(value, name) for name in names}
    if isinstance(value, dict):
        return _block(
            "{}", [f"{_quote(str(k))}: {_render(v, indent + '  ')}" for k, v in value.items()], indent
        )
    if isinstance(value, (tuple, list)):
        if any(isinstance(item, (dict, tuple, list)) or fields(item) for item in value):
            return _block("[]", [_render(item, indent + "  ") for item in value], indent)
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    return _scalar(value)


def _block(brackets: str, lines: list[str], indent: str) -> str:
    if not lines:
        return brackets
    inner = f",\n{indent}  ".join(lines)
    return f"{brackets[0]}\n{indent}  {inner}\n{indent}{brackets[1]}"


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("a report holds no NaN and no infinity")
        shown = f"{value:.{DIGITS}g}"
        return shown if any(mark in shown for mark in ".e") else shown + ".0"
    if isinstance(value, str):
        return _quote(value if value.isascii() else _valid(value))
    raise TypeError(f"{type(value).__name__} has no place in a report")


def _valid(value: str) -> str:
    """Text that UTF-8 can hold: bytes that were none when we got them are spelled out."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def parse(source: str, where: str) -> RunReport:
    """A report from its JSON text. Raises UserError, naming `where`, if it is none that can be read."""
    import json

    try:
        document = json.loads(source, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as err:
        hint = "it is empty" if not source.strip() else "it is cut off, or no report: is it the right file?"
        raise UserError(f"{where} is not JSON: {err}", hint) from err
    if not isinstance(document, dict) or "schema_version" not in document:
        raise UserError(f"{where} is not a report of energywrap: it has no schema_version")
    if document["schema_version"] != SCHEMA_VERSION:
        version = str(document["schema_version"])[:20]
        raise UserError(f"{where} has schema version {version}; this energywrap reads {SCHEMA_VERSION}")
    try:
        report: RunReport = _build("RunReport", document, "report")
        if not {"machine", "command"} <= report.scopes.keys():
            raise ValueError("scopes must hold machine and command")
        if not report.command:
            raise ValueError("command holds no word")
    except ValueError as err:
        raise UserError(f"{where} is not a complete report: {err}") from err
    return report


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _build(kind: str, value: Any, where: str) -> Any:
    """A value checked against and turned into the kind that an annotation of model.py names."""
    if "[" in kind and kind.endswith("] | None"):
        return None if value is None else _build(kind.removesuffix(" | None"), value, where)
    alternatives = kind.split(" | ") if "[" not in kind else [kind]
    if len(alternatives) > 1:
        if value is None and "None" in alternatives:
            return None
        fitting = [other for other in alternatives if _fits(other, value)] or alternatives[:1]
        return _build(fitting[0], value, where)
    if kind.startswith("tuple["):
        return tuple(_build(_inner(kind), item, where) for item in _expect(list, value, where))
    if kind.startswith("dict["):
        return {
            k: _build(_inner(kind), item, f"{where}.{k}") for k, item in _expect(dict, value, where).items()
        }
    if kind in PLAIN or kind == "float":
        if not _fits(kind, value):
            raise ValueError(f"{where} is no {kind}")
        return value
    cls = getattr(model, kind)
    table = _expect(dict, value, where)
    missing = [name for name in fields(cls) or () if name not in table]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise ValueError(f"{where} lacks {', '.join(missing[:SHOWN])}{more}")
    kinds = cls.__annotations__
    return cls(**{name: _build(kinds[name], table[name], f"{where}.{name}") for name in fields(cls) or ()})


def _inner(kind: str) -> str:
    """X of `tuple[X, ...]`, and of `dict[str, X]`."""
    inside = kind[kind.index("[") + 1 : -1]
    return inside.removesuffix(", ...") if kind.startswith("tuple[") else inside.partition(", ")[2]


def _fits(kind: str, value: object) -> bool:
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST
    return type(value) is PLAIN.get(kind)


def _expect(kind: type[T], value: object, where: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{where} is no {kind.__name__}")
    return value
