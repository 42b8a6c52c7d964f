"""A small read-only FUSE server on the standard library alone: no libfuse, no fusermount."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

MS_RDONLY = 1
MAX_REQUEST = 1 << 18
SYSFS_SIZE = 4096  # what stat shows for every sysfs attribute
ROOT = 1  # the inode number of the mount point

# The kernel's protocol, include/uapi/linux/fuse.h
LOOKUP, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 3, 5, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = 25, 26, 27, 28, 29
SILENT = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET: the kernel waits for no reply
FOPEN_DIRECT_IO = 1  # every read reaches us, none is answered from the page cache
REQUEST = struct.Struct("<IIQQIIIHH")  # fuse_in_header
REPLY = struct.Struct("<IiQ")  # fuse_out_header
ATTR = struct.Struct("<QQQQQQIIIIIIIIII")
DIR_ENTRY = struct.Struct("<QQII")


@dataclass(frozen=True, slots=True)
class File:
    """A sysfs attribute: `text` is called at each read from offset 0 and may raise OSError."""

    text: Callable[[], str]
    mode: int = 0o444

    def data(self) -> bytes:
        """The bytes of one read, with the newline that the kernel appends."""
        return self.text().encode() + b"\n"


Node: TypeAlias = "File | str | dict[str, Node]"  # a file, the target of a symlink, a directory
Directory: TypeAlias = "dict[str, Node]"


def constant(text: str, mode: int = 0o444) -> File:
    """A file that always holds the same text."""
    return File(lambda: text, mode)


@cache
def libc() -> ctypes.CDLL:
    """The C library, for the calls that `os` does not offer on every supported Python."""
    return ctypes.CDLL(None, use_errno=True)


def mount(kind: str, source: str, target: str, *, flags: int = 0, options: str = "") -> None:
    """mount(2); raises OSError."""
    texts = (source.encode(), target.encode(), kind.encode())
    if libc().mount(*texts, ctypes.c_ulong(flags), options.encode() or None):
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} (mount {kind})", target)


class Server:
    """Serves one directory tree on one mount point, a request at a time."""

    def __init__(self, tree: Directory, target: str) -> None:
        self._born_s = int(time.time())
        self._nodes: dict[int, Node] = {}
        self._parents: dict[int, int] = {}
        self._inodes: dict[tuple[int, str], int] = {}
        self._open: dict[int, bytes] = {}  # what the last read from offset 0 gave, by file handle
        self._handles = 0
        self._add(tree, parent=ROOT)
        self.fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        ids = f"user_id={os.getuid()},group_id={os.getgid()}"
        options = f"fd={self.fd},rootmode=40000,{ids},default_permissions,allow_other"
        mount("fuse", "fakesysfs", target, flags=MS_RDONLY, options=options)

    def serve(self) -> None:
        """Answer the kernel until the file system is unmounted."""
        while True:
            try:
                request = os.read(self.fd, MAX_REQUEST)
            except (InterruptedError, FileNotFoundError):  # the request was withdrawn
                continue
            except OSError as err:
                if err.errno == errno.ENODEV:  # unmounted
                    return
                raise
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        _, code, unique, inode, *_ = REQUEST.unpack_from(request)
        if code in SILENT:
            return
        try:
            body, error = self._operate(code, inode, request[REQUEST.size :]), 0
        except OSError as err:
            body, error = b"", err.errno or errno.EIO
        try:
            os.write(self.fd, REPLY.pack(REPLY.size + len(body), -error, unique) + body)
        except FileNotFoundError:  # the reader was killed meanwhile
            return

    def _operate(self, code: int, inode: int, body: bytes) -> bytes:
        operations: dict[int, Callable[[int, bytes], bytes]] = {
            INIT: self._init,
            LOOKUP: self._lookup,
            GETATTR: lambda inode, _: struct.pack("<QII", 1, 0, 0) + self._attr(inode),
            READLINK: lambda inode, _: str(self._nodes[inode]).encode(),
            OPEN: lambda _inode, _: self._new_handle(FOPEN_DIRECT_IO),
            OPENDIR: lambda _inode, _: self._new_handle(0),
            READ: self._read,
            READDIR: self._readdir,
            RELEASE: self._release,
            RELEASEDIR: self._release,
            FLUSH: lambda _inode, _: b"",
            STATFS: lambda _inode, _: struct.pack("<QQQQQIIII24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0),
        }
        if code not in operations:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        return operations[code](inode, body)

    def _add(self, node: Node, parent: int) -> int:
        inode = len(self._nodes) + ROOT
        self._nodes[inode], self._parents[inode] = node, parent
        if isinstance(node, dict):
            for name, child in node.items():
                self._inodes[inode, name] = self._add(child, inode)
        return inode

    def _init(self, _inode: int, body: bytes) -> bytes:
        _major, minor, readahead = struct.unpack_from("<III", body)
        limits = (12, 9, 1 << 17, 1, 32, 0, 0)  # background, congestion, max write, time grain, pages
        return struct.pack("<IIIIHHIIHHI28x", 7, min(minor, 31), readahead, 0, *limits)

    def _lookup(self, parent: int, body: bytes) -> bytes:
        inode = self._inodes.get((parent, body.rstrip(b"\0").decode()))
        if inode is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return struct.pack("<QQQQII", inode, 0, 1, 1, 0, 0) + self._attr(inode)

    def _attr(self, inode: int) -> bytes:
        node = self._nodes[inode]
        mode, size = stat.S_IFDIR | 0o755, 0
        if isinstance(node, str):
            mode, size = stat.S_IFLNK | 0o777, len(node)
        elif isinstance(node, File):
            mode, size = stat.S_IFREG | node.mode, SYSFS_SIZE
        times = (self._born_s,) * 3
        return ATTR.pack(inode, size, 0, *times, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _new_handle(self, flags: int) -> bytes:
        self._handles += 1
        return struct.pack("<QII", self._handles, flags, 0)

    def _release(self, _inode: int, body: bytes) -> bytes:
        self._open.pop(struct.unpack_from("<Q", body)[0], None)
        return b""

    def _read(self, inode: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        node = self._nodes[inode]
        if offset == 0 and isinstance(node, File):
            self._open[handle] = node.data()
        return self._open.get(handle, b"")[offset : offset + size]

    def _readdir(self, inode: int, body: bytes) -> bytes:
        _handle, offset, size = struct.unpack_from("<QQI", body)
        out = b""
        for position, (name, child) in enumerate(self._entries(inode)[offset:], offset + 1):
            raw = name.encode()
            kind = stat.S_IFMT(self._mode(child)) >> 12
            entry = DIR_ENTRY.pack(child, position, len(raw), kind) + raw
            entry += b"\0" * (-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        return out

    def _entries(self, inode: int) -> list[tuple[str, int]]:
        node = self._nodes[inode]
        names = node if isinstance(node, dict) else {}
        own = [(".", inode), ("..", self._parents[inode])]
        return own + [(name, self._inodes[inode, name]) for name in names]

    def _mode(self, inode: int) -> int:
        return int(ATTR.unpack(self._attr(inode))[9])
