"""Other people's programs that can read a meter: run unseen, bounded in time, judged by what they say."""

from __future__ import annotations

import os
import time

from energywrap import syscalls
from energywrap.sources.polled import NoAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Mapping
else:
    import _signal

GRACE_S = 0.1  # between the last word and the end of a program
MOST_BYTES = 65536  # no answer of interest is longer
SYSTEM_FOLDERS = ("/usr/sbin", "/sbin")  # administrators' tools, missing in many users' PATH
PYTHON_IGNORES = syscalls.numbers("SIGPIPE", "SIGXFSZ")


def find(name: str, environ: Mapping[str, str]) -> str | None:
    """The path of an installed program."""
    for folder in (*environ.get("PATH", os.defpath).split(os.pathsep), *SYSTEM_FOLDERS):
        path = os.path.join(folder, name)
        if folder.startswith("/") and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def last_line(text: str) -> str:
    """The last line that says anything: warnings come first, what went wrong comes last."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


class Program:
    """One program with its arguments. It has no terminal and a session of its own: signals of the command's
    group do not reach it, and nothing it says is seen. Its status may be lost to whoever waits for our
    children, so that only its words count.
    """

    def __init__(self, words: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._words = words
        self._environ = {**environ, "LC_ALL": "C"}
        self._pid: int | None = None
        self._cancelled = False

    def ask(self, timeout_s: float) -> str:
        """Run it and return what it says on both streams. Raises NoAnswer if it cannot be run or hangs."""
        if not self._ended_by(time.monotonic() + GRACE_S):
            raise NoAnswer(f"{self._words[0]} still hangs")  # and must not pile up
        out, into = os.pipe()
        try:
            self._pid = self._spawn(into)
        except (OSError, NotImplementedError) as err:
            os.close(out)
            raise NoAnswer(f"{self._words[0]} cannot be run: {err}") from err
        finally:
            os.close(into)
        try:
            if self._cancelled:
                self._kill()  # that came between
            return self._listen(out, time.monotonic() + timeout_s)
        except TimeoutError:
            self._kill()
            raise NoAnswer(f"{self._words[0]} gave no answer within {timeout_s:g} s") from None
        finally:
            os.close(out)
            self._alive()  # takes in its end

    def cancel(self) -> None:
        """End it now, and whenever it is run again."""
        self._cancelled = True
        self._kill()

    def _kill(self) -> None:
        """End it, if it runs. What has become root's by sudo we cannot end: it is left to itself."""
        pid = self._pid
        if pid is not None and self._alive():
            try:
                os.killpg(pid, _signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _spawn(self, into: int) -> int:
        return os.posix_spawn(
            self._words[0],
            self._words,
            self._environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, into, 1),
                (os.POSIX_SPAWN_DUP2, into, 2),
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                *[(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable()],
            ],
            setsid=True,
            setsigmask=(),  # ours are all blocked
            setsigdef=PYTHON_IGNORES,
        )

    def _alive(self) -> bool:
        if self._pid is None:
            return False
        try:
            gone = os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            gone = True  # the wrapper's own loop takes in the ends of all children
        if gone:
            self._pid = None
        return not gone

    def _ended_by(self, until_s: float) -> bool:
        while self._alive():
            if time.monotonic() >= until_s:
                return False
            time.sleep(0.002)
        return True

    def _listen(self, out: int, until_s: float) -> str:
        import select

        ready = select.poll()
        ready.register(out, select.POLLIN)
        heard = b""
        while len(heard) < MOST_BYTES:
            if not ready.poll(max(0.0, until_s - time.monotonic()) * 1000):
                raise TimeoutError
            part = os.read(out, MOST_BYTES)
            if not part:
                break
            heard += part
        return heard[:MOST_BYTES].decode("utf-8", "replace")


def _inheritable() -> list[int]:
    """Descriptors that a driver's library opened without a thought of children."""
    found = []
    try:
        for name in os.listdir("/proc/self/fd"):
            try:
                if int(name) > 2 and os.get_inheritable(int(name)):
                    found.append(int(name))
            except OSError:
                continue  # the listing's own, closed by now
    except (OSError, ValueError):
        pass
    return found
