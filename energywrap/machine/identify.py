"""Which machine this is, as far as it can be told without root or network, and what the user adds to that."""

from __future__ import annotations

import sys

from energywrap.errors import UserError
from energywrap.machine import archs, cpuinfo, cpunames, cpus, elsewhere, evidence
from energywrap.power_model.described import Described
from energywrap.record import record
from energywrap.units import BYTES_PER_GB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings
    from energywrap.machine.archs import Generation
    from energywrap.machine.cpuinfo import Seen
    from energywrap.machine.cpus import Product

USUAL_THREADS_PER_CORE = 2


@record
class Given:
    """What the user says of the machine; None: nothing."""

    cpu: str | None = None
    tdp_w: float | None = None  # of one socket
    sockets: int | None = None
    memory_gb: float | None = None
    arch: str | None = None
    vcpus: int | None = None


@record
class Identified:
    """A machine, what it was recognised by, and what the user could say to narrow its power."""

    machine: Described
    evidence: tuple[str, ...]
    hints: tuple[str, ...]


NOTHING = Given()


def of_settings(settings: Settings) -> Given:
    """What the user has said of the machine in flags, environment and files."""
    return Given(
        cpu=settings.cpu,
        tdp_w=settings.tdp,
        sockets=None if settings.sockets is None else int(settings.sockets),
        memory_gb=settings.memory_gb,
        arch=settings.arch,
    )


def check(settings: Settings) -> None:
    """Raise UserError, naming where it came from, for a processor or a generation that the tables lack."""
    for option, look_up in (("cpu", cpus.named), ("arch", archs.known)):
        value, origin = getattr(settings, option), settings.origin[option]
        if value is not None:
            try:
                look_up(value)
            except UserError as mistake:
                where = f"--{option}" if origin == "flag" else f"{option} ({origin})"
                raise UserError(f"{where}: {mistake.message}", mistake.hint) from mistake


def describe(given: Given = NOTHING, *, proc: str = "/proc", sysfs: str = "/sys") -> Identified:
    """This machine; the user's own words win. Raises UserError for a word that the tables do not know."""
    if sys.platform == "darwin":
        return conclude(elsewhere.of_sysctl(elsewhere.sysctl()), given)
    if sys.platform == "win32":
        return conclude(elsewhere.of_registry(elsewhere.registry(), elsewhere.threads()), given)
    return conclude(cpuinfo.linux(proc, sysfs), given)


def suppose(given: Given) -> Identified:
    """A machine of which only the user speaks: a virtual one where a number of vCPUs is given."""
    product = cpus.named(given.cpu) if given.cpu is not None else None
    if given.vcpus is None and product is None:
        raise UserError("neither a CPU nor a number of vCPUs is given", "add --cpu NAME or --vcpus N")
    sockets = given.sockets or (product.sockets if product else None)
    threads = given.vcpus
    if threads is None and product is not None:
        per_core = product.threads_per_core or USUAL_THREADS_PER_CORE
        threads = product.cores_per_socket * per_core * (sockets or 1)
    seen = cpuinfo.Seen(threads=threads or 1, virtual=given.vcpus is not None)
    return _identified(seen, given, product, None, sockets)


def conclude(seen: Seen, given: Given = NOTHING) -> Identified:
    """The machine behind what the operating system said and the user says."""
    generation = archs.generation(
        seen.vendor,
        seen.family,
        seen.model,
        seen.stepping,
        seen.flags,
        strict=cpunames.is_model_of_hypervisor(seen.name),
    )
    if given.cpu is not None:
        product: Product | None = cpus.named(given.cpu)
    else:
        product = cpus.product(seen.name) or cpus.of_cloud(generation.arch, seen.system_vendor)
    return _identified(seen, given, product, generation, given.sockets or _sockets(seen, given, product))


def _identified(
    seen: Seen, given: Given, product: Product | None, generation: Generation | None, sockets: int | None
) -> Identified:
    """The nouns put together; of a guest, the table tells what the host is built of."""
    arch = _arch(given, product, generation)
    named = product.key if product else _unlisted(seen.name)
    client = archs.is_client(named, arch, "" if product else seen.board)
    virtual = seen.virtual or given.vcpus is not None
    # the kernel sees the cores of the product only where it is no guest, and nobody has named another product
    own = not virtual and given.cpu is None
    cores = (seen.cores_per_socket if own else None) or (product.cores_per_socket if product else None)
    per_core = (seen.threads_per_core if own else None) or (product.threads_per_core if product else None)
    if given.vcpus is None and evidence.has_whole_cores(seen):
        per_core = 1
    machine = Described(
        threads=given.vcpus or seen.threads,
        virtual=virtual,
        vendor=_vendor(seen, given, named, arch),
        arch=arch,
        cpu=named,
        tdp_w=given.tdp_w or (product.tdp_w if product else None),
        sockets=sockets,
        cores_per_socket=cores,
        threads_per_core=per_core,
        memory_gb=given.memory_gb or (seen.memory_bytes / BYTES_PER_GB if seen.memory_bytes else None),
        memory_kind=seen.memory_kind or archs.memory_kind(arch, client),
        year=None,
        client=client,
    )
    return Identified(
        machine,
        evidence.sentences(machine, seen, given, product, generation),
        evidence.hints(machine, seen, given, product),
    )


def _sockets(seen: Seen, given: Given, product: Product | None) -> int | None:
    """As many as the kernel sees; of a guest's host as the table says, and of a part that is always alone."""
    usual = product.sockets if product else None
    if seen.virtual or given.vcpus is not None:
        return usual
    if seen.threads_per_socket:
        return -(-seen.threads // seen.threads_per_socket)
    return 1 if usual == 1 else None


def _arch(given: Given, product: Product | None, generation: Generation | None) -> str | None:
    """The user's word; else of this machine's own CPU its numbers before its name; of another, its name."""
    if given.arch is not None:
        return archs.known(given.arch)
    by_name = product.arch if product else None
    by_number = generation.arch if generation else None
    return (by_name or by_number) if given.cpu else (by_number or by_name)


def _unlisted(name: str) -> str | None:
    """The key of a product that the table does not have; None for a name that names none."""
    key = cpunames.key(name)
    return key if cpunames.is_product(key) else None


def _vendor(seen: Seen, given: Given, named: str | None, arch: str | None) -> str | None:
    """Who made it: by the name, else as the processor says, else by the generation, unless that was given."""
    by_arch = archs.vendor(arch) if arch else None
    by_name = cpunames.vendor(named) if named else None
    return (by_arch if given.arch else None) or by_name or cpunames.MAKERS.get(seen.vendor) or by_arch
