"""The machine's facts for the report: its owner recognises it, nobody else does."""

from __future__ import annotations

import os
import sys

from energywrap import syscalls
from energywrap.model import Git, Host
from energywrap.record import record
from energywrap.sources.procstat import ram_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from energywrap.model import Gpu

CPUINFO_BYTES = 8192  # one processor's lines; the whole file takes milliseconds on a large machine
NVIDIA, AMD, INTEL = "0x10de", "0x1002", "0x8086"
MAKERS = {
    NVIDIA: ("NVIDIA GPU", {"nvml"}),
    AMD: ("AMD GPU", {"amdsmi", "amdgpu"}),
    INTEL: ("Intel GPU", {"intelgpu"}),
}
GPU_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")  # display and processing accelerators
ROOT_BUS = "0000:00:"
GIT_TIMEOUT_S, GIT_PART, GIT_NEEDS_S = 1.0, 0.1, 0.05  # at most; of the run's duration; too little to ask
SALT_BYTES = 32


@record
class System:
    """What the operating system calls itself, this host, its own version and the processor's kind."""

    name: str
    host: str
    release: str
    machine: str


def facts(gpus: Sequence[Gpu], state_folder: str | None) -> Host:
    """What there is to say about this machine; a fact that cannot be read is None."""
    cpuinfo = _text("/proc/cpuinfo", CPUINFO_BYTES)
    system = _system()
    return Host(
        name_hash=name_hash(state_folder),
        cpu=cpu(cpuinfo),
        logical_cpus=os.cpu_count() or 1,
        ram_bytes=_ram_bytes(),
        gpus=tuple(gpus),
        os=_os_name() or system.name,
        kernel=f"{system.name} {system.release} {system.machine}",
        virtualisation=_virtualisation(cpuinfo),
        container=_container(),
        python=".".join(map(str, sys.version_info[:3])),
    )


def cpu(cpuinfo: str | None = None) -> str:
    """The processor as it calls itself, or at least its kind."""
    text = _text("/proc/cpuinfo", CPUINFO_BYTES) if cpuinfo is None else cpuinfo
    return _cpu(text) or _chip() or _system().machine


def unread_gpus(sys_root: str, answered: Collection[str]) -> list[str]:
    """Kinds of graphics processors on the PCI bus that none of the sources that answered speaks for."""
    vendors = set()
    folder = os.path.join(sys_root, "bus/pci/devices")
    for device in _listing(folder):
        if _text(f"{folder}/{device}/class").startswith(GPU_CLASSES):
            vendor = _text(f"{folder}/{device}/vendor").strip()
            if vendor != INTEL or not device.startswith(
                ROOT_BUS
            ):  # Intel's integrated ones are in the package
                vendors.add(vendor)
    return sorted(
        name for vendor, (name, sources) in MAKERS.items() if vendor in vendors and not sources & {*answered}
    )


def repository(folder: str) -> Git | None:
    """Commit and branch of the repository around `folder`, read from its files; dirtiness comes later."""
    git = _git_folder(folder)
    if git is None:
        return None
    head = _text(os.path.join(git, "HEAD")).strip()
    if not head.startswith("ref: "):
        return Git(head, None, None) if head else None
    reference = head[5:]
    common = os.path.join(git, _text(os.path.join(git, "commondir")).strip() or ".")
    commit = _text(os.path.join(git, reference)).strip() or _text(os.path.join(common, reference)).strip()
    commit = commit or _packed(_text(os.path.join(common, "packed-refs")), reference)
    return Git(commit, reference.removeprefix("refs/heads/"), None) if commit else None


def is_dirty(folder: str, environ: Mapping[str, str], duration_s: float) -> bool | None:
    """Whether tracked files differ from the commit, by git itself; None if it is absent or too slow.

    It may take a tenth of what the run has taken: nobody shall wait for it after a short command.
    """
    timeout = min(GIT_TIMEOUT_S, GIT_PART * duration_s)
    if timeout < GIT_NEEDS_S:
        return None
    import subprocess

    try:
        answer = subprocess.run(
            ["git", "-C", folder, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=True,
            env={**environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(answer.stdout.strip())


def _git_folder(folder: str) -> str | None:
    while True:
        candidate = os.path.join(folder, ".git")
        if os.path.isdir(candidate):
            return candidate
        if os.path.isfile(candidate):  # a worktree or a submodule: the file names the folder
            return os.path.join(folder, _text(candidate).removeprefix("gitdir:").strip())
        if os.path.dirname(folder) == folder:
            return None
        folder = os.path.dirname(folder)


def _packed(text: str, reference: str) -> str:
    for line in text.splitlines():
        commit, _, name = line.partition(" ")
        if name == reference:
            return commit
    return ""


def name_hash(state_folder: str | None) -> str | None:
    """A keyed hash of the host's name: the same in all reports of this user, meaningless to anyone else."""
    if state_folder is None:
        return None
    from _blake2 import blake2b  # hashlib takes 5 ms and opens OpenSSL

    path = os.path.join(state_folder, "salt")
    try:
        salt = _bytes(path)
        if len(salt) != SALT_BYTES:
            _new_salt(path)
            salt = _bytes(path)
    except OSError:
        return None
    digest: str = blake2b(
        _system().host.encode("utf-8", "surrogateescape"), key=salt, digest_size=8
    ).hexdigest()
    return digest


def _new_salt(path: str) -> None:
    """Make the salt file whole or not at all; of two runs that do so at once, the later one's stays."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(os.urandom(SALT_BYTES))
    os.replace(temporary, path)


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _system() -> System:
    if hasattr(os, "uname"):
        uname = os.uname()
        return System(uname.sysname, uname.nodename, uname.release, uname.machine)
    import platform  # takes 10 ms

    found = platform.uname()
    return System(found.system, found.node, found.release, found.machine)


def _cpu(cpuinfo: str) -> str | None:
    for key in ("model name", "Model", "Hardware", "cpu"):
        for line in cpuinfo.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key and value.strip():
                return value.strip()
    return None


def _chip() -> str | None:
    """What macOS calls its chip, else what Python knows of the processor; Linux has told in /proc."""
    if syscalls.LINUX:
        return None
    import platform

    from energywrap.sources import ioreport

    return ioreport.this_mac().chip or platform.processor() or None


def _ram_bytes() -> int | None:
    try:
        return ram_bytes()
    except (OSError, ValueError):
        return None


def _os_name() -> str | None:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return None


def _virtualisation(cpuinfo: str) -> str | None:
    if " hypervisor" not in cpuinfo:
        return None
    vendor = _text("/sys/class/dmi/id/sys_vendor").strip()
    return f"virtual machine ({vendor})" if vendor else "virtual machine"


def _container() -> str | None:
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    groups = _text("/proc/1/cgroup")
    return next((kind for kind in ("kubepods", "docker", "lxc") if kind in groups), None)


def _text(path: str, most: int = 1 << 20) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(most).decode("utf-8", "replace")
    except OSError:
        return ""


def _listing(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
