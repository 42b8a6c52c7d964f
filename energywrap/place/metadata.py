"""The region by the cloud's link-local metadata service: on this host's own link, 250 ms, by no proxy."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection, HTTPException

from energywrap.errors import printable
from energywrap.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE_S = 0.25
MOST_BYTES = 4096
LONGEST = 64  # letters of a region's name
LINK_LOCAL = "http://169.254.169.254"
ENDPOINTS = {
    "aws": LINK_LOCAL,
    "gcp": "http://169.254.169.254",  # metadata.google.internal by number: no name is looked up
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
    host = base.partition("://")[2]
    connection = HTTPConnection(host, timeout=_left_s(until_s))
    try:
        connection.request(method, path, headers=dict(headers))
        _hurry(connection, until_s)
        response = connection.getresponse()
        if response.status != 200:
            raise _Refused(f"it answers HTTP {response.status}")
        data = b""
        while len(data) <= MOST_BYTES:
            _hurry(connection, until_s)
            piece = response.read1(MOST_BYTES)
            if not piece:
                break
            data += piece
        if len(data) > MOST_BYTES:
            raise _Refused(f"it answers with more than {MOST_BYTES} bytes")
        return data.decode("utf-8", "replace").strip(), response.getheader("Metadata-Flavor")
    finally:
        connection.close()


def _hurry(connection: HTTPConnection, until_s: float) -> None:
    """What is left of the time is all that the next read may take."""
    left_s = _left_s(until_s)
    sock: socket.socket | None = connection.sock  # None once the answer has taken it over
    if sock is not None:
        sock.settimeout(left_s)


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s
