"""Where a report goes, and getting it there whole or not at all."""

from __future__ import annotations

import os
import stat
import sys

from energywrap import syscalls
from energywrap.errors import UserError
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # else a pipe that nobody reads would hold us up; Windows has none


BASELINES = "baselines"  # folder in the state directory
SHARED_BASELINE = "/var/lib/energywrap/baseline.json"  # what an administrator has measured for everyone


class NotWritten(UserError):
    """The report could not be written, and why."""


@record
class Target:
    """The file to write; `fd` is open already if it is no regular file (a pipe, a device, /dev/fd/N)."""

    path: str | None
    fd: int | None
    reason: str | None  # why there is no path


def state_folder(environ: Mapping[str, str], *, platform: str = sys.platform) -> str | None:
    """energywrap's folder under the user's state directory (XDG, or %LOCALAPPDATA%); None without a home."""
    base = environ.get("XDG_STATE_HOME")
    if platform == "win32" and not os.path.isabs(base or ""):
        base = environ.get("LOCALAPPDATA")
    if not base or not os.path.isabs(base):
        home = environ.get("HOME")
        home = home if home and os.path.isabs(home) else _home_of_user()
        base = os.path.join(home, ".local", "state") if home else None
    return os.path.join(base, "energywrap") if base else None


def has_baselines(environ: Mapping[str, str]) -> bool:
    """Whether the power of an idle machine was ever kept there."""
    state = state_folder(environ)
    own = state is not None and os.path.isdir(os.path.join(state, BASELINES))
    return own or os.path.exists(SHARED_BASELINE)


def in_state_folder(environ: Mapping[str, str], started_at: str, run_id: str) -> Target:
    """The default place: one file per run, named by its start and its id."""
    state = state_folder(environ)
    if state is None:
        return Target(None, None, "no home directory is known; set HOME or XDG_STATE_HOME, or give --output")
    when = started_at.partition(".")[0].replace("-", "").replace(":", "").removesuffix("Z")
    name = f"{when}Z-{run_id}.json"
    return Target(os.path.join(state, "reports", name), None, None)


def named(given: str, origin: str, folder: str) -> Target:
    """What the user named. Raises UserError for an output that cannot ever be written."""
    where = f"--output {given}" if origin == "flag" else f"output = {given} ({origin})"
    if given == "-":
        raise UserError(f"{where}: standard output belongs to the command", "give a file, or /dev/stderr")
    path = os.path.join(folder, given)
    parent = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise UserError(f"{where} is a folder", "name a file in it")
    if not os.path.isdir(parent):
        import shlex

        raise UserError(f"{where}: the folder {parent} does not exist", f"mkdir -p {shlex.quote(parent)}")
    return _special(path, where) or Target(os.path.realpath(path), None, None)


def read(path: str) -> str:
    """The text of a saved report. Raises UserError for a file that cannot be read or is no text."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except OSError as err:
        raise UserError(f"cannot read {path}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise UserError(f"{path} is not JSON: it is not even text") from err


def write(destination: Target, text: str) -> None:
    """Write the report by a temporary file and a rename, or into the open descriptor. Raises NotWritten."""
    try:
        if destination.fd is not None:
            _into(destination.fd, text.encode())
        elif destination.path is not None:
            _replace(destination.path, text.encode())
        else:
            raise NotWritten(f"the report could not be written: {destination.reason}")
    except OSError as err:
        raise NotWritten(
            f"the report could not be written to {destination.path}: {err.strerror or err}"
        ) from err


def _into(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _replace(path: str, data: bytes) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    temporary = os.path.join(folder, f".energywrap-{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _special(path: str, where: str) -> Target | None:
    """An existing target that must not be replaced by a rename: a device, a pipe, one of our descriptors."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    if stat.S_ISREG(mode) and not path.startswith(("/dev/", "/proc/")):
        return None
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | NONBLOCK)
    except OSError as err:
        raise UserError(f"{where} cannot be opened: {err.strerror}") from err
    if NONBLOCK:
        os.set_blocking(fd, True)  # a slow reader gets the whole report
    if fd <= 2 and not syscalls.WINDOWS:
        import fcntl

        low, fd = fd, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(low)
    return Target(path, fd, None)


def _home_of_user() -> str | None:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return None
