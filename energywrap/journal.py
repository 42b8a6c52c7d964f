"""The record of a run that survives the wrapper: appended to while the command runs, gone once reported.

A line of JSON for what the run is, then one per checkpoint. A line that was cut off by a full disk or a lost
power supply is ignored, and the one before it counts.
"""

from __future__ import annotations

import os

from energywrap.formats import document
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from energywrap.model import Checkpoint, JournalHead

VERSION = 1
EVERY_S = 10.0
MOST_LINES = 720  # two hours; then the file starts again with the last line: a week is no larger than that
SUFFIX = ".journal"


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
        os.fdatasync(self._fd)

    def _start(self, data: bytes) -> None:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        temporary = f"{self.path}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600)
        try:
            _write(fd, self._head + data)
            os.rename(temporary, self.path)
        except OSError:
            os.close(fd)
            os.unlink(temporary)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._lines = fd, 1

    def remove(self) -> None:
        """The report is written: nothing of the journal is needed any more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            os.unlink(self.path)


@record
class Found:
    """A journal that was left behind, claimed by us, with its readable lines."""

    path: str
    head: JournalHead
    checkpoints: tuple[Checkpoint, ...]


def folder_in(state: str) -> str:
    """Where journals are kept."""
    return os.path.join(state, "journal")


def left_behind(folder: str) -> Iterator[Found]:
    """The journals of runs whose wrapper is gone, each claimed so that nobody else reports it as well."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in sorted(names):
        path = os.path.join(folder, name)
        if SUFFIX in name and not name.endswith(".new"):
            found = _claimed(path)
            if found is not None:
                yield found


def identity(pid: int) -> tuple[str, str]:
    """When a process started and in which boot of the machine; empty where /proc does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            started = file.read().rpartition(b") ")[2].split()[19].decode()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as text:
            return started, text.read().strip()
    except (OSError, IndexError):
        return "", ""


def _claimed(path: str) -> Found | None:
    """The journal under a name of our own; None if its run lives, another is at it, or it holds nothing."""
    base, _, claimant = path.partition(SUFFIX + ".")
    if claimant and _lives(int(claimant) if claimant.isdigit() else 0):
        return None
    try:
        with open(path, "rb") as file:
            head, *lines = file.readlines() or [b""]
        about = document.from_line("JournalHead", head)
        if identity(about.pid) == (about.pid_started, about.boot_id) and _lives(about.pid):
            return None
        mine = f"{base if claimant else path.removesuffix(SUFFIX)}{SUFFIX}.{os.getpid()}"
        os.rename(path, mine)
    except (OSError, ValueError):
        return None
    return Found(mine, about, tuple(_whole(lines)))


def _whole(lines: list[bytes]) -> Iterator[Checkpoint]:
    for line in lines:
        try:
            yield document.from_line("Checkpoint", line)
        except ValueError:
            continue


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
