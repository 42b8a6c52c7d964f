"""Watts where nothing can be measured: pure functions with intervals. Explained in docs/power-model.md."""

from __future__ import annotations

from energywrap.power_model import generic, model, tiers
from energywrap.power_model.coefficients import SHIPPED, Coefficients
from energywrap.power_model.described import Described
from energywrap.power_model.gpus import gpu
from energywrap.power_model.host import Concentration, packedness
from energywrap.power_model.watts import Power, Watts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Curve = Callable[[float, float, float], Power]

__all__ = [
    "SHIPPED", "Coefficients", "Concentration", "Described", "Power", "Watts",
    "curve", "gpu", "outside", "packedness", "physical", "power", "tier",
]  # fmt: skip


def tier(machine: Described, coefficients: Coefficients = SHIPPED) -> str:
    """How much is known of the machine: T1k, T1, T3m, T2, T3, T4 or T5, from most to least."""
    return tiers.tier(machine, coefficients)


def outside(machine: Described) -> str | None:
    """Why it lies where the model has no data, in words: its interval is wider then. None where it has."""
    return tiers.outside(machine, tiers.tier(machine, SHIPPED))


def physical(machine: Described) -> tuple[int, float, float]:
    """Sockets and GB of memory of the physical machine, and the part of it that this one is (0..1)."""
    from energywrap.power_model import assume, share

    whole = assume.host(machine, SHIPPED)
    return whole.sockets, whole.memory_gb, min(1.0, share.share(machine, whole))


def power(
    machine: Described,
    utilisation: float,
    packed: float = 0.0,
    doubt: float = 0.0,
    coefficients: Coefficients = SHIPPED,
) -> Power:
    """Wall power in W at a mean utilisation (0..1) of all threads, known to +-`doubt`.

    `packed` says how the load lies: 0 spread evenly over the threads, 1 some pegged and the others idle.
    """
    return curve(machine, coefficients)(utilisation, packed, doubt)


def curve(machine: Described, coefficients: Coefficients = SHIPPED) -> Curve:
    """The same for many loads of one machine: a function of utilisation, packedness and doubt."""
    prepared = model.prepare(machine, coefficients)
    if prepared is None:
        return lambda utilisation, _packed, doubt: generic.split(
            machine.threads, machine.memory_gb, utilisation, doubt, machine.memory_kind
        )
    return lambda utilisation, packed, doubt: model.evaluate(prepared, utilisation, packed, doubt)
