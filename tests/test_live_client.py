"""The client of the providers: bounded in time and size, honest about its failures, silent about keys."""

from __future__ import annotations

import email.utils
import socket
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from energywrap import __version__, transport
from energywrap.grid.client import Client, NoLive
from fakes import gridserver
from fakes.web import Answer, say, service

URL = "https://provider.invalid/intensity?zone=x"
KEY = {"auth-token": "a-secret-key-of-mine"}
needs_openssl = pytest.mark.skipif(gridserver.OPENSSL is None, reason="no openssl to make a certificate with")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy but a test's own."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "")


def fine(request: BaseHTTPRequestHandler) -> None:
    """A short answer."""
    say(request, b'{"fine": true}')


def trickling(request: BaseHTTPRequestHandler) -> None:
    """A letter now and then, for ever."""
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b" ")
            time.sleep(0.05)
    except OSError:
        pass


def client(base: str, pauses: list[float] | None = None, patience_s: float = 1.0) -> Client:
    """Asks there, and only notes its pauses."""
    return Client(base, sleep=(pauses if pauses is not None else []).append, patience_s=patience_s)


def refusal(base: str, patience_s: float = 1.0) -> str:
    """Why nothing could be had."""
    with pytest.raises(NoLive) as refused:
        client(base, patience_s=patience_s).get(URL, KEY)
    told = f"{refused.value.reason} {refused.value.hint} {refused.value}"
    assert KEY["auth-token"] not in told
    assert "\n" not in told
    return refused.value.reason


def test_who_asks_is_said() -> None:
    agents: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        agents.append(request.headers["User-Agent"])
        fine(request)

    with service(answer) as base:
        assert client(base).get(URL) == {"fine": True}
    assert agents == [f"energywrap/{__version__}"]


@pytest.mark.parametrize(
    ("status", "times"), [(400, 1), (401, 1), (403, 1), (404, 1), (429, 2), (500, 2), (503, 2)]
)
def test_only_what_may_pass_is_asked_again_and_only_once(status: int, times: int) -> None:
    asked: list[str] = []
    pauses: list[float] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        say(request, b"", status)

    with service(answer) as base, pytest.raises(NoLive, match=f"HTTP {status}"):
        client(base, pauses).get(URL)

    assert len(asked) == times
    assert pauses == [0.5] * (times - 1)


NOON = 1_800_000_000.0


@pytest.mark.parametrize(
    ("told", "pause"),
    [
        ("0", 0.5),
        ("1", 1.0),
        (email.utils.formatdate(NOON + 1, usegmt=True), 1.0),
        (email.utils.formatdate(NOON - 3600, usegmt=True), 0.5),
        ("soon", 0.5),
        ("-7", 0.5),
    ],
)
def test_a_pause_is_as_long_as_is_asked_for_in_seconds_or_until_an_instant(told: str, pause: float) -> None:
    pauses: list[float] = []
    with service(lambda request: say(request, b"", 429, Retry_After=told)) as base:
        asking = Client(base, sleep=pauses.append, patience_s=2.0, now_s=lambda: NOON)
        with pytest.raises(NoLive):
            asking.get(URL)

    assert pauses == [pause]


@pytest.mark.parametrize("told", ["7200", "9" * 400, email.utils.formatdate(NOON + 7200, usegmt=True)])
def test_nobody_waits_for_hours(told: str) -> None:
    asked: list[str] = []
    pauses: list[float] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        say(request, b"", 429, Retry_After=told)

    with service(answer) as base, pytest.raises(NoLive, match="asks to wait"):
        Client(base, sleep=pauses.append, now_s=lambda: NOON).get(URL)

    assert (len(asked), pauses) == (1, [])


def test_a_redirect_within_the_host_is_followed() -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.startswith("/intensity"):
            say(request, b"", 302, Location="/elsewhere")
        else:
            fine(request)

    with service(answer) as base:
        assert client(base).get(URL) == {"fine": True}


def test_a_redirect_to_another_host_is_not_followed_and_no_key_goes_there() -> None:
    asked: list[str] = []
    with (
        service(lambda request: asked.append(str(request.headers))) as other,
        service(lambda request: say(request, b"", 302, Location=other)) as base,
    ):
        assert refusal(base) == "it answers HTTP 302"

    assert asked == []


def test_a_redirect_in_a_circle_ends() -> None:
    with service(lambda request: say(request, b"", 302, Location="/intensity?zone=x")) as base:
        assert "HTTP 302" in refusal(base)


@pytest.mark.parametrize(
    "base", ["", "nonsense", "localhost:80", "http://[x", "http://", "file:///etc", "http://ü"]
)
def test_a_base_that_is_no_address_is_said(base: str) -> None:
    assert "begins with http:// or https://" in refusal(base)


def test_a_proxy_variable_that_is_no_address_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http:/nonsense")

    assert "proxy" in refusal("http://provider.invalid")


def raw(text: bytes) -> Answer:
    """These bytes instead of any answer."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(text)

    return answer


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "does not answer"),
        (b"220 mail.example ESMTP\r\n", "does not answer"),
        (b"HTTP/1.0 999999 what\r\n\r\n", "does not answer"),
        (b"HTTP/1.0 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n{}", "does not answer"),
        (b"HTTP/1.0 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n{}", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "does not answer"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 40\r\n\r\n[1", "cut off"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: -4\r\n\r\n[1", "no JSON"),
        (b"HTTP/1.0 200 OK\r\n\r\n[Infinity]", "no JSON"),
        (b"HTTP/1.0 200 OK\r\n\r\n[-Infinity]", "no JSON"),
        (b"HTTP/1.0 200 OK\r\n\r\n[" + b"7" * 5000 + b"]", "no JSON"),
        (b"HTTP/1.0 204 No Content\r\n\r\n", "no JSON"),
        (b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00", "no JSON"),
    ],
)  # fmt: skip
def test_what_is_no_proper_answer_is_one_reason(text: bytes, reason: str) -> None:
    with service(raw(text)) as base:
        assert reason in refusal(base)


def test_a_long_answer_is_let_go_of_early() -> None:
    sent = 0

    def answer(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(1000):
                request.wfile.write(b" " * 100_000)
                sent += 100_000
        except OSError:
            pass

    with service(answer) as base:
        assert refusal(base) == "it answers with more than 2 MB"
    assert sent < 50_000_000


@needs_openssl
def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, key = gridserver.certificate(tmp_path)
    with gridserver.secure(fine, made, key) as base:
        assert "certificate" in refusal(base)
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
        assert client(base).get(URL) == {"fine": True}


@needs_openssl
def test_an_answer_that_trickles_has_no_more_time_behind_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, key = gridserver.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    began_s = time.monotonic()
    with gridserver.secure(trickling, made, key) as base:
        assert "timed out" in refusal(base, patience_s=0.4)

    assert time.monotonic() - began_s < 2


@needs_openssl
def test_a_proxy_passes_on_what_it_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, key = gridserver.certificate(tmp_path)
    seen: list[str] = []
    with gridserver.secure(fine, made, key) as base, gridserver.proxy(seen) as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", str(made))
        monkeypatch.setenv("https_proxy", proxy)
        assert client(base).get(URL, KEY) == {"fine": True}

    (only,) = seen
    assert only.startswith(f"CONNECT {base.removeprefix('https://')} ")
    assert KEY["auth-token"] not in only


def test_a_proxy_that_trickles_has_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    began_s = time.monotonic()
    with gridserver.slow_proxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        assert "timed out" in refusal("https://provider.invalid", patience_s=0.4)

    assert time.monotonic() - began_s < 2


def address(where: tuple[str, int]) -> transport.Address:
    return (socket.AF_INET, socket.SOCK_STREAM, 0, "", where)


def test_an_address_that_never_answers_leaves_the_others_their_time() -> None:
    with gridserver.silent() as nowhere, socket.create_server(("127.0.0.1", 0)) as listening:
        if nowhere is None:
            pytest.skip("this system lets everybody in")
        found = [address(nowhere), address(listening.getsockname())]
        with transport.dial(found, time.monotonic() + 0.6) as connection:
            assert connection.getpeername() == listening.getsockname()


def test_of_addresses_that_all_refuse_the_last_refusal_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = address(free.getsockname())
        with pytest.raises(ConnectionRefusedError):
            transport.dial([where, where], time.monotonic() + 1)
    with pytest.raises(OSError, match="no address"):
        transport.dial([], time.monotonic() + 1)
