"""Keys of providers: from the environment, or from a file that nobody else can read; never from argv."""

from __future__ import annotations

import os
import stat
import sys

from energywrap.errors import UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "keys.toml"
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key(provider: str, variable: str, environ: Mapping[str, str]) -> str:
    """The key of a provider. Raises UserError where there is none, or one that others could read."""
    found = environ.get(variable, "").strip() or _from_file(provider, environ)
    if not found:
        path = _path(environ) or FILE
        hint = f'set {variable}, or write {provider} = "..." into {path} and chmod 600 it'
        raise UserError(f"{provider} needs a key of yours", hint)
    if not found.isascii() or not found.isprintable():
        raise UserError(f"the key of {provider} holds characters that no key can have", "copy it again")
    return found


def _from_file(provider: str, environ: Mapping[str, str]) -> str:
    path = _path(environ)
    if path is None or not os.path.lexists(path):
        return ""
    try:
        with open(path, "rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & OTHERS:
                raise UserError(f"others can read the keys in {path}", f"chmod 600 {path}")
            found = _toml(file.read(65536)).get(provider)
    except OSError as err:
        raise UserError(f"cannot read the keys in {path}: {err.strerror}") from err
    except ValueError as err:
        raise UserError(f"{path} is not valid TOML") from err  # its own words might hold a key
    return found.strip() if isinstance(found, str) else ""


def _toml(data: bytes) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: dict[str, object] = tomllib.loads(data.decode("utf-8"))
    return found


def _path(environ: Mapping[str, str]) -> str | None:
    home = environ.get("XDG_CONFIG_HOME") or (
        os.path.join(environ["HOME"], ".config") if environ.get("HOME") else None
    )
    return os.path.join(home, "energywrap", FILE) if home else None
