"""Connections that look at the clock: a whole answer has one deadline, however it trickles in."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    ProxyHandler,
    Request,
    build_opener,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import Message
    from http.client import HTTPResponse
    from typing import IO, Any
    from urllib.request import OpenerDirector

    from typing_extensions import Buffer

    Address = tuple[Any, ...]  # as getaddrinfo gives it: family, kind, protocol, name, where


def opener(until_s: float, *, near: bool = False) -> OpenerDirector:
    """Asks by the environment's proxies, checks certificates, and is done by `until_s` (monotonic).

    What is near, in the user's own network, is asked without a proxy.
    """
    proxies = [ProxyHandler({})] if near else []
    return build_opener(_Plain(until_s), _Secure(until_s), _SameHost(), *proxies)


def left_s(until_s: float) -> float:
    """Seconds until then. Raises TimeoutError where there are none."""
    seconds = until_s - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def dial(addresses: Sequence[Address], until_s: float) -> Hurried:
    """A connection to the first address that answers. Raises OSError.

    One that never answers, as IPv6 does in many a network, leaves the others their part of the time.
    """
    trouble = OSError("its name has no address")
    for index, (family, kind, protocol, _, where) in enumerate(addresses):
        found = None
        try:
            found = Hurried(family, kind, protocol)
            found.until_s = until_s
            found.settimeout(left_s(until_s) / (len(addresses) - index))
            found.connect(where)
            found.settimeout(left_s(until_s))
            return found
        except OSError as err:
            trouble = err
            if found is not None:
                found.close()
    raise trouble


class Hurried(socket.socket):
    """Each read may take what is left of the whole answer's time: a byte a second shall not hold us long."""

    until_s = 0.0

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """As the socket's own."""
        self.settimeout(left_s(self.until_s))
        return super().recv_into(buffer, nbytes, flags)


class _Dialling(HTTPConnection):
    def __init__(self, host: str, timeout: float, until_s: float) -> None:
        super().__init__(host, timeout=timeout)
        self._until_s = until_s
        self._dialled: Hurried | None = None
        self._create_connection = self._dial  # what the library connects by, to a proxy as well

    def _dial(self, address: tuple[str, int], *_: object) -> Hurried:
        self._dialled = dial(socket.getaddrinfo(*address, 0, socket.SOCK_STREAM), self._until_s)
        return self._dialled

    def connect(self) -> None:
        """Connect; nothing stays open where that fails, as it does in Python 3.10 where a proxy refuses."""
        try:
            super().connect()
        except BaseException:
            left = self._dialled.detach() if self._dialled is not None else -1
            if left >= 0:
                socket.close(left)
            raise


class _SecureDialling(_Dialling, HTTPSConnection):
    def connect(self) -> None:
        """Connect, and from then on look at the clock."""
        super().connect()
        secure, until_s = self.sock, self._until_s
        receive = secure.recv_into

        def hurried(buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
            secure.settimeout(left_s(until_s))
            return receive(buffer, nbytes, flags)

        secure.recv_into = hurried  # type: ignore[method-assign]


class _Plain(HTTPHandler):
    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_s = until_s

    def http_open(self, req: Request) -> HTTPResponse:
        """Open by a connection that looks at the clock."""
        return self.do_open(_Dialling, req, until_s=self._until_s)  # type: ignore[arg-type]


class _Secure(HTTPSHandler):
    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_s = until_s

    def https_open(self, req: Request) -> HTTPResponse:
        """Open by a connection that looks at the clock; certificates are checked as Python does."""
        return self.do_open(_SecureDialling, req, until_s=self._until_s)  # type: ignore[arg-type]


class _SameHost(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """Follow only to where we were sent: a key is for nobody else."""
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
