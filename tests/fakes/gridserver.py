"""Providers of live intensities in their own formats; also behind TLS, a proxy, and a silent address."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from energywrap.grid.client import Client
from energywrap.model import Live, Slot
from fakes.web import Answer, Server, say

OPENSSL = shutil.which("openssl")
QUARTER, HALF, HOUR = 900.0, 1800.0, 3600.0
NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC: the beginning of an hour
KEY = "a-secret-key-of-mine"


def iso(seconds: float) -> str:
    """As providers write an instant."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def times(count: int, step_s: float, before: int) -> list[float]:
    """Beginnings of slots, some of them before now."""
    return [NOW + (index - before) * step_s for index in range(count)]


def told(
    *values: float, kind: str = "actual", start_s: float = NOW, step_s: float = HALF
) -> tuple[Slot, ...]:
    """Slots with these values, one after the other."""
    return tuple(
        Slot(start_s + index * step_s, start_s + (index + 1) * step_s, value, kind)
        for index, value in enumerate(values)
    )


def as_live(*values: float, kind: str = "actual", fetched_at_s: float = NOW) -> Live:
    """An answer of NESO's with these values in half hours from now on."""
    found = told(*values, kind=kind)
    return Live("neso", "GB", "direct", "CO2", "consumption", "s", "l", fetched_at_s, False, found)


def energy_charts(request: BaseHTTPRequestHandler) -> None:
    """Parallel arrays; what is not known yet is null, and forecast."""
    assert parse_qs(urlsplit(request.path).query)["country"] == ["de"]
    body = {
        "unix_seconds": [int(each) for each in times(24, QUARTER, 8)],
        "co2eq": [300.0 + index if index < 12 else None for index in range(24)],
        "co2eq_forecast": [310.0 - index for index in range(24)],
        "deprecated": False,
    }
    say(request, json.dumps(body).encode())


def half_hours(*values: float, before: int = 0) -> list[dict[str, object]]:
    """NESO's; `actual` of the running one and of what follows is null."""
    return [
        {
            "from": iso(start_s),
            "to": iso(start_s + HALF),
            "intensity": {"forecast": value, "actual": value - 10 if start_s < NOW else None, "index": "low"},
        }
        for start_s, value in zip(times(len(values), HALF, before), values, strict=True)
    ]


def neso(request: BaseHTTPRequestHandler) -> None:
    """Half hours; those of a region are inside an object."""
    entries = half_hours(*[140] * 12, before=4)
    regional = request.path.startswith("/regional/intensity/")
    say(request, json.dumps({"data": {"regionid": 13, "data": entries} if regional else entries}).encode())


def electricity_maps(request: BaseHTTPRequestHandler) -> None:
    """Hours, for who has a key; what is to come only at another address."""
    if request.headers["auth-token"] != KEY:
        say(request, b'{"error":"Invalid auth-token"}', 401)
        return
    hours = [
        {"zone": "DE", "carbonIntensity": 350 - index, "datetime": iso(start_s), "isEstimated": index == 0}
        for index, start_s in enumerate(times(5, HOUR, 4))
    ]
    path = urlsplit(request.path).path
    if path.endswith("/history"):
        say(request, json.dumps({"zone": "DE", "history": hours}).encode())
    elif path.endswith("/forecast"):
        ahead = [{"carbonIntensity": 200, "datetime": iso(start_s)} for start_s in times(4, HOUR, -1)]
        say(request, json.dumps({"zone": "DE", "forecast": ahead}).encode())
    else:
        say(request, json.dumps(hours[-1]).encode())


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self, now_s: float = NOW) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def client(base: str, now_s: float | Clock = NOW, patience_s: float = 1.0) -> Client:
    """Asks there, makes no pauses, and lives at that time."""
    clock = now_s if isinstance(now_s, Clock) else Clock(now_s)
    return Client(base, sleep=lambda seconds: None, patience_s=patience_s, now_s=clock)


class Told(Client):
    """A client that has an answer already."""

    def __init__(self, document: object) -> None:
        super().__init__(now_s=Clock())
        self._document = document

    def get(self, url: str, headers: object = None) -> object:
        """That answer."""
        return self._document


class Handler(BaseHTTPRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def serving(handler: type[Handler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server on this machine."""
    server = Server(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, made just now, and its key."""
    made, key = folder / "certificate.pem", folder / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [OPENSSL or "openssl", *words.split(), "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@contextmanager
def secure(answer: Answer, made: Path, key: Path) -> Iterator[str]:
    """The address of a service behind TLS."""

    class Answering(Handler):
        def do_GET(self) -> None:
            answer(self)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with serving(Answering, context) as port:
        yield f"https://127.0.0.1:{port}"


@contextmanager
def proxy(seen: list[str]) -> Iterator[str]:
    """The address of a proxy that lets TLS through, and notes all that it can read."""

    class Tunnel(Handler):
        def do_CONNECT(self) -> None:
            seen.append(f"{self.requestline}\n{self.headers}")
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=5) as other:
                self.send_response(200)
                self.end_headers()
                there = threading.Thread(target=pour, args=(self.connection, other), daemon=True)
                there.start()
                pour(other, self.connection)
                there.join(5)
            self.close_connection = True

    with serving(Tunnel) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def slow_proxy() -> Iterator[str]:
    """The address of a proxy that never comes to the end of its first answer."""

    class Slow(Handler):
        def do_CONNECT(self) -> None:
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    self.wfile.write(b"y")
                    time.sleep(0.05)
            except OSError:
                pass  # who asked has gone

    with serving(Slow) as port:
        yield f"http://127.0.0.1:{port}"


def pour(source: socket.socket, target: socket.socket) -> None:
    """All that comes out of one into the other."""
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of them has gone


@contextmanager
def silent() -> Iterator[tuple[str, int] | None]:
    """An address that lets nobody in and tells nobody so; None where such a thing cannot be had."""
    waiting: list[socket.socket] = []
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        try:
            for _ in range(8):
                waiting.append(socket.create_connection(full.getsockname(), timeout=0.05))
            yield None
        except TimeoutError:
            yield full.getsockname()
        finally:
            for each in waiting:
                each.close()
