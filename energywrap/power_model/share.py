"""The part of a host that is charged to a virtual machine: by its vCPUs, idle power included."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.power_model.assume import Host
    from energywrap.power_model.described import Described


def share(machine: Described, host: Host) -> float:
    """vCPUs over the host's hardware threads; 1 for a physical machine.

    A convention: to charge only what the guest adds, or to assume a usual utilisation of the host, moves the
    number by up to 2 x at low load.
    """
    return machine.threads / host.threads if machine.virtual else 1.0
