"""AMD and Intel GPUs by PCI address: which there are, and which of them a command can see."""

from __future__ import annotations

import os

from energywrap.readings import Gpu
from energywrap.record import record
from energywrap.sources import hwmon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Seen = bool | None  # None: a part of it, or nobody can tell

ROCR, HIP, CUDA = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"
MASK, HIERARCHY, PCI_ORDER = "ZE_AFFINITY_MASK", "ZE_FLAT_DEVICE_HIERARCHY", "ZE_ENABLE_PCI_ID_DEVICE_ORDER"
UUID = "GPU-"
SHORTEST_UUID = 5  # ROCm takes any longer beginning of one
UNSURE = "the environment keeps GPUs, or parts of one, from the command; which ones cannot be told"


@record
class Card:
    """One GPU by its PCI address and its folder in sysfs."""

    address: str
    folder: str

    @property
    def device(self) -> str:
        """What the card is called by whichever source reads it."""
        return f"gpu {self.address}"

    @property
    def asleep(self) -> bool:
        """Whether the kernel has powered it down: a question would wake it, and cost what it measures."""
        return self.text("power/runtime_status") == "suspended"

    def text(self, attribute: str) -> str:
        """An attribute without its line end; empty where there is none."""
        return hwmon.text(os.path.join(self.folder, attribute)) or ""

    def sensors(self, name: str) -> hwmon.Device | None:
        """Where the driver shows what it measures of the whole card."""
        root = os.path.join(self.folder, "hwmon")
        folders = (os.path.join(root, entry) for entry in hwmon.listing(root))
        return next((hwmon.Device(name, f) for f in folders if hwmon.text(f"{f}/name") == name), None)

    def gpu(self, maker: str) -> Gpu:
        """Who it is; by its own number if it has one, so that two sources name it alike."""
        name = self.text("product_name") or f"{maker} GPU {self.text('device')}".strip()
        unique = self.text("unique_id")
        return Gpu(name, f"{UUID}{unique}" if unique else self.address)


def cards(sysfs_root: str, driver: str) -> list[Card]:
    """The devices that a kernel driver runs, by PCI address."""
    root = os.path.join(sysfs_root, "bus/pci/drivers", driver)
    found = (name for name in hwmon.listing(root) if name.count(":") == 2)
    return [Card(name.lower(), os.path.join(root, name)) for name in found]


def rocm(environ: Mapping[str, str], uuids: Sequence[str]) -> frozenset[int] | None:
    """The places, in ROCm's own order of `uuids`, of the GPUs that a HIP program sees; None if unknown. Pure.

    ROCR_VISIBLE_DEVICES comes first, and HIP_VISIBLE_DEVICES (or its synonym of CUDA) chooses among what it
    left. Either list ends at the first word that names no GPU.
    """
    seen: Sequence[int] = range(len(uuids))
    outer, inner = environ.get(ROCR), environ.get(HIP) or environ.get(CUDA)  # HIP takes "" for nothing said
    try:
        if outer is not None:
            seen = _chosen([word.strip() for word in outer.split(",")], seen, uuids, again=False)
        if inner:
            seen = _chosen(inner.split(","), seen, uuids, again=True)
    except LookupError:
        return None
    return frozenset(seen)


def _chosen(words: Iterable[str], among: Sequence[int], uuids: Sequence[str], *, again: bool) -> list[int]:
    """The GPUs that a list names; a GPU that is named again ends it, unless `again` allows that."""
    found: list[int] = []
    for word in words:
        place = _place(word, [uuids[index] for index in among])
        if place is None or (among[place] in found and not again):
            break
        found.append(among[place])
    return found


def _place(word: str, uuids: Sequence[str]) -> int | None:
    """The GPU that a word names; None if it names none. Raises LookupError where runtimes differ."""
    if word.upper().startswith(UUID):  # its form has changed between releases: an unknown one proves nothing
        places = [place for place, uuid in enumerate(uuids) if uuid.upper().startswith(word.upper())]
        if len(places) != 1 or len(word) < SHORTEST_UUID:
            raise LookupError(word)
        return places[0]
    if not word[:1].isdecimal():
        return None
    if not _plain(word):
        raise LookupError(word)  # octal or hexadecimal: read by one runtime, refused by the other
    return int(word) if int(word) < len(uuids) else None


def level_zero(environ: Mapping[str, str], tiles: Sequence[int]) -> tuple[Seen, ...]:
    """Which Intel GPUs a Level Zero program sees; `tiles` counts those of every GPU, by PCI address. Pure.

    Unless the environment asks for that order, the ordinals follow one of the driver's own: then a mask that
    leaves out some GPUs tells nothing about any.
    """
    mask, unknown = environ.get(MASK, "").strip(), (None,) * len(tiles)
    if mask.lower() in ("", "default"):
        return (True,) * len(tiles)
    ordinals = _ordinals(environ.get(HIERARCHY, "").upper(), tiles)
    if ordinals is None:
        return unknown
    shown: list[set[int]] = [set() for _ in tiles]
    for word in mask.split(","):
        device, dot, tile = word.strip().partition(".")
        tile = tile.partition(".")[0] if dot else "0"
        if not _plain(device) or not _plain(tile):
            return unknown
        for index, parts in ordinals[int(device) : int(device) + 1]:
            shown[index].update(parts[int(tile) : int(tile) + 1] if dot else parts)
    seen = tuple(together(tile in parts for tile in range(n)) for parts, n in zip(shown, tiles))
    ordered = environ.get(PCI_ORDER, "").strip().lower() in ("1", "true")
    return seen if ordered or len(set(seen)) == 1 else unknown


def _ordinals(hierarchy: str, tiles: Sequence[int]) -> list[tuple[int, Sequence[int]]] | None:
    """What each ordinal of a mask stands for: a GPU and tiles of it; None where drivers differ."""
    if hierarchy in ("FLAT", "COMBINED"):
        return [(index, (tile,)) for index, count in enumerate(tiles) for tile in range(count)]
    if hierarchy != "COMPOSITE" and max(tiles, default=1) > 1:
        return None
    return [(index, range(count)) for index, count in enumerate(tiles)]


def together(parts: Iterable[Seen]) -> Seen:
    """Of what is read as one: True if all of it is seen, False if nothing is, else None."""
    states = set(parts)
    return states.pop() if len(states) == 1 else None


def claims(seen: Seen) -> tuple[float | None, str | None]:
    """What a channel says of its GPU: the command's share of it, and why that share is unknown."""
    return (0.0 if seen is False else None), (UNSURE if seen is None else None)


def _plain(word: str) -> bool:
    """Whether a word is a whole number as programs write it."""
    return word.isascii() and word.isdecimal() and len(word) < 10 and (word == "0" or word[0] != "0")
