"""CPU package and DRAM energy from the processor's own registers: RAPL where the kernel shows no powercap."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Skipped
from energywrap.record import record
from energywrap.sources import topology
from energywrap.sources.topology import AMD, DRAM, HYGON, INTEL, PACKAGE, PLATFORM
from energywrap.units import joules_from_microjoules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.readings import Channel, Gpu
    from energywrap.sources.topology import Processor

FAMILY = "msr"
# Intel SDM volume 4 and AMD's processor programming references: the unit, then what counts in it
INTEL_UNIT, INTEL_PACKAGE, INTEL_DRAM, INTEL_PLATFORM = 0x606, 0x611, 0x619, 0x64D
AMD_UNIT, AMD_PACKAGE, AMD_FIRST_FAMILY = 0xC0010299, 0xC001029B, 0x17
VALUES = 1 << 32  # only the low half of a register counts
# Models of Intel's family 6 whose units are not what their unit register says
FIXED_DRAM = (0x3F, 0x4F, 0x56, 0x55, 0x6A, 0x6C, 0x57, 0x85)  # Haswell-EP to Ice Lake-SP, Xeon Phi: 15.3 µJ
WHOLE_JOULES = (0x8F, 0xCF, 0xAD, 0xAE)  # Sapphire, Emerald and Granite Rapids: psys in J, DRAM as usual
MICROJOULES = (0x37, 0x4A, 0x4C, 0x5A)  # Silvermont, Airmont: 2^n µJ instead of 2^-n J
FIXED_DRAM_UJ = 15.3

MODULE_FIX = "modprobe intel_rapl_msr   (as root; the same counters, in the powercap tree)"
ROOT_FIX = f"run as root, or better: {MODULE_FIX}"


@record
class Register:
    """One energy counter of a processor: what it counts, where it is, J per unit."""

    part: str
    address: int
    unit_j: float


class Msr:
    """The counters of every package, each read on one of its CPUs; one that fails now is absent."""

    name = FAMILY
    gpus: tuple[Gpu, ...] = ()

    def __init__(self) -> None:
        self._fds: list[int] = []
        self._registers: dict[str, tuple[int, Register]] = {}
        self.channels: tuple[Channel, ...] = ()
        self.skipped: tuple[Skipped, ...] = ()

    def add(self, domain: str, fd: int, maker: Processor) -> None:
        """Count what the CPU behind `fd` knows of its package."""
        self._fds.append(fd)
        for register in _registers(fd, maker):
            raw = _read(fd, register.address)
            if not raw:  # refused, or a register that a hypervisor answers with nothing
                absent = Skipped(
                    f"{FAMILY} {register.part}-{domain}", "this processor does not count it", expected=True
                )
                self.skipped += (absent,)
                continue
            channel = topology.channel(FAMILY, register.part, domain, wrap_j=VALUES * register.unit_j)
            self._registers[channel.id] = (fd, register)
            self.channels += (channel,)

    def read(self) -> dict[str, float]:
        """Joules by channel id."""
        values = {}
        for channel_id, (fd, register) in self._registers.items():
            raw = _read(fd, register.address)
            if raw is not None:
                values[channel_id] = raw % VALUES * register.unit_j
        return values

    def close(self) -> None:
        """Close the devices."""
        self._registers = {}
        while self._fds:
            os.close(self._fds.pop())


def open_msr(settings: Settings, *, dev_root: str = "/dev", cpuinfo: str = topology.CPUINFO) -> Msr:
    """Open the register device of one CPU of every package; reads only.

    Raises Unavailable for other processors, without the kernel's msr module, and for anybody but root.
    """
    maker = topology.processor(cpuinfo)
    if not _known(maker):
        raise Unavailable("this processor has no RAPL registers", expected=True)
    root = settings.sysfs_root
    domains = topology.domains(topology.one_per_die(root), root, cpuinfo)
    if not domains:
        raise Unavailable(f"{root}/{topology.CPUS} does not tell which package a CPU belongs to")
    source = Msr()
    refused: OSError | None = None
    for domain, cpu in domains.items():
        path = os.path.join(dev_root, f"cpu/{cpu}/msr")
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as err:
            refused = err
            source.skipped += (Skipped(f"{FAMILY} package-{domain}", f"{path}: {err.strerror}"),)
        else:
            source.add(domain, fd, maker)
    if not source.channels:
        source.close()
        raise _nothing(refused, topology.counted_by_powercap(root))
    return source


def layout(maker: Processor, exponent: int) -> tuple[Register, ...]:
    """The counters of a processor whose unit register says `exponent`; parts of a package are left out."""
    if maker.vendor in (AMD, HYGON):
        return (Register(PACKAGE, AMD_PACKAGE, 2.0**-exponent),)
    if maker.family == 6 and maker.model in MICROJOULES:
        return (Register(PACKAGE, INTEL_PACKAGE, joules_from_microjoules(2.0**exponent)),)
    dram_j = platform_j = 2.0**-exponent
    if maker.family == 6 and maker.model in FIXED_DRAM:
        dram_j = joules_from_microjoules(FIXED_DRAM_UJ)
    if maker.family == 6 and maker.model in WHOLE_JOULES:
        platform_j = 1.0
    return (
        Register(PACKAGE, INTEL_PACKAGE, 2.0**-exponent),
        Register(DRAM, INTEL_DRAM, dram_j),
        Register(PLATFORM, INTEL_PLATFORM, platform_j),
    )


def _registers(fd: int, maker: Processor) -> tuple[Register, ...]:
    unit = _read(fd, INTEL_UNIT if maker.vendor == INTEL else AMD_UNIT)
    return () if not unit else layout(maker, unit >> 8 & 0x1F)


def _known(maker: Processor) -> bool:
    return maker.vendor == INTEL or (maker.vendor in (AMD, HYGON) and maker.family >= AMD_FIRST_FAMILY)


def _read(fd: int, address: int) -> int | None:
    """A register; None where the processor, or the host of a virtual machine, refuses it."""
    try:
        found = os.pread(fd, 8, address)
    except OSError:
        return None
    return int.from_bytes(found, "little") if len(found) == 8 else None


def _nothing(refused: OSError | None, counted: bool) -> Unavailable:
    if refused is None:
        why = "the processor answers none of its RAPL registers (a virtual machine?)"
        return Unavailable(why, expected=True)
    if isinstance(refused, FileNotFoundError):
        why = f"the kernel shows no {refused.filename}"
        return Unavailable(why, MODULE_FIX, expected=True)  # few load it: powercap is the usual way
    if isinstance(refused, PermissionError):
        why = f"the processor's registers are for root with CAP_SYS_RAWIO: {refused.filename}"
        return Unavailable(why, ROOT_FIX, expected=counted)
    return Unavailable(f"the processor's registers cannot be opened: {refused}", expected=counted)
