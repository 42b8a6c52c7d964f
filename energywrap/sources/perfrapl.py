"""CPU package and DRAM energy from the kernel's `power` performance counters: RAPL without powercap."""

from __future__ import annotations

import os

from energywrap import syscalls
from energywrap.accounting.perf import ATTR_BYTES, FD_CLOEXEC, NUMBERS
from energywrap.errors import Unavailable
from energywrap.readings import Skipped
from energywrap.record import record
from energywrap.sources import topology

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.readings import Channel, Gpu

FAMILY = "perf"
PMU = "bus/event_source/devices/power"
PARANOID = "/proc/sys/kernel/perf_event_paranoid"
PARTS = {
    "energy-pkg": topology.PACKAGE,
    "energy-ram": topology.DRAM,
    "energy-psys": topology.PLATFORM,
}
MODULE_FIX = "modprobe rapl   (as root; the kernel's module for the power counters)"
PARANOID_FIX = (
    "sysctl kernel.perf_event_paranoid=0   (as root; lets every user count events of the whole machine)"
)
CONTAINER_FIX = (
    "docker run --cap-add PERFMON ...   (on the host perf_event_paranoid must be 0, or run as root)"
)


@record
class Event:
    """One event of the power counters: what it counts, how it is asked for, J per unit."""

    name: str
    part: str
    config: int
    scale_j: float


class Counter:
    """One open event: J since it was opened, or since its count last went backwards.

    The kernel takes a step of more than half the hardware's 32 bits for a negative one. Its true size is not
    known here, so the count begins anew at 0: who subtracts sees a restart, and no energy is made up.
    """

    def __init__(self, fd: int, scale_j: float) -> None:
        self._fd = fd
        self._scale_j = scale_j
        self._last = 0
        self._base = 0

    def joules(self) -> float | None:
        """The energy now; None where the read failed (an event in error gives no bytes)."""
        try:
            found = os.read(self._fd, 8)
        except OSError:
            return None
        if len(found) != 8:
            return None
        units = int.from_bytes(found, "little", signed=True)
        if units < self._last:
            self._base = units
        self._last = units
        return (units - self._base) * self._scale_j

    def close(self) -> None:
        """Close the event."""
        os.close(self._fd)


class Perf:
    """The events that could be opened here, each on one CPU of every package."""

    name = FAMILY
    gpus: tuple[Gpu, ...] = ()

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self.channels: tuple[Channel, ...] = ()
        self.skipped: tuple[Skipped, ...] = ()

    def add(self, channel: Channel, fd: int, scale_j: float) -> None:
        """Count an open event as well."""
        self._counters[channel.id] = Counter(fd, scale_j)
        self.channels += (channel,)

    def read(self) -> dict[str, float]:
        """Joules by channel id."""
        told = {channel_id: counter.joules() for channel_id, counter in self._counters.items()}
        return {channel_id: joules for channel_id, joules in told.items() if joules is not None}

    def close(self) -> None:
        """Close the events."""
        for channel_id in tuple(self._counters):
            self._counters.pop(channel_id).close()


def open_perf(settings: Settings, *, paranoid: str = PARANOID, cpuinfo: str = topology.CPUINFO) -> Perf:
    """Open the package, DRAM and platform events of the `power` PMU under `settings.sysfs_root`.

    Raises Unavailable without such a PMU, or where the kernel refuses its events to this user.
    """
    root = settings.sysfs_root
    folder = os.path.join(root, PMU)
    kind, cpus = _pmu(folder)
    events, skipped = _events(folder)
    domains = topology.domains(cpus, root, cpuinfo)
    if not events or not domains:
        raise Unavailable(f"{folder} counts no package or DRAM energy", expected=not events)
    reason, fix = _refusal(paranoid)
    expected = topology.counted_by_powercap(root)
    source = Perf()
    for event in events:
        for domain, cpu in domains.items():
            fd = _open(kind, event.config, cpu)
            if fd >= 0:
                source.add(topology.channel(FAMILY, event.part, domain), fd, event.scale_j)
            else:
                skipped.append(Skipped(f"{FAMILY} {event.part}-{domain}", reason, fix, expected))
    if not source.channels:
        raise Unavailable(reason, fix, expected=expected)
    source.skipped = (*skipped, *_cores(root))
    return source


def _pmu(folder: str) -> tuple[int, list[int]]:
    """The number of the PMU, and the CPUs that speak for their packages."""
    if not syscalls.LINUX or os.uname().machine not in NUMBERS or not os.path.isdir(folder):
        raise Unavailable("the kernel shows no `power` performance counters", MODULE_FIX, expected=True)
    try:
        kind = int(topology.text(os.path.join(folder, "type")))
        return kind, topology.cpu_list(topology.text(os.path.join(folder, "cpumask")))
    except (OSError, ValueError) as err:
        raise Unavailable(f"{folder} does not say how it is to be asked: {err}") from err


def _events(folder: str) -> tuple[list[Event], list[Skipped]]:
    """The events that count, and those that do not; energy-cores and energy-gpu are inside the package."""
    events, skipped = [], []
    for name in topology.names(os.path.join(folder, "events")):
        if "." in name:
            continue  # the scale or the unit of another one
        if name not in PARTS:
            skipped.append(Skipped(f"{FAMILY} {name}", "it is a part of the package", expected=True))
            continue
        path = os.path.join(folder, "events", name)
        try:
            events.append(Event(name, PARTS[name], _config(topology.text(path)), _scale_j(path)))
        except (OSError, ValueError) as err:
            skipped.append(Skipped(f"{FAMILY} {name}", f"the kernel does not say how to read it: {err}"))
    return events, skipped


def _config(words: str) -> int:
    field, _, value = words.strip().partition("=")
    if field != "event":
        raise ValueError(f"unknown event {words.strip()!r}")
    return int(value, 0)


def _scale_j(path: str) -> float:
    """J per unit. Another unit than Joules is refused: a wrong guess would be off by orders of magnitude."""
    unit = topology.text(f"{path}.unit").strip()
    if unit != "Joules":
        raise ValueError(f"its unit is {unit!r}, not Joules")
    scale_j = float(topology.text(f"{path}.scale"))
    if not 0 < scale_j < float("inf"):
        raise ValueError(f"its scale is {scale_j}")
    return scale_j


def _open(kind: int, config: int, cpu: int) -> int:
    """perf_event_open(2) of a whole CPU, without flags (these counters know none); -1 where it is refused."""
    attr = kind.to_bytes(4, "little") + ATTR_BYTES.to_bytes(4, "little") + config.to_bytes(8, "little")
    number = NUMBERS[os.uname().machine]
    return syscalls.syscall(number, attr.ljust(ATTR_BYTES, b"\0"), -1, cpu, -1, FD_CLOEXEC)


def _refusal(paranoid: str) -> tuple[str, str]:
    try:
        level = int(topology.text(paranoid))
    except (OSError, ValueError):
        level = 0
    if level > 0 and os.geteuid() != 0:
        return f"kernel.perf_event_paranoid is {level}: it keeps these counters for root", PARANOID_FIX
    return "the kernel refuses these performance counters (a container, or a security module)", CONTAINER_FIX


def _cores(sys_root: str) -> list[Skipped]:
    """AMD's counters of single cores."""
    if not os.path.isdir(os.path.join(sys_root, f"{PMU}_core")):
        return []
    return [
        Skipped(
            f"{FAMILY} power_core", "its cores are parts of the package; good for a display", expected=True
        )
    ]
