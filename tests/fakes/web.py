"""A service on this machine that answers as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Ends without waiting for whom it keeps waiting."""

    daemon_threads = True
    block_on_close = False


@contextmanager
def service(answer: Answer) -> Iterator[str]:
    """The address of a service that gives this answer to GET and PUT."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_PUT(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def say(request: BaseHTTPRequestHandler, text: bytes, status: int = 200, **headers: str) -> None:
    """Answer with these bytes."""
    request.send_response(status)
    for name, value in {"Content_Length": str(len(text)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    try:
        request.wfile.write(text)
    except OSError:
        pass  # who asked has gone
