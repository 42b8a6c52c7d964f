"""The region by the cloud's link-local metadata service: on this host's own link, 250 ms, by no proxy."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse

from energywrap.errors import printable
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PATIENCE_S = 0.25
MOST_BYTES = 4096
LONGEST = 64  # letters of a region's name
LINK_LOCAL = "http://169.254.169.254"
ENDPOINTS = {
    "aws": LINK_LOCAL,
    "gcp": LINK_LOCAL,  # metadata.google.internal by number: no name is looked up
    "azure": LINK_LOCAL,
    "oci": LINK_LOCAL,
    "hetzner": LINK_LOCAL,
}


@record
class Told:
    """The region as the service calls it, and in words what came of asking; None: it told nothing."""

    region: str | None
    words: str


class _Refused(Exception):
    """The service has not told, and why."""


def region(provider: str, endpoints: Mapping[str, str] | None = None) -> Told:
    """Ask the provider's service. Never raises."""
    base = (endpoints or ENDPOINTS).get(provider)
    if base is None:
        return Told(None, f"{provider} is not asked: its service tells no region of the table")
    until_s = time.monotonic() + PATIENCE_S
    try:
        name = _ASK[provider](base, until_s)
    except _Refused as refused:
        return Told(None, f"{provider}: {refused}")
    except (OSError, HTTPException, ValueError) as trouble:
        return Told(None, f"{provider}: no answer ({printable(str(trouble) or type(trouble).__name__)[:80]})")
    if not name or len(name) > LONGEST or not name.replace("-", "").isalnum() or not name.isascii():
        return Told(None, f"{provider}: the answer names no region")
    return Told(name.lower(), f"{provider} says {name}")


def _aws(base: str, until_s: float) -> str:
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token, _ = _answer(base, "PUT", "/latest/api/token", lifetime, until_s)
    if not token.isascii() or not token.isprintable():
        raise _Refused("its token is none")
    path = "/latest/meta-data/placement/region"
    return _answer(base, "GET", path, {"X-aws-ec2-metadata-token": token}, until_s)[0]


def _gcp(base: str, until_s: float) -> str:
    path = "/computeMetadata/v1/instance/zone"
    text, flavour = _answer(base, "GET", path, {"Metadata-Flavor": "Google"}, until_s)
    if flavour != "Google":
        raise _Refused("the answer is not from Google's service")
    return text.rpartition("/")[2].rpartition("-")[0]  # projects/1/zones/us-central1-a


def _azure(base: str, until_s: float) -> str:
    path = "/metadata/instance/compute/location?api-version=2021-02-01&format=text"
    return _answer(base, "GET", path, {"Metadata": "true"}, until_s)[0]


def _oci(base: str, until_s: float) -> str:
    path = "/opc/v2/instance/canonicalRegionName"
    return _answer(base, "GET", path, {"Authorization": "Bearer Oracle"}, until_s)[0]


def _hetzner(base: str, until_s: float) -> str:
    zone = _answer(base, "GET", "/hetzner/v1/metadata/availability-zone", {}, until_s)[0]
    return zone.partition("-")[0]  # fsn1-dc14


_ASK = {"aws": _aws, "gcp": _gcp, "azure": _azure, "oci": _oci, "hetzner": _hetzner}


def _answer(
    base: str, method: str, path: str, headers: Mapping[str, str], until_s: float
) -> tuple[str, str | None]:
    """The text of an answer, and the flavour that it says it has. Redirects are not followed."""
    connection = HTTPConnection(base.partition("://")[2])
    try:
        connection.sock = _connected(connection.host, connection.port, until_s)
        connection.request(method, path, headers=dict(headers))
        with connection.getresponse() as response:
            return _text(response), response.getheader("Metadata-Flavor")
    finally:
        connection.close()


def _text(response: HTTPResponse) -> str:
    if response.status != 200:
        raise _Refused(f"it answers HTTP {response.status}")
    data = response.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise _Refused(f"it answers with more than {MOST_BYTES} bytes")
    if response.length:  # bytes that were announced: the beginning of "eastus2" is another region
        raise _Refused("its answer is cut off")
    return data.decode("utf-8", "replace").strip()


class _Hurried(socket.socket):
    """A connection on which nothing is waited for beyond one moment, however little at a time comes in."""

    until_s = 0.0

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Read what has come, or wait for it as long as there is time. Raises TimeoutError."""
        self.settimeout(_left_s(self.until_s))
        return super().recv_into(buffer, nbytes, flags)


def _connected(host: str, port: int, until_s: float) -> socket.socket:
    sock = _Hurried(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.until_s = until_s
        sock.settimeout(_left_s(until_s))
        sock.connect((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s
