"""The region by asking the cloud's own metadata service: what it tells, and all that can go wrong with it."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energywrap import place
from energywrap.config import resolve
from energywrap.model import Place
from energywrap.place import metadata, regions
from energywrap.place.firmware import ASKED, AZURE_TAG
from fakes.web import Answer, say, service

PARIS = {"TZ": "Europe/Paris"}
NOWHERE = "/nonexistent"
ALLOWED = resolve({"detect_cloud": "true"}, {}, NOWHERE)
HOSTED = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}


def firmware(root: Path, **texts: str) -> str:
    """A sysfs whose firmware has these names."""
    folder = root / "class/dmi/id"
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n")
    return str(root)


def amazon(request: BaseHTTPRequestHandler) -> None:
    """IMDSv2: a token first, then the region for who has it."""
    if request.command == "PUT" and request.headers["X-aws-ec2-metadata-token-ttl-seconds"]:
        say(request, b"AQAEA-token==")
    elif request.headers["X-aws-ec2-metadata-token"] == "AQAEA-token==":
        say(request, b"eu-west-3")
    else:
        say(request, b"", 401)


def google(request: BaseHTTPRequestHandler) -> None:
    """A zone for who knows the header."""
    asked = request.headers["Metadata-Flavor"] == "Google"
    say(request, b"projects/123/zones/us-central1-a" if asked else b"", 200 if asked else 403,
        Metadata_Flavor="Google")  # fmt: skip


def microsoft(request: BaseHTTPRequestHandler) -> None:
    """A location as plain text."""
    asked = request.headers["Metadata"] == "true" and "format=text" in request.path
    say(request, b"eastus2" if asked else b"", 200 if asked else 400)


def oracle(request: BaseHTTPRequestHandler) -> None:
    """A region by its canonical name, for who sends the fixed token of the service's second version."""
    asked = request.headers["Authorization"] == "Bearer Oracle" and request.path.startswith("/opc/v2/")
    say(request, b"uk-london-1" if asked else b"", 200 if asked else 404)


def hetzner(request: BaseHTTPRequestHandler) -> None:
    """The data centre, of which the first part is the place."""
    asked = request.path == "/hetzner/v1/metadata/availability-zone"
    say(request, b"hel1-dc2\n" if asked else b"", 200 if asked else 404)


CLOUDS: dict[str, tuple[Answer, dict[str, str], str]] = {
    "aws": (amazon, {"sys_vendor": "Amazon EC2"}, "aws:eu-west-3"),
    "gcp": (google, {"product_name": "Google Compute Engine"}, "gcp:us-central1"),
    "azure": (microsoft, {"chassis_asset_tag": AZURE_TAG}, "azure:eastus2"),
    "oci": (oracle, {"chassis_asset_tag": "OracleCloud.com"}, "oci:uk-london-1"),
    "hetzner": (hetzner, {"sys_vendor": "Hetzner"}, "hetzner:hel1"),
}


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A machine's firmware by cloud."""
    root = tmp_path_factory.mktemp("machines")
    return {name: firmware(root / name, **texts) for name, (_, texts, _) in CLOUDS.items()}


def asked(sysfs: str, answer: Answer, environ: dict[str, str] = PARIS, **given: str) -> Place:
    """The place after asking whichever service there is, which answers so."""
    settings = resolve({"detect_cloud": "true", **given}, {}, NOWHERE)
    found = place.resolve(settings, environ, NOWHERE, sysfs)
    with service(answer) as url:
        return place.ask(settings, environ, found, endpoints=dict.fromkeys(CLOUDS, url), sysfs=sysfs)


@pytest.mark.parametrize("provider", CLOUDS)
def test_a_metadata_service_tells_the_region(provider: str, machines: dict[str, str]) -> None:
    answer, _, region = CLOUDS[provider]
    found = asked(machines[provider], answer)

    assert found.region == region
    assert found.site == ("average" if provider == "hetzner" else provider)
    assert found.evidence == f"cloud region {region} (metadata)"
    assert found.steps[-1].startswith(f"metadata: {provider} says ")


def test_who_is_asked_is_who_can_be_asked() -> None:
    assert set(CLOUDS) == set(ASKED) == set(metadata.ENDPOINTS)
    assert all(address == "http://169.254.169.254" for address in metadata.ENDPOINTS.values())


def test_a_zone_that_was_given_stays_and_the_region_tells_the_site(machines: dict[str, str]) -> None:
    found = asked(machines["aws"], amazon, zone="PL")

    assert (found.zone, found.evidence) == ("PL", "flag")
    assert (found.region, found.site) == ("aws:eu-west-3", "aws")


def test_a_proxy_is_never_asked(machines: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert asked(machines["aws"], amazon).region == "aws:eu-west-3"


def test_a_hosted_runner_asks_azure_for_where_it_is(machines: dict[str, str]) -> None:
    assert asked(machines["azure"], microsoft, HOSTED).zone == "US-SRVC"


def test_gitlabs_runner_asks_google_for_where_it_is(machines: dict[str, str]) -> None:
    environ = {"GITLAB_CI": "true", "CI_SERVER_HOST": "gitlab.com", "CI_RUNNER_DESCRIPTION": "saas-linux"}

    assert asked(machines["gcp"], google, environ).region == "gcp:us-central1"


def hung_up(request: BaseHTTPRequestHandler, seconds: float) -> bool:
    """Whether who asked has gone, or goes within so long."""
    return bool(select.select([request.connection], [], [], seconds)[0])


def drop_by_drop(request: BaseHTTPRequestHandler, start: bytes, drop: bytes) -> None:
    """Never quite: for ten seconds at most, or until nobody listens."""
    try:
        request.wfile.write(start)
        for _ in range(200):
            request.wfile.write(drop)
            if hung_up(request, 0.05):
                break
    except OSError:
        pass
    request.close_connection = True


SLOW: dict[str, Answer] = {
    "silent": lambda request: drop_by_drop(request, b"", b""),
    "first line": lambda request: drop_by_drop(request, b"HTTP/1.1 200", b" "),
    "headers": lambda request: drop_by_drop(request, b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "go on": lambda request: drop_by_drop(request, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "text": lambda request: drop_by_drop(request, b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "chunks": lambda request: drop_by_drop(
        request, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"
    ),
}


@pytest.mark.parametrize("provider", ["aws", "azure"])
@pytest.mark.parametrize("what", SLOW)
def test_a_quarter_of_a_second_is_all_that_an_answer_has(
    what: str, provider: str, machines: dict[str, str]
) -> None:
    with service(SLOW[what]) as url:
        began_s = time.monotonic()
        told = metadata.region(provider, {provider: url})
        took_s = time.monotonic() - began_s

    assert 0.2 < took_s < 1.5
    assert (told.region, "timed out" in told.words) == (None, True)


def cut(text: bytes) -> Answer:
    """An answer that announces one byte more than it has."""
    return lambda request: say(request, text, Content_Length=str(len(text) + 1), Metadata_Flavor="Google")


ODD: dict[str, Answer] = {
    "not found": lambda request: say(request, b"<html>", 404),
    "forbidden": lambda request: say(request, b"", 403),
    "a redirect": lambda request: say(request, b"", 302, Location="http://169.254.169.254/"),
    "a page": lambda request: say(request, b"<html>sign in</html>"),
    "an object": lambda request: say(request, b'{"region": ["eu-west-1"]}', Content_Type="application/json"),
    "bytes": lambda request: say(request, b"\xff\xfe\0eastus2"),
    "nothing": lambda request: say(request, b""),
    "too much": lambda request: say(request, b"e" * 10_000_000),
    "cut off": cut(b"east"),
    "mars": lambda request: say(request, b"marsnorth1"),
}


@pytest.mark.parametrize("provider", CLOUDS)
@pytest.mark.parametrize("how", ODD)
def test_an_odd_answer_is_said_and_changes_nothing(how: str, provider: str, machines: dict[str, str]) -> None:
    began_s = time.monotonic()
    found = asked(machines[provider], ODD[how])

    assert time.monotonic() - began_s < 5
    assert (found.zone, found.region) == ("FR", None)
    assert found.steps[-1].startswith("metadata: ")


def test_the_beginning_of_a_name_is_not_taken_for_a_name(machines: dict[str, str]) -> None:
    assert regions.find("azure:eastus") is not None
    found = asked(machines["azure"], cut(b"eastus"))

    assert found.region is None
    assert "cut off" in found.steps[-1]


def test_googles_region_is_believed_of_google_alone(machines: dict[str, str]) -> None:
    found = asked(machines["gcp"], lambda request: say(request, b"projects/1/zones/us-central1-a"))

    assert found.region is None
    assert "not from Google's service" in found.steps[-1]


def test_a_region_that_the_table_lacks_is_named(machines: dict[str, str]) -> None:
    found = asked(machines["azure"], lambda request: say(request, b"marsnorth1"))

    assert found.steps[-1] == "metadata: the table has no region azure:marsnorth1"


class Whatever:
    """A service that says what it is told to say."""

    def __init__(self) -> None:
        self.raw = b""
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """These bytes, and not one more."""
        request.wfile.write(self.raw)
        request.close_connection = True


@pytest.fixture(scope="module")
def whatever() -> Iterator[Whatever]:
    """One for all the answers that can be thought of."""
    said = Whatever()
    with service(said.answer) as said.url:
        yield said


BODIES = st.one_of(
    st.binary(max_size=200), st.sampled_from([b"eu-west-3", b"eastus2", b"projects/1/zones/us-west4-b"])
)
ANSWERS = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda status, flavour, body: (
            b"HTTP/1.1 %d x\r\nMetadata-Flavor: %s\r\n\r\n%s" % (status, flavour, body)
        ),
        st.integers(200, 599),
        st.sampled_from([b"Google", b"google", b""]),
        BODIES,
    ),
)


@settings(deadline=None)
@given(raw=ANSWERS, provider=st.sampled_from(sorted(CLOUDS)))
def test_no_answer_breaks_the_search_or_is_taken_for_another_region(
    raw: bytes, provider: str, whatever: Whatever, machines: dict[str, str]
) -> None:
    whatever.raw = raw
    sysfs = machines[provider]
    before = place.resolve(ALLOWED, PARIS, NOWHERE, sysfs)
    found = place.ask(ALLOWED, PARIS, before, endpoints={provider: whatever.url}, sysfs=sysfs)

    assert len(found.steps) > len(before.steps)
    assert all(step.isprintable() for step in found.steps)
    if found.region is None:
        assert (found.zone, found.evidence, found.site) == (before.zone, before.evidence, before.site)
    else:
        known, region = regions.find(found.region), found.region.partition(":")[2].encode()
        assert known is not None
        assert found.zone == known.zone
        assert region in raw.lower()


@pytest.mark.parametrize("vendor", ["LENOVO", "QEMU", "OVH", "Scaleway"])
def test_a_machine_of_which_no_service_is_known_asks_nobody(vendor: str, tmp_path: Path) -> None:
    calls: list[str] = []
    found = asked(firmware(tmp_path, sys_vendor=vendor), lambda request: calls.append(request.path))

    assert calls == []
    assert found.zone == "FR"
    assert "not asked" in found.steps[-1]


@pytest.mark.parametrize("given_all", [{"region": "aws:eu-west-1"}, {}], ids=str)
def test_a_region_that_is_known_is_not_asked_for(given_all: dict[str, str], machines: dict[str, str]) -> None:
    environ = {"AWS_REGION": "eu-west-1", "AWS_EXECUTION_ENV": "AWS_ECS_EC2"}
    calls: list[str] = []
    found = asked(machines["aws"], lambda request: calls.append(request.path), environ, **given_all)

    assert calls == []
    assert found.region == "aws:eu-west-1"
