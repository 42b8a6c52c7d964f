"""The words about a recognised machine: what it was recognised by, and what would narrow its power."""

from __future__ import annotations

from energywrap import power_model
from energywrap.machine import cpunames, cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.machine.archs import Generation
    from energywrap.machine.cpuinfo import Seen
    from energywrap.machine.cpus import Product
    from energywrap.machine.identify import Given
    from energywrap.power_model.described import Described

ESTIMATED = ("estimate", "recall")
# elsewhere a guest that sees single threads may well have halves of cores
HONEST_CLOUDS = ("Amazon EC2", "Google", "Microsoft Corporation")


def sentences(
    machine: Described, seen: Seen, given: Given, product: Product | None, generation: Generation | None
) -> tuple[str, ...]:
    """What was recognised, and from what."""
    found = [_processor(seen, given, product)]
    if given.arch is not None:
        found.append(f"generation {given.arch}, as given")
    elif generation is not None and generation.arch and not given.cpu:
        found.append(f"generation {generation.arch}, by {_numbers(seen)}")
    elif generation is not None and generation.doubt:
        found.append(f"{_numbers(seen)} cannot be believed: {generation.doubt}")
    elif machine.arch:
        found.append(f"generation {machine.arch}, by the table of processors")
    found.append(_size(machine, seen, given))
    if has_whole_cores(seen):
        found.append("each vCPU is a core of its own: the guest sees one thread per core")
    if given.tdp_w and product is None:
        found.append(f"{given.tdp_w:g} W per socket, as given")
    if machine.memory_gb is None:
        found.append("memory not known: what machines of this kind usually have is assumed")
    if machine.memory_gb is not None:
        whose = "as given" if given.memory_gb else "the guest's" if machine.virtual else "by the kernel"
        kind = f" {machine.memory_kind.upper()}" if machine.memory_kind else ""
        found.append(f"{machine.memory_gb:.4g} GB of{kind} memory, {whose}")
    strange = power_model.outside(machine)
    if strange is not None:
        found.append(f"{seen.board}: {strange}" if seen.board and product is None else strange)
    return tuple(found)


def has_whole_cores(seen: Seen) -> bool:
    """Whether each vCPU of a guest is a core: in clouds that show guests how cores and threads really lie."""
    return (
        seen.virtual
        and seen.vendor != "ARM"
        and seen.system_vendor in HONEST_CLOUDS
        and seen.threads >= 2
        and seen.threads_per_core == 1
    )


def hints(machine: Described, seen: Seen, given: Given, product: Product | None) -> tuple[str, ...]:
    """What the user could say to narrow the interval, the most useful first."""
    found = []
    if machine.cpu is None and given.tdp_w is None:
        found.append(f"--cpu NAME: the processor{_of_host(machine)}{_candidates(machine)}")
    elif machine.tdp_w is None:
        found.append(f"--tdp WATTS: of one socket; {machine.cpu} is not in the table of processors")
    elif product is not None and product.source in ESTIMATED and given.tdp_w is None:
        found.append(f"--tdp WATTS: of one socket; the table's {product.tdp_w:g} W are not its maker's words")
    if machine.arch is None:
        found.append("--arch NAME: the generation of the processor")
    if machine.virtual and given.sockets is None and (machine.sockets or 1) > 1:
        found.append(f"--sockets N: of the host; {machine.sockets} are assumed")
    if not machine.virtual and given.cpu and given.sockets is None and (machine.sockets or 1) > 1:
        found.append(f"--sockets N: {machine.sockets} are assumed")
    if machine.memory_gb is None:
        found.append("--memory-gb GB: the installed memory" + (" of the guest" if machine.virtual else ""))
    return tuple(found)


def _processor(seen: Seen, given: Given, product: Product | None) -> str:
    """The product, and how it is known."""
    if product is None:
        name = cpunames.key(seen.name)
        if cpunames.is_product(name):
            return f"{name}, by its name; it is not in the table of processors"
        return (
            f"the processor's name, {seen.name!r}, names no product"
            if seen.name
            else "no name of a processor"
        )
    watts = (
        f"{given.tdp_w:g} W as given" if given.tdp_w else f"{product.tdp_w:g} W by the table of processors"
    )
    if given.cpu is not None:
        how = "as given"
    elif cpunames.is_product(cpunames.key(seen.name)) or cpus.product(seen.name):
        how = "by its name"
    else:
        how = f"by {_numbers(seen)} at {seen.system_vendor}"
    return f"{product.key}, {how}; {watts}"


def _numbers(seen: Seen) -> str:
    if seen.vendor == "ARM":
        return f"implementer {seen.family}, part {seen.model}"
    stepping = f", stepping {seen.stepping}" if seen.stepping else ""
    return f"family {seen.family}, model {seen.model}{stepping}"


def _size(machine: Described, seen: Seen, given: Given) -> str:
    """Threads, and the sockets and cores that they are a part of."""
    shape = ""
    if machine.sockets and machine.cores_per_socket:
        plural = "s" if machine.sockets > 1 else ""
        shape = f"{machine.sockets} socket{plural} with {machine.cores_per_socket} cores"
    if not machine.virtual:
        return f"{machine.threads} threads" + (f", {shape}" if shape else "")
    where = " ".join(part for part in (seen.system_vendor, seen.product) if part)
    whose = "as given" if given.sockets else "by the table of processors"
    host = f"its host is taken to have {shape}, {whose}" if shape else "its host is not known"
    return f"{machine.threads} vCPUs of a virtual machine{f' ({where})' if where else ''}; {host}"


def _of_host(machine: Described) -> str:
    return " of the host" if machine.virtual else ""


def _candidates(machine: Described) -> str:
    """Products of that generation which the clouds use, for a guest whose processor hides its name."""
    known = cpus.in_clouds(machine.arch) if machine.virtual and machine.arch else []
    return f"; of {machine.arch}, clouds use {', '.join(known)}" if known else ""
