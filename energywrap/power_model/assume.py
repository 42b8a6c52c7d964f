"""Everything the formulas need of a machine: what is known, and what is assumed in place of the rest."""

from __future__ import annotations

from math import exp, log

from energywrap.power_model.coefficients import UNSEEN
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.power_model.coefficients import Arch, Coefficients
    from energywrap.power_model.described import Described

YEAR_0, YEARS = 2015, 5  # the fit counts time from there, in this unit
SINGLE_THREADED = ("core", "k8", "k10", "bulldozer", "piledriver", "sierraforest")


@record
class Host:
    """The whole physical machine; nothing of it is unknown any more."""

    arch: Arch
    years: float  # (year - 2015) / 5
    vendor: str | None
    client: bool
    sockets: int
    cores_per_socket: int
    threads_per_core: int
    tdp_w: float  # of one socket
    memory_gb: float

    @property
    def threads(self) -> int:
        """Hardware threads of all sockets."""
        return self.sockets * self.cores_per_socket * self.threads_per_core


def host(machine: Described, given: Coefficients) -> Host:
    """The machine, or of a virtual one its host, with assumptions in place of what is not known."""
    vendor, client, arch = generation(machine, given)
    years = ((machine.year or arch.year) - YEAR_0) / YEARS
    cores = machine.cores_per_socket or arch.cores
    per_core = machine.threads_per_core or _threads_per_core(machine.arch, vendor)
    sockets = machine.sockets or _sockets(machine, client, vendor, cores * per_core)
    threads = sockets * cores * per_core
    memory_gb = machine.memory_gb
    if memory_gb and machine.virtual:
        memory_gb = memory_gb / machine.threads * threads
    return Host(
        arch,
        years,
        vendor,
        client,
        sockets,
        cores,
        per_core,
        machine.tdp_w or usual_tdp_w(cores, years, vendor, client, given),
        memory_gb or usual_memory_gb(sockets * cores, years, given),
    )


def generation(machine: Described, given: Coefficients) -> tuple[str | None, bool, Arch]:
    """Vendor, whether it is a client, and the micro-architecture or in its place the class it is of."""
    arch = given.archs.get(machine.arch or "") or UNSEEN.get(machine.arch or "")
    vendor = machine.vendor or (arch.vendor if arch else None)
    client = machine.client if machine.client is not None else bool(arch and arch.client)
    if arch is None:
        name = "arm" if vendor == "arm" else f"{vendor}-{'client' if client else 'server'}"
        arch = given.classes.get(name) or given.classes["intel-client" if client else "intel-server"]
    return vendor, client, arch


def usual_tdp_w(
    cores_per_socket: int, years: float, vendor: str | None, client: bool, given: Coefficients
) -> float:
    """TDP of one socket in W, by its cores and age."""
    weights = given.tdp
    linear = weights[0] + weights[1] * log(cores_per_socket) + weights[2] * years
    return exp(linear + weights[3] * (vendor == "amd") + weights[4] * client)


def usual_memory_gb(cores: int, years: float, given: Coefficients) -> float:
    """Memory in GB of a machine with so many cores."""
    return exp(given.memory[0] + given.memory[1] * log(cores) + given.memory[2] * years)


def _threads_per_core(arch: str | None, vendor: str | None) -> int:
    return 1 if vendor == "arm" or arch in SINGLE_THREADED else 2


def _sockets(machine: Described, client: bool, vendor: str | None, threads_per_socket: int) -> int:
    """Two for a guest's host, unless the part only goes alone; else as many as the threads need."""
    alone = (
        client
        or vendor == "arm"
        or bool(machine.cpu and machine.cpu[:4] == "epyc" and "p" in machine.cpu[5:])
    )
    if machine.virtual:
        return 1 if alone else 2
    return 1 if alone else max(1, round(machine.threads / threads_per_socket))
