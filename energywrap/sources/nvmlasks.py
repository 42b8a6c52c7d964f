"""The questions that an NVIDIA GPU may answer about its energy and power, and the channels they make."""

from __future__ import annotations

from energywrap.power_model.gpus import HALF_WIDTH, gpu
from energywrap.readings import Basis, Channel, Component, Kind
from energywrap.units import joules_from_millijoules, watts_from_milliwatts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Ask = Callable[[Any], float]  # of a handle

RECKONED, PER_CENT = "reckoned", 100.0
MAX_W = 3000.0  # well above any module sold; tells a restarted counter from a real step
# Half-widths of the printed band, see docs/methodology.md#measured-energy
ENERGY_ERROR, POWER_ERROR = 0.05, 0.10
TICK_S = 0.1  # the energy counter moves every 20 to 100 ms
AVERAGED_S = 1.0  # power may be a mean over 1 s: both ends of a run are off by as much
AVERAGE, INSTANT = 185, 186  # NVML_FI_DEV_POWER_AVERAGE, NVML_FI_DEV_POWER_INSTANT
WHOLE_GPU, MODULE = 0, 1  # NVML_POWER_SCOPE_*
FIELD_VALUES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal")  # by NVML_VALUE_TYPE_*
ON_THE_MODULE = (Component.CPU, Component.RAM)  # with the GPU of a Grace Hopper


def probe(library: Any, handle: Any) -> tuple[dict[str, tuple[str, Ask]], str]:
    """By quantity, best first: what the answer is called and how to ask; and the last refusal, if any.

    All is asked once and nothing guessed from the architecture: drivers and GPUs differ in what they tell.
    """
    found: dict[str, tuple[str, Ask]] = {}
    refusal = ""
    for quantity, options in _options(library).items():
        for source, ask in options:
            try:
                ask(handle)
            except library.NVMLError as error:
                refusal = str(error)
                continue
            found[quantity] = (source, ask)
            break
    return found or _reckoned(library, handle), refusal


def _reckoned(library: Any, handle: Any) -> dict[str, tuple[str, Ask]]:
    """A GPU that tells no power (virtual machines, WSL) by its limit and utilisation, if it tells them."""

    def watts(handle: Any) -> float:
        limit_w = watts_from_milliwatts(library.nvmlDeviceGetEnforcedPowerLimit(handle))
        return gpu(limit_w, library.nvmlDeviceGetUtilizationRates(handle).gpu / PER_CENT).value

    try:
        watts(handle)
    except library.NVMLError:
        return {}
    return {RECKONED: ("model: power limit and utilisation", watts)}


def channels(uuid: str, device: str, sources: dict[str, str]) -> tuple[Channel, ...]:
    """The channels of one GPU, from what its answers are called by quantity.

    A Grace Hopper that tells its power for the module only is labelled so, with all that it shows.
    """
    module = any(source.startswith("nvml module") for source in sources.values())
    if module:
        sources = {name: f"nvml module {_what(source)}" for name, source in sources.items()}
    return tuple(_channel(uuid, device, quantity, source) for quantity, source in sources.items())


def _what(source: str) -> str:
    return source.removeprefix("nvml ").removeprefix("module ")


def _channel(uuid: str, device: str, quantity: str, source: str) -> Channel:
    counter = quantity == "energy"
    return Channel(
        id=f"nvml:{uuid}:{quantity}",
        component=Component.GPU,
        device=device,
        source=source,
        kind=Kind.COUNTER if counter else Kind.GAUGE,
        max_w=MAX_W,
        tick_s=AVERAGED_S if quantity == "power" else TICK_S,
        basis=Basis.MODELLED if quantity == RECKONED else Basis.MEASURED,
        error=HALF_WIDTH if quantity == RECKONED else ENERGY_ERROR if counter else POWER_ERROR,
        covers=ON_THE_MODULE if source.startswith("nvml module") else (),
    )


def _options(library: Any) -> dict[str, list[tuple[str, Ask]]]:
    """By quantity: the ways to ask for it, best first, with what the answer is called."""

    def energy(handle: Any) -> float:
        return joules_from_millijoules(library.nvmlDeviceGetTotalEnergyConsumption(handle))

    def usage(handle: Any) -> float:
        return watts_from_milliwatts(library.nvmlDeviceGetPowerUsage(handle))

    def field(number: int, scope: int) -> Ask:
        return lambda handle: _field(library, handle, number, scope)

    return {
        "energy": [("nvml energy", energy)],
        "instant": [
            ("nvml power", field(INSTANT, WHOLE_GPU)),
            ("nvml module power", field(INSTANT, MODULE)),
        ],
        "power": [
            ("nvml average power", field(AVERAGE, WHOLE_GPU)),
            ("nvml module average power", field(AVERAGE, MODULE)),
            ("nvml power", usage),  # a mean over 1 s on GPUs since Ampere, save the A100's kind
        ],
    }


def _field(library: Any, handle: Any, number: int, scope: int) -> float:
    answer = library.nvmlDeviceGetFieldValues(handle, [(number, scope)])[0]
    if answer.nvmlReturn != 0:
        raise library.NVMLError(answer.nvmlReturn)
    return watts_from_milliwatts(float(getattr(answer.value, FIELD_VALUES[answer.valueType])))
