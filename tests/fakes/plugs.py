"""Smart plugs on a port of this machine: each speaks its maker's format, and can misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import unquote

Answers: TypeAlias = dict[str, object]  # by path; a text is sent as it is

HUGE = 1 << 20
DRIP_S = 0.1


def shelly1(watts: object, watt_minutes: object = 12345, *, number: int = 0, valid: bool = True) -> Answers:
    """A first generation plug: /meter/N, its counter in watt-minutes."""
    meter = {"power": watts, "overpower": 0.0, "is_valid": valid, "timestamp": 1700000000,
             "counters": [12.1, 12.0, 11.9], "total": watt_minutes}  # fmt: skip
    return {f"/meter/{number}": meter}


def shelly1_em(watts: object, watt_hours: object = 20.5) -> Answers:
    """A first generation energy meter: /emeter/N, its counter in Wh."""
    return {"/emeter/0": {"power": watts, "pf": 0.9, "voltage": 231.0, "is_valid": True, "total": watt_hours}}


def shelly2(watts: object, watt_hours: object = 6.532, *, number: int = 0) -> Answers:
    """A plug of the second generation and later."""
    energy = {"total": watt_hours, "by_minute": [1000.0, 990.1, 985.3], "minute_ts": 1700000000}
    switch = {"id": number, "source": "init", "output": True, "apower": watts, "voltage": 230.1,
              "current": 0.4, "aenergy": energy, "temperature": {"tC": 40.1, "tF": 104.2}}  # fmt: skip
    return {f"/rpc/Switch.GetStatus?id={number}": switch}


def shelly2_em(watts: object) -> Answers:
    """A three-phase meter of the second generation."""
    phases = {"a_act_power": 1.0, "b_act_power": 2.0, "c_act_power": 3.0}
    return {"/rpc/EM.GetStatus?id=0": {"id": 0, **phases, "total_act_power": watts, "total_current": 1.2}}


def tasmota(watts: object, kwh: object = 3.185, *, status: int = 8) -> Answers:
    """A plug with Tasmota; some versions tell the sensors by Status 10 only."""
    energy = {"TotalStartTime": "2024-01-01", "Total": kwh, "Yesterday": 0.5, "Today": 0.1,
              "Power": watts, "ApparentPower": 60, "Factor": 0.9, "Voltage": 231}  # fmt: skip
    silent: Answers = {"/cm?cmnd=Status 8": {"Command": "Unknown"}}
    return {**silent, f"/cm?cmnd=Status {status}": {"StatusSNS": {"Time": "now", "ENERGY": energy}}}


def old_tasmota(watts: object, kwh: object = 0.002) -> Answers:
    """Tasmota of 2017: another name, and a word in front of the JSON."""
    power = {"Total": kwh, "Yesterday": 0.0, "Today": 0.0, "Power": watts, "Factor": 0.94, "Voltage": 234}
    return {"/cm?cmnd=Status 8": "STATUS8 = " + json.dumps({"StatusPWR": power})}


class FakePlug:
    """A plug that answers, or does not, as its test says."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.fault = ""  # slow, hang, 500, truncated, huge, elsewhere, here, headers
        self.asked: list[str] = []
        self.called = threading.Event()
        self.ended = threading.Event()
        self.elsewhere = ""
        plug = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plug._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"

    def serve(self) -> None:
        """Answer until closed."""
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        """Answer no more; requests that hang are let go."""
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(request.path)
        self.asked.append(path)
        self.called.set()
        fault: Callable[[BaseHTTPRequestHandler], None] | None = getattr(self, f"_{self.fault}", None)
        try:
            if fault is not None:
                fault(request)
            else:
                self._tell(request, path)
        except OSError:
            pass  # the client has had enough

    def _tell(self, request: BaseHTTPRequestHandler, path: str) -> None:
        status = int(self.fault) if self.fault.isdigit() else 200 if path in self.answers else 404
        answer = self.answers.get(path, {"code": 404, "message": "No handler"})
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body) * 2 if self.fault == "truncated" else len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if self.fault == "truncated" else body)

    def _hang(self, request: BaseHTTPRequestHandler) -> None:
        self.ended.wait()

    def _slow(self, request: BaseHTTPRequestHandler) -> None:
        self._drip(request, b"HTTP/1.0 200 OK\r\n\r\n", b" ")

    def _headers(self, request: BaseHTTPRequestHandler) -> None:
        self._drip(request, b"HTTP/1.0 200 OK\r\nX-Long: ", b"x")

    def _drip(self, request: BaseHTTPRequestHandler, start: bytes, more: bytes) -> None:
        request.wfile.write(start)
        while not self.ended.wait(DRIP_S):
            request.wfile.write(more)

    def _huge(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(b"[" + b" " * HUGE + b"]")

    def _elsewhere(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", self.elsewhere + request.path)
        request.end_headers()


@contextmanager
def plug(answers: Answers) -> Iterator[FakePlug]:
    """A plug that lives as long as the block."""
    fake = FakePlug(answers)
    thread = threading.Thread(target=fake.serve)
    thread.start()
    try:
        yield fake
    finally:
        fake.close()
        thread.join()
