"""How much is known of a machine, and how wide its interval is for that."""

from __future__ import annotations

from energywrap.power_model.coefficients import UNSEEN
from energywrap.power_model.interval import BANDS, NEW_GENERATION, wider

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.power_model.coefficients import Coefficients
    from energywrap.power_model.described import Described
    from energywrap.power_model.interval import Band

LAPTOP_TDP_W = 45  # client parts below are nearly all laptops'
SERVER_NAMES = ("xeon", "epyc")  # also of parts for entry servers, which are built as clients are


def tier(machine: Described, given: Coefficients) -> str:
    """The name of what is known: T1k, T1, T3m, T2, T3, T4 or T5, from most to least."""
    fitted = machine.arch in given.archs or machine.arch in UNSEEN
    if machine.tdp_w is None:
        return "T4" if fitted else "T5"
    told = fitted or None not in (machine.vendor, machine.year, machine.client)
    if not told or (machine.virtual and not machine.cores_per_socket):
        return "T4"
    if machine.virtual or not machine.sockets:
        return "T3m" if machine.memory_gb else "T3"
    if not machine.memory_gb:
        return "T2"
    known = given.known
    return "T1k" if known and machine.cpu in known.products and machine.arch in known.archs else "T1"


def band(machine: Described, name: str, given: Coefficients) -> Band:
    """The tier's band, wider for a generation that the fit has not seen and for what lies outside of it."""
    if _may_be_laptop(machine):
        return BANDS["T5"]
    rare = machine.arch not in given.archs or given.archs[machine.arch].vendor == "arm"
    found = wider(BANDS[name], NEW_GENERATION) if rare else BANDS[name]
    return wider(found, BANDS["T4"]) if _is_desktop(machine, name) else found


def outside(machine: Described, name: str) -> str | None:
    """Why a machine lies where the model has no data, in words; None where it has."""
    if _may_be_laptop(machine):
        return (
            "laptops and small boards lie outside what the model was fitted on: they draw less than it says"
        )
    if _is_desktop(machine, name):
        return (
            "desktops lie outside what the model was fitted on: entry servers with such processors were, "
            "without a graphics card or a display"
        )
    return None


def _may_be_laptop(machine: Described) -> bool:
    """A client part of low or unknown power. A guest of which nothing says otherwise runs on a server."""
    if machine.client is False or (machine.virtual and machine.client is None):
        return False
    return machine.tdp_w is None or machine.tdp_w < LAPTOP_TDP_W


def _is_desktop(machine: Described, name: str) -> bool:
    """A client part that is no entry server's, unless servers with that very product were measured."""
    if not machine.client or machine.virtual or name == "T1k":
        return False
    return not (machine.cpu or "").startswith(SERVER_NAMES)
