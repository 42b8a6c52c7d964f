"""Which NVIDIA GPUs a command can see, by the variables that CUDA and the container runtime go by. Pure."""

from __future__ import annotations

from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    T = TypeVar("T")

CUDA, ORDER, CONTAINER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES"
MOST_DIGITS = 9  # no machine has more GPUs; and int() refuses what is very long


@record
class Identity:
    """A GPU as it can be named: its UUID, its model and the UUIDs of the MIG slices it is cut into."""

    uuid: str
    model: str
    slices: tuple[str, ...] = ()


@record
class Visible:
    """UUIDs of the GPUs and MIG slices that the command sees, and the variable that hides the others."""

    gpus: frozenset[str]
    slices: frozenset[str] = frozenset()  # only where slices are named
    variable: str | None = None
    doubtful: bool = False  # CUDA may number the GPUs otherwise: these may be the wrong ones


def visible(gpus: Sequence[Identity], environ: Mapping[str, str]) -> Visible:
    """The GPUs (given in the order of the PCI bus) that a command with this environment can use."""
    words = environ.get(CUDA)
    if words is not None:
        return _by_cuda(gpus, words, by_bus=environ.get(ORDER) == "PCI_BUS_ID")
    words = environ.get(CONTAINER, "all")
    if words == "none":
        return Visible(frozenset(), variable=CONTAINER)
    return _by_container(gpus, words) or Visible(frozenset(gpu.uuid for gpu in gpus))


def _by_cuda(gpus: Sequence[Identity], words: str, *, by_bus: bool) -> Visible:
    """CUDA's rule: the list counts up to the first entry that names no GPU."""
    chosen: dict[str, set[str]] = {}
    numbered = False
    for word in words.split(","):
        found = _named(gpus, word.strip())
        if found is None:
            break
        numbered = numbered or word.strip()[0].isdigit()
        chosen.setdefault(found[0], set()).update(found[1])
    # FASTEST_FIRST, the default, differs from the order of the bus only where there are several models.
    alike = len({gpu.model for gpu in gpus}) <= 1
    doubtful = numbered and not by_bus and not alike and len(chosen) < len(gpus)
    return _visible(chosen, CUDA, doubtful)


def _by_container(gpus: Sequence[Identity], words: str) -> Visible | None:
    """None where the variable says nothing about the GPUs listed here.

    Inside a container those that it does not name are gone and the others have new numbers. "void" only
    stops the runtime's old hook: where devices come by way of CDI it is set beside GPUs in full use.
    """
    chosen: dict[str, set[str]] = {}
    for word in words.split(","):
        found = _named(gpus, word.strip())
        if found is None:
            return None
        chosen.setdefault(found[0], set()).update(found[1])
    return _visible(chosen, CONTAINER, False)


def _visible(chosen: Mapping[str, set[str]], variable: str, doubtful: bool) -> Visible:
    slices = frozenset(part for parts in chosen.values() for part in parts)
    return Visible(frozenset(chosen), slices, variable, doubtful)


def _named(gpus: Sequence[Identity], word: str) -> tuple[str, tuple[str, ...]] | None:
    """(UUID of the GPU, UUIDs of its slices) that a word names; None if that is none or not a single one."""
    if word.startswith("GPU-"):
        return _only([(gpu.uuid, ()) for gpu in gpus if gpu.uuid.startswith(word)])
    if word.startswith("MIG-"):
        parts = [(gpu.uuid, (part,)) for gpu in gpus for part in gpu.slices if part.startswith(word)]
        if parts:
            return _only(parts)
        parent = word.removeprefix("MIG-").partition("/")[0]  # of old drivers: MIG-GPU-.../1/0
        return _named(gpus, parent) if parent.startswith("GPU-") else None
    number, _, part = word.partition(":")  # the container runtime's 0:1 is the second slice of the first GPU
    gpu = _at(number, gpus)
    if gpu is None:
        return None
    uuid = _at(part, gpu.slices)
    return gpu.uuid, () if uuid is None else (uuid,)


def _only(
    found: Sequence[tuple[str, tuple[str, ...]]],
) -> tuple[str, tuple[str, ...]] | None:
    return found[0] if len(found) == 1 else None


def _at(word: str, items: Sequence[T]) -> T | None:
    """What stands at the number that a word starts with: CUDA reads it as strtoul does."""
    digits = word[: len(word) - len(word.lstrip("0123456789"))]
    if not digits or len(digits) > MOST_DIGITS or int(digits) >= len(items):
        return None
    return items[int(digits)]
