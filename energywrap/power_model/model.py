"""The evaluator: from what is known of a machine to its power at a utilisation."""

from __future__ import annotations

from energywrap.power_model import memory, split
from energywrap.power_model.assume import host as assumed
from energywrap.power_model.host import anchors, known_anchors, rise
from energywrap.power_model.interval import around
from energywrap.power_model.share import share
from energywrap.power_model.tiers import band, tier
from energywrap.power_model.watts import Power
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.power_model.coefficients import Arch, Coefficients
    from energywrap.power_model.described import Described
    from energywrap.power_model.interval import Band


@record
class Model:
    """A machine's power as a function of its load, all else worked out: W and GB are the guest's own part."""

    tier: str
    band: Band
    sigma: float
    idle_w: float
    peak_w: float
    arch: Arch
    threads_per_core: int
    package_idle_w: float
    package_most_w: float
    memory_gb: float
    memory_known: bool
    memory_kind: str | None

    def watts(self, u: float, packed: float) -> float:
        """Wall power at `u` (0..1)."""
        climb = rise(self.arch, self.threads_per_core, u, packed)
        return self.idle_w + (self.peak_w - self.idle_w) * climb


def prepare(machine: Described, given: Coefficients) -> Model | None:
    """All that does not depend on the load, once per machine; None where only its threads are known."""
    name = tier(machine, given)
    if name == "T5":
        return None
    host = assumed(machine, given)
    if name == "T1k" and given.known and machine.arch and machine.cpu:
        idle_w, peak_w = known_anchors(host, given.known, machine.arch, machine.cpu)
    else:
        idle_w, peak_w = anchors(host, given)
    part = share(machine, host)
    tdp_w = host.tdp_w * host.sockets * part
    return Model(
        tier=name,
        band=band(machine, name, given),
        sigma=given.workload_sigma,
        idle_w=idle_w * part,
        peak_w=peak_w * part,
        arch=host.arch,
        threads_per_core=host.threads_per_core,
        package_idle_w=split.idle_of_tdp(host) * tdp_w,
        package_most_w=split.MOST_OF_TDP * tdp_w,
        memory_gb=host.memory_gb * part,
        memory_known=bool(machine.memory_gb),
        memory_kind=machine.memory_kind,
    )


def evaluate(model: Model, utilisation: float, packed: float, doubt: float) -> Power:
    """Power at a mean utilisation (0..1), known to +-`doubt`; `packed`: 0 spread evenly, 1 pegged or idle."""
    u, pegged = min(1.0, max(0.0, utilisation)), min(1.0, max(0.0, packed))
    total = around(lambda x: model.watts(x, pegged), model.band, u, doubt, model.sigma)
    cpu = split.cpu_w(total.value, model.idle_w, model.package_idle_w, model.package_most_w)
    ram = memory.ram(model.memory_gb, u, doubt, model.memory_kind)
    return split.split(total, cpu, ram if model.memory_known else memory.guessed(ram), model.tier)
