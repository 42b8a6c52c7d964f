"""Whose processes are on a GPU: the command's, or others' as well."""

from __future__ import annotations

import os

from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INITIAL_PIDS = "pid:[4026531836]"  # the kernel's fixed number of the first PID namespace
MPS = "nvidia-cuda-mps"  # as much of nvidia-cuda-mps-server as the kernel keeps: it works for its clients
# NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND. All else only says that there is no new sample: NOT_FOUND,
# and SUCCESS with a count of 0, which pynvml raises as well.
UNTOLD = (3, 4, 13)
LISTS = ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses")
VERSIONS = ("_v3", "_v2")  # by name: without one, pynvml has another error for drivers before R510


@record
class Stat:
    """What the kernel says of a process: its name, its parent and when it was born."""

    name: str
    parent: int
    born: str  # clock ticks after boot: tells a process from a later one of the same number


def hidden(proc_root: str) -> bool:
    """Whether process numbers of the driver mean nothing here: another namespace, or a closed /proc."""
    try:
        others_too = stat(1, proc_root) is not None
        return not others_too or os.readlink(os.path.join(proc_root, "self/ns/pid")) != INITIAL_PIDS
    except OSError:
        return True


def stat(pid: int, proc_root: str) -> Stat | None:
    """A process's own line; None if there is none to see."""
    try:
        with open(os.path.join(proc_root, str(pid), "stat"), encoding="utf-8", errors="replace") as file:
            head, _, tail = file.read().rpartition(")")
        words = tail.split()
        return Stat(head.partition("(")[2], int(words[1]), words[19])
    except (OSError, ValueError, IndexError):
        return None


class Tree:
    """The command's processes: who descends from it, or was once seen to."""

    def __init__(self, pid: int, proc_root: str) -> None:
        self._proc_root = proc_root
        self._verdicts: dict[int, tuple[str, bool]] = {}
        for root in (pid, os.getpid()):  # we are the parent of what the command left behind
            found = stat(root, proc_root)
            if found is not None:
                self._verdicts[root] = (found.born, True)

    def owns(self, pid: int) -> bool | None:
        """Whether a process is the command's; None if it ended before it was looked at."""
        path: list[tuple[int, str]] = []
        verdict = False
        while pid > 0:
            found = stat(pid, self._proc_root)
            known = self._verdicts.get(pid)
            if found is None:
                return known[1] if known is not None and not path else None
            if known is not None and known[0] == found.born:
                verdict = known[1]
                break
            path.append((pid, found.born))
            pid = found.parent
        for passed, born in path:
            self._verdicts[passed] = (born, verdict)
        return verdict

    def is_proxy(self, pid: int) -> bool:
        """Whether a process works for others that do not show."""
        found = stat(pid, self._proc_root)
        return found is not None and found.name == MPS


class Sharing:
    """The command's part of each GPU, from who is on it and how much of its processors each one used."""

    def __init__(self, library: Any, tree: Tree, since_ns: int) -> None:
        self._library, self.tree = library, tree
        self._start_us = since_ns // 1000  # the driver counts microseconds since 1970
        self._since_us: dict[str, int] = {}
        self._last: dict[str, float] = {}
        self.untold: set[str] = set()  # UUIDs of GPUs whose users cannot be told apart

    def share(self, uuid: str, handle: Any) -> float | None:
        """The command's part (0..1) since this was last asked; None if nobody can tell.

        Between two samples of the driver (it takes up to 6 a second) the last known part holds.
        """
        mine, others = self._sides(pids(self._library, handle))
        if mine and not others:
            self._last.pop(uuid, None)
            return 1.0
        if any(self.tree.is_proxy(pid) for pid in others):
            self.untold.add(uuid)
            return None
        used = self._used(uuid, handle)
        own, foreign = self._sides(set(used or ()))
        mine, others = mine | own, others | foreign
        if not mine or not others:
            return 1.0 if mine else 0.0 if others else None
        if used is None:
            self.untold.add(uuid)
            return None
        own_pc, all_pc = (sum(used[pid] for pid in side) for side in (own, own | foreign))
        if all_pc > 0:
            self._last[uuid] = own_pc / all_pc
        return self._last.get(uuid)

    def _sides(self, present: set[int]) -> tuple[set[int], set[int]]:
        """The command's processes and the others; those that are gone unseen are neither."""
        verdicts = {pid: self.tree.owns(pid) for pid in present}
        mine = {pid for pid, verdict in verdicts.items() if verdict}
        return mine, {pid for pid, verdict in verdicts.items() if verdict is False}

    def _used(self, uuid: str, handle: Any) -> dict[int, float] | None:
        """Percent of the processors' time by process, in the samples since the last look; None if untold."""
        since_us = self._since_us.get(uuid, self._start_us)
        try:
            rows = self._library.nvmlDeviceGetProcessUtilization(handle, since_us)
        except self._library.NVMLError as error:
            return None if error.value in UNTOLD else {}
        used: dict[int, float] = {}
        for row in rows:
            # Some drivers leave rubbish in rows that they did not fill.
            if row.pid > 0 and row.smUtil <= 100 and row.timeStamp > since_us:
                used[row.pid] = used.get(row.pid, 0.0) + row.smUtil
                self._since_us[uuid] = max(self._since_us.get(uuid, 0), row.timeStamp)
        return used


def pids(library: Any, handle: Any) -> set[int]:
    """The processes on a GPU, computing or drawing. Raises NVMLError where the driver does not list them."""
    return {row.pid for name in LISTS for row in _rows(library, handle, name)}


def _rows(library: Any, handle: Any, name: str) -> list[Any]:
    """The answer to the newest version of a query that the driver knows."""
    for version in VERSIONS:
        ask = getattr(library, name + version, None)  # older versions of pynvml have only one
        if ask is None:
            continue
        try:
            return list(ask(handle))
        except library.NVMLError_FunctionNotFound:
            continue
    raise library.NVMLError(library.NVML_ERROR_FUNCTION_NOT_FOUND)
