"""RunReport to JSON text and back.

Written by hand for the way out: importing the standard `json` takes longer than the rest of a short run.
"""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.model import (
    SCHEMA_VERSION,
    Carbon,
    ComponentEnergy,
    Git,
    Gpu,
    Host,
    NotMeasured,
    Overhead,
    RunReport,
    Scope,
    Trace,
    Tree,
)
from energywrap.record import fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _json import encode_basestring_ascii as _quote
    from typing import Any
else:
    try:
        from _json import encode_basestring_ascii as _quote
    except ImportError:  # an interpreter without the C accelerator
        from json.encoder import encode_basestring_ascii as _quote

MANY = {"components": ComponentEnergy, "not_measured": NotMeasured, "gpus": Gpu}
ONE = {"tree": Tree, "carbon": Carbon, "host": Host, "git": Git, "trace": Trace, "overhead": Overhead}


def text(report: RunReport) -> str:
    """The report as indented JSON. Numbers keep ten significant digits."""
    return _render(report, "") + "\n"


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
        shown = f"{value:.10g}"
        return shown if any(mark in shown for mark in ".e") else shown + ".0"
    if isinstance(value, str):
        return _quote(value)
    raise TypeError(f"{type(value).__name__} has no place in a report")


def parse(source: str, where: str) -> RunReport:
    """A report from its JSON text. Raises UserError, naming `where`, if it is none that can be read."""
    import json

    try:
        document = json.loads(source)
    except ValueError as err:
        raise UserError(f"{where} is not JSON: {err}") from err
    if not isinstance(document, dict) or "schema_version" not in document:
        raise UserError(f"{where} is not a report of energywrap: it has no schema_version")
    if document["schema_version"] != SCHEMA_VERSION:
        raise UserError(
            f"{where} has schema version {document['schema_version']}; this energywrap reads {SCHEMA_VERSION}"
        )
    try:
        report: RunReport = _build(RunReport, document)
        return report
    except (KeyError, TypeError, AttributeError) as err:
        raise UserError(f"{where} is not a complete report: {err}") from err


def _build(cls: type[Any], document: dict[str, Any]) -> Any:
    values = {name: _field(name, document[name]) for name in fields(cls) or ()}
    return cls(**values)


def _field(name: str, value: Any) -> Any:
    if name == "scopes":
        return {scope: _build(Scope, {**_absent(Scope), **parts}) for scope, parts in value.items()}
    if name in MANY:
        return tuple(_build(MANY[name], item) for item in value)
    if name in ONE and value is not None:
        return _build(ONE[name], value)
    if isinstance(value, list):
        return tuple(value)
    return value


def _absent(cls: type[Any]) -> dict[str, None]:
    return dict.fromkeys(fields(cls) or ())
