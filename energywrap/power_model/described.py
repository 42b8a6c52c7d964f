"""What is known of a machine whose power is to be modelled."""

from __future__ import annotations

from energywrap.record import record


@record
class Described:
    """A machine as far as it is known; None: not known."""

    threads: int  # hardware threads that the kernel schedules on; of a virtual machine: its vCPUs
    virtual: bool  # threads and memory are a guest's, all else is its host's
    vendor: str | None = None  # "intel", "amd", "arm"
    arch: str | None = None  # key of the micro-architecture ("zen3"), as in coefficients.py
    cpu: str | None = None  # normalised key of the exact product ("epyc 7763"); None where the name is hidden
    tdp_w: float | None = None  # of one socket
    sockets: int | None = None
    cores_per_socket: int | None = None
    threads_per_core: int | None = None
    memory_gb: float | None = None  # GB of 1e9 bytes; of a virtual machine: the guest's
    memory_kind: str | None = None  # "ddr3", "ddr4", "ddr5", "lpddr"
    year: float | None = None  # of the generation; None: the arch's own, else 2021
    client: bool | None = None  # desktop or laptop part
