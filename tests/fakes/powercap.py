"""Run a command that sees a scenario's live /sys: `python powercap.py SCENARIO.json -- CMD...`.

The command is unmodified and opens /sys/class/powercap as on hardware. Nothing changes outside its
private mount namespace, and nothing stays behind. CMD finds the CLOCK_MONOTONIC second at which the
scripts began in FAKE_SYSFS_EPOCH. Works as root, and as a user who may unshare and open /dev/fuse.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fakes.fuse import Directory, Server, libc, mount
from fakes.layout import classes, devices
from fakes.scenario import Scenario, load

SCENARIOS = Path(__file__).resolve().parent / "scenarios"
EPOCH = "FAKE_SYSFS_EPOCH"

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_REC, MS_PRIVATE, MNT_DETACH = 1 << 14, 1 << 18, 2
PR_SET_PDEATHSIG = 1
SCRATCH = "/sys/module"  # covered for a moment, in our namespace only, to hold the overlays' upper layers


def command(scenario: Path, *argv: str) -> list[str]:
    """The command line that runs `argv` on a scenario file."""
    return [sys.executable, str(Path(__file__).resolve()), str(scenario), "--", *argv]


@cache
def why_not() -> str | None:
    """Why this machine cannot show a fake /sys; None where it can. Tried once, in a child process."""
    if not sys.platform.startswith("linux"):
        return "mount namespaces need Linux"
    probe = command(SCENARIOS / "frozen.json", "cat", "/sys/class/powercap/intel-rapl:0/name")
    try:
        done = subprocess.run(probe, capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        return "a fake /sys does not answer here"
    if done.returncode == 0 and done.stdout == "package-0\n":
        return None
    return (done.stderr.strip().splitlines() or ["a fake /sys stays empty here"])[-1]


def run(scenario: Scenario, argv: list[str]) -> int:
    """Show the scenario to a command and give its exit status, 128+n where signal n killed it."""
    user_namespace = os.getuid() != 0
    _unshare(user_namespace)
    epoch = time.monotonic() if scenario.epoch is None else scenario.epoch
    servers = [_serve(target, tree) for target, tree in _mounts(scenario, epoch, user_namespace).items()]
    try:
        status = _call(argv, {**os.environ, EPOCH: repr(epoch)})
    finally:
        for pid in servers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return status if status >= 0 else 128 - status


def _unshare(user_namespace: bool) -> None:
    uid, gid = os.getuid(), os.getgid()
    if libc().unshare(CLONE_NEWNS | (CLONE_NEWUSER if user_namespace else 0)):
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} (unshare)")
    if user_namespace:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("none", "none", "/", flags=MS_REC | MS_PRIVATE)


def _mounts(scenario: Scenario, epoch: float, user_namespace: bool) -> dict[str, Directory]:
    """Make room for the mount points inside the real sysfs; what each is to show."""

    def clock() -> float:
        return max(0.0, time.monotonic() - epoch)

    groups = classes(scenario, clock)
    mount("tmpfs", "tmpfs", SCRATCH)
    _overlay("/sys/class", list(groups), user_namespace)
    _overlay("/sys/devices/virtual", ["powercap"], user_namespace)
    libc().umount2(SCRATCH.encode(), MNT_DETACH)  # the overlays keep their layers
    shown = {f"/sys/class/{name}": group for name, group in groups.items()}
    return {"/sys/devices/virtual/powercap": devices(scenario, clock), **shown}


def _overlay(path: str, names: list[str], user_namespace: bool) -> None:
    layers = Path(SCRATCH, path.replace("/", "_"))
    for name in names:
        (layers / "upper" / name).mkdir(parents=True)
    (layers / "work").mkdir()
    options = f"lowerdir={path},upperdir={layers}/upper,workdir={layers}/work"
    mount("overlay", "overlay", path, options=options + (",userxattr" if user_namespace else ""))


def _serve(target: str, tree: Directory) -> int:
    server = Server(tree, target)
    pid = os.fork()
    if pid:
        os.close(server.fd)
        return pid
    _die_with_parent()
    for number in (signal.SIGINT, signal.SIGQUIT):  # a terminal sends them to the whole group
        signal.signal(number, signal.SIG_IGN)
    server.serve()
    os._exit(0)


def _call(argv: list[str], env: dict[str, str]) -> int:
    for number in (signal.SIGINT, signal.SIGQUIT):  # they are the command's to answer
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # unlike SIG_IGN, not inherited through exec
    return subprocess.call(argv, env=env, preexec_fn=_die_with_parent)


def _die_with_parent() -> None:
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(argv: list[str]) -> int:
    """The exit status of the command."""
    if len(argv) < 3 or argv[1] != "--":
        sys.exit("usage: powercap.py SCENARIO.json -- CMD...")
    try:
        return run(load(Path(argv[0]).read_text()), argv[2:])
    except OSError as err:
        sys.exit(f"fake /sys: {err}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
