"""AMD GPUs through ROCm's own library (amdsmi): the energy counter where there is one, and power."""

from __future__ import annotations

import _thread
import os
import sys

from energywrap.errors import Unavailable
from energywrap.readings import Kind, Skipped
from energywrap.sources.amdgpu import DRIVER, MAX_W, NO_GPU, absent, channel, grouped, seen
from energywrap.sources.amdvisible import cards
from energywrap.units import joules_from_microjoules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from energywrap.config import Settings
    from energywrap.readings import Channel
    from energywrap.sources.amdvisible import Card

    T = TypeVar("T")

ROCM = "/opt/rocm"
MODULE = "share/amd_smi"  # where ROCm keeps the Python module that nobody has installed
# Half-widths of the printed band, see docs/methodology.md#measured-energy
QUANTITIES = (("energy", Kind.COUNTER, 0.05), ("power", Kind.GAUGE, 0.10))
ACCUMULATORS = ("energy_accumulator", "power")  # the second is what the first was called once
POWERS = ("average_socket_power", "current_socket_power", "socket_power")  # a chip has some of them
LACKING = 2**64 - 1  # how the library shows a counter that the chip lacks
ODD = (KeyError, TypeError, ValueError, AttributeError, OSError)  # answers of another release of the library
WITHOUT = "ROCm's Python module amdsmi is not here; the kernel driver's power sensors do without it"
MODULE_FIX = "pip install amdsmi   (of the release in /opt/rocm/.info/version)"
LIBRARY_FIX = "install amd-smi-lib of your ROCm (amd-smi list must work)"
ACCESS_FIX = "usermod -aG render,video $USER   (as root, then log in again)"
PARTITION = "it is a partition of a GPU, and in the reading of the whole"


class Amdsmi:
    """All AMD GPUs of the machine; one that stops answering is absent from the reading, the others go on."""

    name = "amdsmi"

    def __init__(self, library: Any, sysfs_root: str, environ: Mapping[str, str]) -> None:
        self._library = library
        self._errors = (getattr(library, "AmdSmiException", RuntimeError), *ODD)
        self._busy = _thread.allocate_lock()  # two threads in the library at once have made its counters jump
        found = cards(sysfs_root, DRIVER)
        self._handles, partitions = self._enumerate([card.address for card in found])
        told = {card.address: kinds for card in found if (kinds := self._told(card))}
        skipped, groups = grouped(found, told, self.name)
        self._parts: dict[str, tuple[Card, str]] = {}
        self.channels = self._channels(groups, told, sysfs_root, environ)
        self.skipped = (*skipped, *(Skipped(f"amdsmi gpu {p}", PARTITION, expected=True) for p in partitions))
        self.gpus = tuple(group[0].gpu("AMD") for group in groups)

    def _enumerate(self, known: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """The library's handles by PCI address, and the addresses that are no card's of their own."""
        handles, others = {}, []
        for handle in self._library.amdsmi_get_processor_handles():
            try:
                address = self._library.amdsmi_get_gpu_device_bdf(handle).lower()
            except self._errors:
                continue  # its card is named among the silent ones
            if address in known and address not in handles:
                handles[address] = handle
            else:
                others.append(address)
        return handles, others

    def _told(self, card: Card) -> list[str]:
        """What a card tells now; one that sleeps is given the benefit of the doubt."""
        if card.address not in self._handles:
            return []
        return [kind for kind, _, _ in QUANTITIES if card.asleep or self._ask(card, kind) is not None]

    def _channels(
        self,
        groups: Sequence[list[Card]],
        told: Mapping[str, Sequence[str]],
        sysfs_root: str,
        environ: Mapping[str, str],
    ) -> tuple[Channel, ...]:
        visible, found = seen(sysfs_root, environ), []
        for group in groups:
            for quantity, kind, error in QUANTITIES:
                if quantity in told[group[0].address]:
                    name = f"amdsmi:{group[0].address}:{quantity}"
                    self._parts[name] = group[0], quantity
                    found.append(channel(group, visible, name, f"amdsmi {quantity}", kind, error))
        return tuple(found)

    def _ask(self, card: Card, quantity: str) -> float | None:
        """J or W now; None if it cannot be told."""
        try:
            if quantity == "energy":
                return _joules(self._library.amdsmi_get_energy_count(self._handles[card.address]))
            return _watts(self._library.amdsmi_get_power_info(self._handles[card.address]))
        except self._errors:
            return None

    def read(self) -> dict[str, float]:
        """Joules and watts by channel id."""
        if not self._busy.acquire(blocking=False):
            return {}  # another thread hangs in there
        try:
            awake = {name: part for name, part in self._parts.items() if not part[0].asleep}
            answers = {name: self._ask(card, quantity) for name, (card, quantity) in awake.items()}
        finally:
            self._busy.release()
        return {name: value for name, value in answers.items() if value is not None}

    def close(self) -> None:
        """Shut the library down, once, and not under a thread that hangs in it."""
        if self._busy.acquire(blocking=False):
            try:
                self._library.amdsmi_shut_down()
            except self._errors:
                pass  # the driver has gone before us


def open_amdsmi(settings: Settings, *, rocm: str = ROCM, environ: Mapping[str, str] | None = None) -> Amdsmi:
    """Load and initialise ROCm's library, which may print. Raises Unavailable without it or without a GPU."""
    if not cards(settings.sysfs_root, DRIVER):
        raise Unavailable(NO_GPU, expected=True)
    library = _quietly(lambda: _import(rocm))
    try:
        _quietly(library.amdsmi_init)
        source = Amdsmi(library, settings.sysfs_root, os.environ if environ is None else environ)
    except (getattr(library, "AmdSmiException", RuntimeError), *ODD) as err:
        raise Unavailable(f"ROCm's library does not answer: {err}", ACCESS_FIX) from err
    if not source.channels:
        source.close()
        raise absent(source.skipped, ACCESS_FIX)
    return source


def _import(rocm: str) -> Any:
    """The module, also from ROCm's own folder. Raises Unavailable for whatever importing it raises."""
    from importlib import import_module
    from importlib.util import find_spec

    folder = os.path.join(rocm, MODULE)
    sys.path.append(folder)
    try:
        if "amdsmi" not in sys.modules and find_spec("amdsmi") is None:
            raise Unavailable(WITHOUT, MODULE_FIX, expected=True)
        return import_module("amdsmi")
    except (Exception, SystemExit) as err:  # without its library: KeyError or AttributeError, by its release
        if isinstance(err, Unavailable):
            raise
        raise Unavailable(f"amdsmi cannot be loaded: {type(err).__name__}: {err}", LIBRARY_FIX) from err
    finally:
        sys.path.remove(folder)


def _quietly(call: Callable[[], T]) -> T:
    """What a call returns; what it prints is lost, because stdout is not ours."""
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # it is closed
        return call()
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, 1)
    try:
        return call()
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)


def _flush() -> None:
    """Let go of what Python and the C library still hold back."""
    if sys.stdout is not None:
        sys.stdout.flush()
    if "ctypes" in sys.modules:  # else no library was loaded
        sys.modules["ctypes"].CDLL(None).fflush(None)


def _joules(answer: Mapping[str, object]) -> float | None:
    """J of a counter; 0 is what the second GPU of a module shows, and no count."""
    count = next((answer[name] for name in ACCUMULATORS if name in answer), None)
    step_uj = answer["counter_resolution"]
    if not isinstance(count, int) or not isinstance(step_uj, (int, float)) or not 0 < count < LACKING:
        return None
    return joules_from_microjoules(count * step_uj) if step_uj > 0 else None


def _watts(answer: Mapping[str, object]) -> float | None:
    """The first power that is one: "N/A" and all bits set stand for what the chip lacks."""
    told = (answer.get(name) for name in POWERS)
    return next((float(w) for w in told if isinstance(w, (int, float)) and 0 < w <= MAX_W), None)
