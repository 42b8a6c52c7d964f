"""The few calls to Windows that the Energy Meter Interface takes; imported on Windows only.

Not yet seen on real hardware. Device interfaces are listed by the configuration manager (cfgmgr32), which
takes two calls where SetupDi takes five and the size of a structure that differs by architecture.
"""

from __future__ import annotations

import ctypes
from ctypes import wintypes

from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# GUID_DEVICE_ENERGY_METER {45BD8344-7ED6-49CF-A440-C276C933B053}, as it lies in memory
GUID = bytes.fromhex("4483BD45D67ECF49A440C276C933B053")
# CTL_CODE(FILE_DEVICE_UNKNOWN, 0 to 3, METHOD_BUFFERED, FILE_READ_ACCESS)
GET_VERSION, GET_METADATA_SIZE, GET_METADATA, GET_MEASUREMENT = 0x224000, 0x224004, 0x224008, 0x22400C
GENERIC_READ, SHARE_READ_WRITE, OPEN_EXISTING = 0x80000000, 3, 3
NO_HANDLE = wintypes.HANDLE(-1).value
LARGEST_BYTES = 1 << 20  # no metadata is that long


@record
class Windows:
    """The two libraries that are called."""

    kernel32: Any
    cfgmgr32: Any


class WindowsMeter:
    """One open energy meter; every question raises OSError if it is not answered."""

    def __init__(self, windows: Windows, path: str) -> None:
        """Open it for reading, which every user may. Raises OSError."""
        self._kernel32 = windows.kernel32
        self._handle = self._kernel32.CreateFileW(
            path, GENERIC_READ, SHARE_READ_WRITE, None, OPEN_EXISTING, 0, None
        )
        if self._handle in (None, NO_HANDLE):
            raise _failed(path)

    def version(self) -> bytes:
        """An EMI_VERSION."""
        return self._ask(GET_VERSION, 2)

    def metadata(self) -> bytes:
        """An EMI_METADATA of that version."""
        size = int.from_bytes(self._ask(GET_METADATA_SIZE, 4), "little")
        return self._ask(GET_METADATA, min(size, LARGEST_BYTES))

    def measurement(self, channels: int) -> bytes:
        """An EMI_CHANNEL_MEASUREMENT_DATA for each channel."""
        return self._ask(GET_MEASUREMENT, 16 * channels)

    def _ask(self, code: int, size: int) -> bytes:
        answer, length = ctypes.create_string_buffer(max(size, 1)), wintypes.DWORD(0)
        done = self._kernel32.DeviceIoControl(
            self._handle, code, None, 0, answer, size, ctypes.byref(length), None
        )
        if not done:
            raise _failed(f"energy meter, code {code:#x}")
        return answer.raw[: min(length.value, size)]

    def close(self) -> None:
        """Close the handle."""
        self._kernel32.CloseHandle(self._handle)


def open_meters(windows: Windows | None = None) -> list[WindowsMeter]:
    """Every energy meter that is present and can be opened, in Windows' order."""
    windows = windows or _libraries()
    found = []
    for path in _paths(windows):
        try:
            found.append(WindowsMeter(windows, path))
        except OSError:
            continue  # it has been taken away, or is closed to us
    return found


def _paths(windows: Windows) -> list[str]:
    """The names of all present devices with this interface."""
    size = wintypes.ULONG(0)
    guid = ctypes.create_string_buffer(GUID, len(GUID))
    if windows.cfgmgr32.CM_Get_Device_Interface_List_SizeW(ctypes.byref(size), guid, None, 0):
        return []
    names = (ctypes.c_uint16 * size.value)()  # characters of UTF-16, whatever the width of a wchar_t
    if windows.cfgmgr32.CM_Get_Device_Interface_ListW(guid, None, names, size, 0):
        return []  # it has grown since: then there is none this time
    return [path for path in bytes(names).decode("utf-16-le", "replace").split("\0") if path]


def _libraries() -> Windows:
    load: Any = getattr(ctypes, "WinDLL")  # noqa: B009  (there is none elsewhere)
    kernel32, cfgmgr32 = load("kernel32", use_last_error=True), load("cfgmgr32")
    kernel32.CreateFileW.restype = wintypes.HANDLE  # a pointer: the default would cut it in half
    kernel32.CreateFileW.argtypes = (
        wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD, wintypes.LPVOID,
        wintypes.DWORD, wintypes.DWORD, wintypes.HANDLE,
    )  # fmt: skip
    kernel32.DeviceIoControl.argtypes = (
        wintypes.HANDLE, wintypes.DWORD, wintypes.LPVOID, wintypes.DWORD,
        wintypes.LPVOID, wintypes.DWORD, wintypes.LPVOID, wintypes.LPVOID,
    )  # fmt: skip
    kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    pointers = (wintypes.LPVOID, wintypes.LPVOID, wintypes.LPVOID, wintypes.ULONG)
    cfgmgr32.CM_Get_Device_Interface_List_SizeW.argtypes = pointers
    cfgmgr32.CM_Get_Device_Interface_ListW.argtypes = (
        wintypes.LPVOID, wintypes.LPVOID, wintypes.LPVOID, wintypes.ULONG, wintypes.ULONG,
    )  # fmt: skip
    return Windows(kernel32, cfgmgr32)


def _failed(what: str) -> OSError:
    last_error = getattr(ctypes, "get_last_error", None)
    return OSError(last_error() if last_error else 0, what)
