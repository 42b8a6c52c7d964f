"""Energy of a Mac's processor, GPU and neural engine as Apple estimates it: one long-running `powermetrics`.

Not yet seen on real hardware. It needs root, or a sudoers line without a password; it never asks for one.
macOS has no signal for the death of a parent: what ends the child with us is that nobody reads its pipe any
more, at its next document. That also ends one that runs as root and takes no signal from us.
"""

from __future__ import annotations

import _thread
import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Gpu, Kind
from energywrap.sources import plists

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Mapping

    from energywrap.config import Settings
    from energywrap.readings import Skipped
else:
    import _signal

INTERVAL_MS = 500
PATIENCE_S = 5.0  # it takes most of a second to start, then an interval to its first document
READ_BYTES = 1 << 16
MAX_W = 500.0  # a Mac Studio with two dies draws 370 W at its plug
# Assumed: Apple calls the values estimates and gives no band (docs/methodology.md#measured-energy)
ERROR = 0.20
DEVICES = {
    "cpu": (Component.CPU, "cpu"),
    "gpu": (Component.GPU, "gpu-apple"),
    "ane": (Component.GPU, "ane"),
}
FACTS: dict[str, str | float | bool | None] = {
    "estimated": True,
    "caution": "Apple: estimated, not to be used for any comparison between devices",
}
SUDO_FIX = (
    'echo "$USER ALL = (root) NOPASSWD: /usr/bin/powermetrics" | sudo tee /etc/sudoers.d/powermetrics   '
    "(then give --sudo)"
    "   (or pip install zeus-apple-silicon, which needs no root)"
)


class Powermetrics:
    """The child and what it has told so far; once it has died nothing is read."""

    name = "powermetrics"
    skipped: tuple[Skipped, ...] = ()

    def __init__(self, argv: list[str], environ: Mapping[str, str], interval_ms: int, patience_s: float):
        """Start it and wait for its first document, which tells what it can measure."""
        self._counters = plists.Counters()
        self._alive, self._closed = True, False
        self._first = _thread.allocate_lock()
        self._first.acquire()
        self.pid, pipe = _start(argv, environ)
        try:
            _thread.start_new_thread(self._follow, (pipe,))
        except RuntimeError as err:
            os.close(pipe)
            raise Unavailable("no thread could be had to read powermetrics with") from err
        self.in_time = self._first.acquire(timeout=patience_s)
        self.told = self._counters.documents > 0
        self.channels = tuple(_channel(name, interval_ms / 1e3) for name in self._counters.now())
        self.gpus = tuple(Gpu("Apple GPU", c.device, FACTS) for c in self.channels if c.device == "gpu-apple")

    def _follow(self, pipe: int) -> None:
        """On a thread of its own: a pipe that fills up would hold the child back, and its energy with it."""
        waited_for = True
        try:
            while not self._closed and (piece := os.read(pipe, READ_BYTES)):
                self._counters.feed(piece)
                if waited_for and (self._counters.now() or self._counters.documents > 1):
                    waited_for = False
                    self._first.release()
        finally:
            self._alive = False
            os.close(pipe)
            if waited_for:
                self._first.release()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass  # taken in by whoever waits for the command

    def read(self) -> dict[str, float]:
        """Joules by channel id, up to the end of the last window."""
        sums = self._counters.now() if self._alive else {}
        return {c.id: sums[name] for c in self.channels if (name := c.id.partition(":")[2]) in sums}

    def close(self) -> None:
        """End the child: at once where we may, else by its pipe."""
        self._closed = True
        try:
            if os.waitpid(self.pid, os.WNOHANG)[0] == 0:  # alive, so the number is still its own
                os.killpg(self.pid, _signal.SIGTERM)
        except (ChildProcessError, ProcessLookupError, PermissionError):
            pass


def open_powermetrics(
    settings: Settings,
    *,
    environ: Mapping[str, str] = os.environ,
    root: bool | None = None,
    interval_ms: int = INTERVAL_MS,
    patience_s: float = PATIENCE_S,
) -> Powermetrics:
    """Start powermetrics. Raises Unavailable off macOS, without the right to run it, or if it tells none."""
    program = _find("powermetrics", environ)
    if program is None:
        raise Unavailable("there is no powermetrics here (it is part of macOS)", expected=True)
    argv = [program, "-f", "plist", "-i", str(interval_ms), "--samplers", "cpu_power,gpu_power"]
    root = os.geteuid() == 0 if root is None else root
    if not root and not settings.sudo:
        raise Unavailable("only root may run powermetrics", SUDO_FIX)
    if not root:
        sudo = _find("sudo", environ)
        if sudo is None:
            raise Unavailable("only root may run powermetrics, and there is no sudo here")
        argv = [sudo, "-n", *argv]  # -n: fail, never ask
    source = Powermetrics(argv, environ, interval_ms, patience_s)
    if source.channels:
        return source
    source.close()
    if source.told:
        raise Unavailable("powermetrics tells no energy of this Mac's processor (only Apple's own have any)")
    if not source.in_time:
        raise Unavailable(f"powermetrics told nothing within {patience_s:g} s")
    if root:
        raise Unavailable("powermetrics ended before it told anything", "powermetrics -n 1 shows why")
    raise Unavailable("only root may run powermetrics, and sudo asks for a password", SUDO_FIX)


def _find(name: str, environ: Mapping[str, str]) -> str | None:
    paths = [os.path.join(folder, name) for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def _start(argv: list[str], environ: Mapping[str, str]) -> tuple[int, int]:
    """Its number and what it writes. Its signals are as usual: else it would outlive its pipe, and us."""
    pipe, end = os.pipe()
    streams = (
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, end, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    )
    usual = (_signal.SIGPIPE, _signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP)
    try:
        pid = os.posix_spawn(
            argv[0], argv, environ, file_actions=streams, setpgroup=0, setsigmask=(), setsigdef=usual
        )
    except OSError as err:
        os.close(pipe)
        raise Unavailable(f"powermetrics cannot be started: {err.strerror}") from err
    finally:
        os.close(end)
    return pid, pipe


def _channel(name: str, tick_s: float) -> Channel:
    component, device = DEVICES[name]
    return Channel(
        id=f"powermetrics:{name}",
        component=component,
        device=device,
        source="powermetrics estimate",
        kind=Kind.COUNTER,
        max_w=MAX_W,
        tick_s=tick_s,
        error=ERROR,
    )
