"""Windows' energy meters as bytes, laid out as emi.h in the Windows SDK says, and the calls that fetch them.

    EMI_VERSION            u16
    EMI_METADATA_V1        u32 unit, 16 WCHARs maker, 16 WCHARs model, u16 revision, u16 name's bytes, name
    EMI_METADATA_V2        16 WCHARs maker, 16 WCHARs model, u16 revision, u16 channels, for each, unaligned:
                           u32 unit, u16 name's bytes, name
    EMI_MEASUREMENT_DATA   for each channel: u64 pWh, u64 time in 100 ns

Drivers give every name one width and pad it; 100 bytes is what was seen.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

NAME_BYTES = 100
J_PER_PWH = 3.6e-9
PKG, PP0, PP1, DRAM = (f"RAPL_Package0_{domain}" for domain in ("PKG", "PP0", "PP1", "DRAM"))
LAPTOP = (PKG, DRAM, PP0, PP1)


def version(number: int = 2) -> bytes:
    """An EMI_VERSION."""
    return struct.pack("<H", number)


def metadata_v1(name: str, unit: int = 0) -> bytes:
    """An EMI_METADATA_V1."""
    text = _padded(name, 2 * len(name) + 2)
    return struct.pack("<I64sHH", unit, _head(), 1, len(text)) + text


def metadata_v2(
    names: Sequence[str], unit: int = 0, *, name_bytes: int = NAME_BYTES, pad: str = "\0"
) -> bytes:
    """An EMI_METADATA_V2."""
    found = struct.pack("<64sHH", _head(), 1, len(names))
    for name in names:
        found += struct.pack("<IH", unit, name_bytes) + _padded(name, name_bytes, pad)
    return found


def measurement(joules: Sequence[float], at_s: float = 0.0) -> bytes:
    """An EMI_MEASUREMENT_DATA."""
    return b"".join(struct.pack("<QQ", round(each / J_PER_PWH), round(at_s * 1e7)) for each in joules)


def _head() -> bytes:
    return _padded("Microsoft", 32) + _padded("PPM", 32)


def _padded(name: str, size: int, pad: str = "\0") -> bytes:
    return (name + pad * size).encode("utf-16-le")[:size]


@dataclass
class Meter:
    """One energy meter; what it answers can be changed, an OSError is raised."""

    names: Sequence[str] = LAPTOP
    joules: list[float] = field(default_factory=list)
    answers: dict[str, bytes | OSError] = field(default_factory=dict)
    closed: int = 0
    asked: int = 0

    def version(self) -> bytes:
        """An EMI_VERSION."""
        return self._answer("version", version())

    def metadata(self) -> bytes:
        """An EMI_METADATA_V2 by default."""
        return self._answer("metadata", metadata_v2(self.names))

    def measurement(self, channels: int) -> bytes:
        """As many bytes as are asked for, at most."""
        self.asked += 1
        whole = measurement(self.joules or [1.0] * len(self.names))
        return self._answer("measurement", whole)[: 16 * channels]

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    def _answer(self, what: str, usual: bytes) -> bytes:
        answer = self.answers.get(what, usual)
        if isinstance(answer, OSError):
            raise answer
        return answer


class Kernel32:
    """CreateFileW, DeviceIoControl and CloseHandle on meters by the paths of their devices."""

    def __init__(self, meters: dict[str, Meter | None]) -> None:
        self._meters = meters
        self.opened: dict[int, Meter] = {}
        self.shared: list[tuple[int, int]] = []

    def CreateFileW(self, path: str, access: int, share: int, *rest: Any) -> int | None:  # noqa: N802
        """A handle; INVALID_HANDLE_VALUE for a meter that is closed to us (None)."""
        self.shared.append((access, share))
        meter = self._meters[path]
        if meter is None:
            return (1 << 64) - 1
        handle = 64 + len(self.opened)
        self.opened[handle] = meter
        return handle

    def DeviceIoControl(  # noqa: N802
        self,
        handle: int,
        code: int,
        given: None,
        given_size: int,
        answer: Any,
        size: int,
        length: Any,
        wait: None,
    ) -> int:
        """Answer one of the four questions; a buffer that is too small is an error, as it is in Windows."""
        meter = self.opened[handle]
        try:
            questions: dict[int, Callable[[], bytes]] = {
                0x224000: meter.version,
                0x224004: lambda: struct.pack("<I", len(meter.metadata())),
                0x224008: meter.metadata,
                0x22400C: lambda: meter.measurement(len(meter.names)),
            }
            data = questions[code]()
        except OSError:
            return 0
        if len(data) > size:
            return 0
        answer[: len(data)] = data
        length._obj.value = len(data)
        return 1

    def CloseHandle(self, handle: int) -> int:  # noqa: N802
        """Close a meter."""
        self.opened.pop(handle).close()
        return 1


class CfgMgr32:
    """The list of devices with the interface of an energy meter: strings that end with NUL, and a NUL."""

    def __init__(self, paths: Sequence[str], *, fails: bool = False) -> None:
        self._text = "".join(f"{path}\0" for path in paths) + "\0"
        self._fails = fails
        self.guids: list[bytes] = []

    def CM_Get_Device_Interface_List_SizeW(self, size: Any, guid: Any, *rest: Any) -> int:  # noqa: N802
        """The size in characters."""
        self.guids.append(guid.raw)
        size._obj.value = len(self._text)
        return 0

    def CM_Get_Device_Interface_ListW(self, guid: Any, device: None, names: Any, *rest: Any) -> int:  # noqa: N802
        """The strings; an error if more devices have come since."""
        self.guids.append(guid.raw)
        if self._fails:
            return 26  # CR_BUFFER_SMALL
        names[:] = list(self._text.encode("utf-16-le")[::2])
        return 0
