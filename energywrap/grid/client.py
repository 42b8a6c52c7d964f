"""One small answer from a provider: bounded in time and size, and every failure in one plain sentence."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

from energywrap import __version__
from energywrap.errors import printable
from energywrap.transport import left_s, opener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from http.client import HTTPResponse

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
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.now_s = now_s  # seconds since 1970
        self.remark: str | None = None  # what must be said of the answer that was read last
        self._base = base
        self._sleep = sleep
        self._patience_s = patience_s

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> object:
        """The JSON at an address. Raises NoLive. Asked once more where that may help, after a pause."""
        address = self._address(url)
        try:
            return self._once(address, headers or {})
        except _Later as first:
            if first.after_s > max(self._patience_s, PAUSE_S):
                raise NoLive(f"{first}, and asks to wait for {first.after_s:.0f} s") from first
            self._sleep(first.after_s)
        try:
            return self._once(address, headers or {})
        except _Later as second:
            raise NoLive(str(second)) from second

    def _address(self, url: str) -> str:
        """With the base that was given in place of the provider's own."""
        try:
            parts = urlsplit(url)
            if self._base is not None:
                url = self._base.rstrip("/") + parts.path + (f"?{parts.query}" if parts.query else "")
                parts = urlsplit(url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii()
        except ValueError:
            fits = False
        if not fits:
            raise NoLive("its address is none that begins with http:// or https:// and names a host")
        return url

    def _once(self, url: str, headers: Mapping[str, str]) -> object:
        import json

        until_s = time.monotonic() + self._patience_s
        request = Request(url, headers={"User-Agent": f"energywrap/{__version__}", **headers})
        try:
            with opener(until_s).open(request, timeout=self._patience_s) as response:
                data = _read(response, until_s)
        except HTTPError as err:
            err.close()
            raise _of_status(err.code, err.headers.get("Retry-After"), self.now_s(), bool(headers)) from err
        except (OSError, HTTPException) as err:
            reason = getattr(err, "reason", err)
            words = printable(str(reason) or type(reason).__name__)[:MOST_WORDS]
            raise _Later(f"it does not answer ({words})", PAUSE_S) from err
        except ValueError as err:  # of a proxy variable that is no address, say
            raise NoLive("neither it nor a proxy can be asked by the addresses that are set") from err
        try:
            return json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError) as err:
            raise NoLive("its answer is no JSON") from err


def _of_status(code: int, retry_after: str | None, now_s: float, with_key: bool) -> Exception:
    words = f"it answers HTTP {code}"
    if code in AGAIN:
        return _Later(words, _after_s(retry_after, now_s))
    hints = {404: "it does not know this zone"}
    if with_key:
        hints |= {401: "check the key", 403: "the key has no access to this"}
    return NoLive(words, hints.get(code))


def _after_s(told: str | None, now_s: float) -> float:
    """Seconds of a Retry-After, which holds seconds or an instant; the usual pause where that is longer."""
    if told is None:
        return PAUSE_S
    if told.isascii() and told.isdecimal():
        return max(PAUSE_S, float(told))
    try:
        return max(PAUSE_S, parsedate_to_datetime(told).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError, OSError):
        return PAUSE_S  # it is no instant either


def _read(response: HTTPResponse, until_s: float) -> bytes:
    data = b""
    while piece := response.read1(65536):
        data += piece
        if len(data) > MOST_BYTES:
            raise NoLive(f"it answers with more than {MOST_BYTES / 1e6:.0f} MB")
        left_s(until_s)
    length = response.getheader("Content-Length")
    if length is not None and length.isdecimal() and len(data) < int(length):
        raise HTTPException("its answer is cut off")
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
