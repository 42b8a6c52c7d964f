"""One small answer from a provider: bounded in time and size, and every failure in one plain sentence."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from energywrap import __version__
from energywrap.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from http.client import HTTPResponse
    from typing import IO

    from typing_extensions import Buffer

PATIENCE_S = 3.0  # for a whole answer
PAUSE_S = 0.5  # before the one repetition
MOST_BYTES = 2_000_000
MOST_WORDS = 120  # letters of a stranger's message
AGAIN = (408, 429, 500, 502, 503, 504)


class NoLive(Exception):
    """A live intensity could not be had: why, and what would help."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class _Later(Exception):
    """It may be asked again, after so many seconds."""

    def __init__(self, reason: str, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Client:
    """Asks for JSON; the time, the pauses and the base of all addresses can be given for tests."""

    def __init__(
        self,
        base: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._base = base
        self._sleep = sleep
        self._patience_s = patience_s

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> object:
        """The JSON at an address. Raises NoLive. Asked once more where that may help, after a pause."""
        address = self._address(url)
        try:
            return self._once(address, headers or {})
        except _Later as first:
            if first.after_s > self._patience_s:
                raise NoLive(f"{first}, and asks to wait for {first.after_s:.0f} s") from first
            self._sleep(first.after_s)
        try:
            return self._once(address, headers or {})
        except _Later as second:
            raise NoLive(str(second)) from second

    def _address(self, url: str) -> str:
        """With the base that was given in place of the provider's own."""
        if self._base is None:
            return url
        parts = urlsplit(url)
        return self._base.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")

    def _once(self, url: str, headers: Mapping[str, str]) -> object:
        import json

        until_s = time.monotonic() + self._patience_s
        request = Request(url, headers={"User-Agent": f"energywrap/{__version__}", **headers})
        opener = build_opener(_Plain(until_s), _Secure(until_s), _SameHost())
        try:
            with opener.open(request, timeout=self._patience_s) as response:
                data = _read(response, until_s)
            return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        except HTTPError as err:
            err.close()
            raise _of_status(err.code, err.headers.get("Retry-After")) from err
        except (OSError, HTTPException) as err:
            reason = getattr(err, "reason", err)
            words = printable(str(reason) or type(reason).__name__)[:MOST_WORDS]
            raise _Later(f"it does not answer ({words})", PAUSE_S) from err
        except (ValueError, RecursionError) as err:
            raise NoLive("its answer is no JSON") from err


def _of_status(code: int, retry_after: str | None) -> Exception:
    words = f"it answers HTTP {code}"
    if code in AGAIN:
        after_s = float(retry_after) if retry_after and retry_after.isdecimal() else PAUSE_S
        return _Later(words, after_s)
    hints = {401: "check the key", 403: "the key has no access to this", 404: "it does not know this zone"}
    return NoLive(words, hints.get(code))


def _read(response: HTTPResponse, until_s: float) -> bytes:
    data = b""
    while piece := response.read1(65536):
        data += piece
        if len(data) > MOST_BYTES:
            raise NoLive(f"it answers with more than {MOST_BYTES / 1e6:.0f} MB")
        _left_s(until_s)
    length = response.getheader("Content-Length")
    if length is not None and length.isdecimal() and len(data) < int(length):
        raise HTTPException("its answer is cut off")
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


class _Hurried(socket.socket):
    """Each read may take what is left of the whole answer's time: a byte a second shall not hold us long."""

    until_s = 0.0

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """As the socket's own."""
        self.settimeout(_left_s(self.until_s))
        return super().recv_into(buffer, nbytes, flags)


class _PlainConnection(HTTPConnection):
    def __init__(self, host: str, timeout: float, until_s: float) -> None:
        super().__init__(host, timeout=timeout)
        self._until_s = until_s

    def connect(self) -> None:
        """Connect, and from then on look at the clock."""
        super().connect()
        plain = self.sock
        hurried = _Hurried(plain.family, plain.type, plain.proto, plain.detach())
        hurried.until_s = self._until_s
        self.sock = hurried


class _SecureConnection(HTTPSConnection):
    def __init__(self, host: str, timeout: float, until_s: float) -> None:
        super().__init__(host, timeout=timeout)
        self._until_s = until_s

    def connect(self) -> None:
        """Connect, and from then on look at the clock."""
        super().connect()
        secure, until_s = self.sock, self._until_s
        receive = secure.recv_into

        def hurried(buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
            secure.settimeout(_left_s(until_s))
            return receive(buffer, nbytes, flags)

        secure.recv_into = hurried  # type: ignore[method-assign]


class _Plain(HTTPHandler):
    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_s = until_s

    def http_open(self, req: Request) -> HTTPResponse:
        """Open by a connection that looks at the clock."""
        return self.do_open(_PlainConnection, req, until_s=self._until_s)  # type: ignore[arg-type]


class _Secure(HTTPSHandler):
    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_s = until_s

    def https_open(self, req: Request) -> HTTPResponse:
        """Open by a connection that looks at the clock; certificates are checked as Python does."""
        return self.do_open(_SecureConnection, req, until_s=self._until_s)  # type: ignore[arg-type]


class _SameHost(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """Follow only to where we were sent: a key is for nobody else."""
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
