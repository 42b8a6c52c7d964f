"""The stream of property lists that `powermetrics -f plist` writes, to growing sums of J by device. Pure."""

from __future__ import annotations

from energywrap.units import joules_from_millijoules, seconds_from_nanoseconds, watts_from_milliwatts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = ("cpu", "gpu", "ane")  # as the keys of the documents begin
LONGEST_BYTES = 1 << 22  # a document has some tens of kB; what never ends is none
LOST_J = 1e9  # more than any step can hold: the step across a lost window counts nothing and covers nothing


def split(stream: bytes) -> tuple[list[bytes | None], bytes]:
    """The documents that end in a piece of the stream, None for one that was cut off, and what is left."""
    found: list[bytes | None] = []
    while True:
        document, end, after = stream.partition(b"</plist>")
        before, separator, rest = document.partition(b"\0")
        if separator:  # comes before or after a document, so its place alone tells nothing
            found += [None] if before.strip() else []
            stream = rest + end + after
        elif end:
            found.append(document.lstrip() + end)  # its declaration must come first
            stream = after
        else:
            return ([*found, None], b"") if len(stream) > LONGEST_BYTES else (found, stream)


def energies(document: bytes) -> dict[str, float]:
    """J by device in the window that a document tells of; what it does not tell is absent."""
    import plistlib
    from xml.parsers.expat import ExpatError

    try:
        told = plistlib.loads(document, fmt=plistlib.FMT_XML)
    except (ExpatError, ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError):
        return {}
    if not isinstance(told, dict) or told.get("is_delta") is False:
        return {}  # sums since the start of the machine are no window
    parts = [told[part] for part in ("processor", "gpu") if isinstance(told.get(part), dict)]
    elapsed_ns = _number(told.get("elapsed_ns"))
    found = {}
    for name in NAMES:
        energy_mj, power_mw = (_first(parts, f"{name}_{what}") for what in ("energy", "power"))
        if energy_mj is not None:
            found[name] = joules_from_millijoules(energy_mj)
        elif power_mw is not None and elapsed_ns is not None:  # its real length, not the one asked for
            found[name] = watts_from_milliwatts(power_mw) * seconds_from_nanoseconds(elapsed_ns)
    return found


def _first(parts: list[dict[str, Any]], key: str) -> float | None:
    return next((value for part in parts if (value := _number(part.get(key))) is not None), None)


def _number(value: object) -> float | None:
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if real and 0 <= value < 1e18 else None  # type: ignore[arg-type, operator]


class Counters:
    """Growing sums in J by device; a device whose last window was lost shows none."""

    def __init__(self) -> None:
        self._rest = b""
        self._lost: set[str] = set()
        self._sums: dict[str, float] = {}
        self.documents = 0

    def feed(self, piece: bytes) -> None:
        """Take in what has arrived of the stream."""
        documents, self._rest = split(self._rest + piece)
        for document in documents:
            self._add(energies(document) if document is not None else {})

    def _add(self, window: dict[str, float]) -> None:
        for name in NAMES:
            if name in window:
                gap_j = LOST_J if name in self._lost else 0.0
                self._sums[name] = self._sums.get(name, 0.0) + gap_j + window[name]
                self._lost.discard(name)
            elif name in self._sums:
                self._lost.add(name)
        self.documents += 1

    def now(self) -> dict[str, float]:
        """The sums of those devices that the last document told of."""
        return {name: joules for name, joules in self._sums.copy().items() if name not in self._lost}
