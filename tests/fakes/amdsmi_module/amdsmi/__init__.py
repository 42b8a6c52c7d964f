"""A stand-in for ROCm's `amdsmi`, put on sys.path by tests: it answers what a test has scripted.

FAKE_AMDSMI names an exception that importing it raises, as the real one does without its library.
"""

from __future__ import annotations

import builtins
import os
from dataclasses import dataclass, field
from typing import Any

_broken = os.environ.get("FAKE_AMDSMI")
if _broken:
    import ctypes

    print("/opt/rocm/lib/libamd_smi.so: cannot open shared object file")
    ctypes.CDLL(None).printf(b"from the C library, which holds it back")
    os.write(1, b"straight to the descriptor\n")
    raise getattr(builtins, _broken)("libamd_smi.so")


class AmdSmiException(Exception):
    """What all exceptions of the library are."""


class AmdSmiLibraryException(AmdSmiException):
    """What the C library refuses."""


@dataclass
class Gpu:
    """One GPU: its address, and its answers; an exception is raised instead of given."""

    bdf: str
    energy: Any = field(default_factory=lambda: AmdSmiLibraryException("not supported"))
    power: Any = field(default_factory=lambda: AmdSmiLibraryException("not supported"))


gpus: list[Gpu] = []
calls: list[str] = []
refusal: Exception | None = None


def script(*machine: Gpu, refuse: Exception | None = None) -> None:
    """Make the machine hold these GPUs; `refuse` is what initialising raises."""
    global refusal
    gpus[:], refusal = machine, refuse
    calls.clear()


def amdsmi_init() -> None:
    """Start the library; it talks."""
    calls.append("init")
    print("initialising")
    if refusal is not None:
        raise refusal


def amdsmi_shut_down() -> None:
    """End the library."""
    calls.append("shut down")


def amdsmi_get_processor_handles() -> list[Gpu]:
    """The GPUs."""
    return list(gpus)


def amdsmi_get_gpu_device_bdf(handle: Gpu) -> str:
    """The PCI address."""
    return handle.bdf


def amdsmi_get_energy_count(handle: Gpu) -> Any:
    """The counter, its unit and its time."""
    return _told(handle.energy)


def amdsmi_get_power_info(handle: Gpu) -> Any:
    """The powers in W."""
    return _told(handle.power)


def _told(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer
