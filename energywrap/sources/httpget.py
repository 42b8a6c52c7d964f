"""One small answer from a device in the user's network: bounded in time, in size and in where it comes from.

Loaded only when a meter is asked: what it imports takes longer than many commands.
"""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, ProxyHandler, Request, build_opener

from energywrap.errors import printable
from energywrap.sources.polled import NoAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from email.message import Message
    from http.client import HTTPResponse
    from typing import IO

    from typing_extensions import Buffer

MOST_BYTES = 65536
MOST_WORDS = 120  # of a stranger's message


def get_json(url: str, until_s: float) -> object:
    """The JSON at `url`, by `until_s` of the monotonic clock. Raises NoAnswer."""
    import json

    opener = build_opener(_Handler(until_s), _SameHost(), ProxyHandler({}))  # it is in the user's own network
    try:
        with opener.open(Request(url), timeout=_left_s(until_s)) as response:
            told = response.read(MOST_BYTES + 1)
        if len(told) > MOST_BYTES:
            raise NoAnswer(f"it answers with more than {MOST_BYTES} bytes")
        text = told.decode("utf-8", "replace")
        return json.loads(text[max(0, text.find("{")) :])  # old Tasmota puts "STATUS8 = " in front
    except HTTPError as err:
        err.close()
        raise NoAnswer(f"it answers HTTP {err.code}") from err
    except (OSError, HTTPException) as err:
        raise NoAnswer(f"it does not answer: {printable(str(err) or repr(err))[:MOST_WORDS]}") from err
    except (ValueError, RecursionError) as err:
        raise NoAnswer("its answer is no JSON") from err


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


class _Hurried(socket.socket):
    """Each read may take what is left of the whole: a byte a second shall not hold us for an hour."""

    until_s = 0.0

    def recv_into(self, buffer: Buffer, nbytes: int = 0, flags: int = 0) -> int:
        """As the socket's own."""
        self.settimeout(_left_s(self.until_s))
        return super().recv_into(buffer, nbytes, flags)


class _Connection(HTTPConnection):
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


class _Handler(HTTPHandler):
    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_s = until_s

    def http_open(self, req: Request) -> HTTPResponse:
        """Open by a connection that looks at the clock."""
        return self.do_open(_Connection, req, until_s=self._until_s)  # type: ignore[arg-type]


class _SameHost(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """Follow only to where the user sent us."""
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
