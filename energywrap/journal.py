"""The record of a run that survives the wrapper: appended to while the command runs, gone once reported.

A line of JSON for what the run is, then one per checkpoint. A line that was cut off by a full disk or a lost
power supply is ignored, and the one before it counts.
"""

from __future__ import annotations

import os
from contextlib import suppress

from energywrap import procs, syscalls
from energywrap.formats import document
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from energywrap.model import Checkpoint, JournalHead

VERSION = 1
MOST_LINES = (
    720  # more than an hour; then the file starts again with the last line: a week is no larger than that
)
SUFFIX, ASIDE = ".journal", ".unreadable"
BINARY = getattr(os, "O_BINARY", 0)  # Windows would write two bytes for each end of line
LOCKED_BYTE = (1 << 31) - 2  # Windows locks bytes, and nobody else can read those: one that is never written


class Journal:
    """One run's file. Raises OSError where it cannot be written: then there is none from there on."""

    def __init__(self, folder: str, head: JournalHead) -> None:
        self.path = os.path.join(folder, head.run_id + SUFFIX)
        self._head = document.line(head)
        self._lines = 0
        self._fd = -1

    def write(self, checkpoint: Checkpoint) -> None:
        """Append a checkpoint and see it onto the disk."""
        data = document.line(checkpoint)
        if self._lines >= MOST_LINES or self._fd < 0:
            self._start(data)
        else:
            _write(self._fd, data)
            self._lines += 1
        getattr(os, "fdatasync", os.fsync)(self._fd)

    def _start(self, data: bytes) -> None:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        temporary = f"{self.path}.new"
        if syscalls.WINDOWS:  # where no open file can be renamed
            temporary = self.path
            self._let_go()
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | BINARY, 0o600)
        try:
            _lock(fd)  # who can lock it finds nobody writing it
            _write(fd, self._head + data)
            if temporary != self.path:
                os.rename(temporary, self.path)
        except OSError:
            os.close(fd)
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        self._let_go()
        self._fd, self._lines = fd, 1

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """The report is written: nothing of the journal is needed any more."""
        if self._fd >= 0:
            _finish(self._fd, lambda: os.unlink(self.path))
            self._fd = -1


@record
class Found:
    """A journal that was left behind, locked by us, with its readable lines."""

    path: str
    fd: int
    head: JournalHead
    checkpoints: tuple[Checkpoint, ...]

    def close(self, *, remove: bool) -> None:
        """Let go of it: it is reported and goes, or it is put aside for a person to look at."""
        aside = self.path + ASIDE
        _finish(self.fd, lambda: os.unlink(self.path) if remove else os.replace(self.path, aside))


def folder_in(state: str) -> str:
    """Where journals are kept."""
    return os.path.join(state, "journal")


def left_behind(folder: str) -> Iterator[Found]:
    """The journals that nobody writes any more, each locked so that nobody else reports it as well."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted(names):
        if name.endswith(SUFFIX):
            found = _claimed(os.path.join(folder, name))
            if found is not None:
                yield found


def identity(pid: int) -> tuple[str, str]:
    """When a process started and in which boot of the machine; empty where nobody tells or it is gone."""
    if not syscalls.LINUX:
        return _start_by_psutil(pid), ""
    try:
        started = procs.stat(pid)[procs.START].decode()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as text:
            return started, text.read().strip()
    except (OSError, IndexError):
        return "", ""


def _start_by_psutil(pid: int) -> str:
    try:
        import psutil
    except ImportError:
        return ""
    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return ""


def _claimed(path: str) -> Found | None:
    """The journal, locked; None if its run lives, another is at it, or it is none that we can read."""
    try:
        fd = os.open(path, os.O_RDWR | BINARY)
    except OSError:
        return None
    try:
        _lock(fd)
        with open(fd, "rb", closefd=False) as file:
            head, *lines = file.readlines() or [b""]
        about = document.from_line("JournalHead", head)
        gone = identity(about.pid) != (about.pid_started, about.boot_id)
        if gone and about.version == VERSION and os.fstat(fd).st_nlink > 0:
            return Found(path, fd, about, tuple(_whole(lines)))
    except (OSError, ValueError, RecursionError):
        pass
    os.close(fd)
    return None


def _whole(lines: list[bytes]) -> Iterator[Checkpoint]:
    for line in lines:
        try:
            yield document.from_line("Checkpoint", line)
        except ValueError:
            continue


def _lock(fd: int) -> None:
    """Lock an open file for this process alone, until it is closed. Raises OSError if another has done so."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        os.lseek(fd, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        os.lseek(fd, 0, os.SEEK_SET)
    else:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _finish(fd: int, change: Callable[[], None]) -> None:
    """Remove or rename a locked file, then let go of it; Windows wants it the other way round."""
    if syscalls.WINDOWS:
        os.close(fd)
    with suppress(OSError):  # somebody may have cleared the folder
        change()
    if not syscalls.WINDOWS:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
