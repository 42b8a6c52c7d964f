"""Where a machine in a cloud is: by what is given, variables, firmware, CI, and if allowed by asking."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import facility, place
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.model import Place
from fakes.web import Answer, say, service

PARIS = {"TZ": "Europe/Paris"}
LAMBDA = {"AWS_REGION": "eu-west-1", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}
NOWHERE = "/nonexistent"


def where(environ: dict[str, str], sysfs: str = NOWHERE, **given: str) -> Place:
    """The place of a machine with that environment and firmware."""
    return place.resolve(resolve(given, {}, NOWHERE), environ, NOWHERE, sysfs)


def firmware(root: Path, **texts: str) -> str:
    """A sysfs whose firmware has these names."""
    folder = root / "class/dmi/id"
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n")
    return str(root)


@pytest.mark.parametrize(
    ("environ", "region", "zone"),
    [
        (LAMBDA, "aws:eu-west-1", "IE"),
        (
            {"AWS_REGION": "us-east-1", "ECS_CONTAINER_METADATA_URI_V4": "http://x"},
            "aws:us-east-1",
            "US-SRVC",
        ),
        ({"FUNCTION_REGION": "us-central1", "K_SERVICE": "f"}, "gcp:us-central1", "US-MROW"),
        ({"REGION_NAME": "West Europe", "WEBSITE_INSTANCE_ID": "1"}, "azure:westeurope", "NL"),
    ],
    ids=str,
)
def test_a_providers_variable_counts_where_a_second_one_says_that_this_runs_there(
    environ: dict[str, str], region: str, zone: str
) -> None:
    found = where({**PARIS, **environ})

    assert (found.region, found.zone) == (region, zone)
    assert found.site == region.partition(":")[0]
    assert "environment" in found.evidence


@pytest.mark.parametrize(
    "environ",
    [{"AWS_REGION": "us-east-1"}, {"AWS_DEFAULT_REGION": "us-east-1"}, {"REGION_NAME": "x"}],
    ids=str,
)
def test_a_clients_setting_is_no_place(environ: dict[str, str]) -> None:
    found = where({**PARIS, **environ})

    assert (found.zone, found.region, found.site) == ("FR", None, None)
    assert all("not believed" in step for step in found.steps if step.startswith("environment"))


def test_a_region_that_the_table_lacks_is_said(tmp_path: Path) -> None:
    found = where({**PARIS, **LAMBDA, "AWS_REGION": "mars-north-1"})

    assert found.zone == "FR"
    assert any("mars-north-1 is no region" in step for step in found.steps)


@pytest.mark.parametrize(
    ("texts", "site"),
    [
        ({"sys_vendor": "Amazon EC2"}, "aws"),
        ({"product_name": "Google Compute Engine"}, "gcp"),
        ({"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": place.firmware.AZURE_TAG}, "azure"),
        ({"chassis_asset_tag": "OracleCloud.com"}, "oci"),
        ({"sys_vendor": "Hetzner"}, "average"),
        ({"sys_vendor": "Microsoft Corporation", "product_name": "Surface Laptop 4"}, None),
        ({"sys_vendor": "LENOVO"}, None),
    ],
    ids=str,
)
def test_firmware_tells_the_kind_of_site_and_no_region(
    texts: dict[str, str], site: str | None, tmp_path: Path
) -> None:
    found = where(PARIS, firmware(tmp_path, **texts))

    assert (found.site, found.region, found.zone) == (site, None, "FR")


def test_a_hosted_runner_is_somewhere_in_the_us_and_that_is_doubted() -> None:
    hosted = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted", "RUNNER_OS": "Linux"}
    found = where({**PARIS, **hosted})
    own = where({**PARIS, **hosted, "RUNNER_ENVIRONMENT": "self-hosted"})

    assert (found.zone, found.site, found.region) == ("US", "github-hosted", "github-hosted:*")
    assert found.warning is not None
    assert (own.zone, own.site) == ("FR", None)


def test_gitlabs_own_runners_are_googles() -> None:
    environ = {
        "GITLAB_CI": "true",
        "CI_SERVER_HOST": "gitlab.com",
        "CI_RUNNER_DESCRIPTION": "1-green.saas-linux-small-amd64.runners-manager.gitlab.com/default",
    }

    assert (where(environ).zone, where(environ).site) == ("US-SRVC", "gcp")
    assert where({**PARIS, **environ, "CI_SERVER_HOST": "git.example.org"}).zone == "FR"


@pytest.mark.parametrize(
    ("environ", "zone"),
    [({"LANG": "de_AT.UTF-8"}, "AT"), ({"LC_ALL": "pt_BR"}, "BR"), ({"LANG": "en_US.UTF-8"}, "WORLD"),
     ({"LANG": "C.UTF-8"}, "WORLD"), ({"LC_ALL": "C", "LANG": "de_AT"}, "WORLD"),
     ({"LANG": "xx_QQ"}, "WORLD")],
    ids=str,
)  # fmt: skip
def test_a_locale_is_a_hint_with_a_warning_and_only_without_a_time_zone(
    environ: dict[str, str], zone: str
) -> None:
    assert where(environ).zone == zone
    assert where(environ).warning is not None
    assert where({**PARIS, **environ}).zone == "FR"


def test_a_given_zone_wins_and_the_region_still_tells_the_site() -> None:
    found = where(LAMBDA, zone="PL")
    settings = resolve({"zone": "PL"}, {}, NOWHERE)

    assert (found.zone, found.region, found.evidence) == ("PL", "aws:eu-west-1", "flag")
    assert facility.resolve(settings, found).pue == 1.11


STEPS: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("PL", {"zone": "PL"}, {}),
    ("DE", {"region": "aws:eu-central-1"}, {}),
    ("IE", {}, LAMBDA),
    ("US", {}, {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}),
    ("FR", {}, PARIS),
    ("BR", {}, {"LANG": "pt_BR.UTF-8"}),
]


@given(st.sets(st.integers(0, len(STEPS) - 1)))
def test_the_first_step_that_can_tell_decides(present: set[int]) -> None:
    given_all = {key: text for i in present for key, text in STEPS[i][1].items()}
    environ = {key: text for i in present for key, text in STEPS[i][2].items()}

    assert where(environ, **given_all).zone == (STEPS[min(present)][0] if present else "WORLD")


@given(
    st.dictionaries(
        st.sampled_from(["AWS_REGION", "AWS_EXECUTION_ENV", "FUNCTION_REGION", "K_SERVICE", "REGION_NAME",
                         "TZ", "WEBSITE_INSTANCE_ID", "LANG", "LC_ALL", "GITHUB_ACTIONS", "GITLAB_CI"]),
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20),
    )
)  # fmt: skip
def test_no_environment_breaks_the_search_or_ends_it_in_silence(environ: dict[str, str]) -> None:
    found = where(environ)

    assert found.steps
    assert found.zone != "WORLD" or found.warning


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("aws:eu-west-9", "did you mean aws:eu-west"),
        ("qqqqqqqq", "write PROVIDER:REGION"),
        ("us-east-1x", "did you mean"),
    ],
)
def test_an_unknown_region_is_refused_with_what_it_may_have_meant(name: str, words: str) -> None:
    with pytest.raises(UserError) as refused:
        place.check(resolve({"region": name}, {}, NOWHERE))

    assert name in refused.value.message
    assert words in (refused.value.hint or "")


def test_a_regions_name_needs_no_provider_where_one_has_it_and_any_case() -> None:
    assert where({}, region="AWS:EU-WEST-1").region == "aws:eu-west-1"
    assert where({}, region="us-east-1").region == "aws:us-east-1"


def test_the_pue_of_a_region_is_its_own_and_a_given_one_wins() -> None:
    found = where({}, region="aws:ap-south-1")

    for given_all, pue, words in (
        ({}, 1.42, "region aws:ap-south-1, 2024"),
        ({"site": "average"}, 1.54, "site average, flag"),
        ({"pue": "1.3"}, 1.3, "flag"),
    ):
        told = facility.resolve(resolve({"region": "aws:ap-south-1", **given_all}, {}, NOWHERE), found)
        assert (told.pue, told.evidence) == (pue, words)
        assert told.low <= told.pue <= told.high
        assert told.wue_l_per_kwh == (0.98 if "site" not in given_all else None)


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


CLOUDS: dict[str, tuple[Answer, dict[str, str], str]] = {
    "aws": (amazon, {"sys_vendor": "Amazon EC2"}, "aws:eu-west-3"),
    "gcp": (google, {"product_name": "Google Compute Engine"}, "gcp:us-central1"),
    "azure": (microsoft, {"chassis_asset_tag": place.firmware.AZURE_TAG}, "azure:eastus2"),
}


def asked(tmp_path: Path, provider: str, answer: Answer, environ: dict[str, str] = PARIS) -> Place:
    """The place after asking a service that answers so."""
    sysfs = firmware(tmp_path / "sys", **CLOUDS[provider][1])
    settings = resolve({"detect_cloud": "true"}, {}, NOWHERE)
    found = place.resolve(settings, environ, NOWHERE, sysfs)
    with service(answer) as url:
        return place.ask(settings, environ, found, endpoints={provider: url}, sysfs=sysfs)


@pytest.mark.parametrize("provider", CLOUDS)
def test_a_metadata_service_tells_the_region(provider: str, tmp_path: Path) -> None:
    answer, _, region = CLOUDS[provider]
    found = asked(tmp_path, provider, answer)

    assert found.region == region
    assert found.site == provider
    assert found.evidence == f"cloud region {region} (metadata)"


def test_a_proxy_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert asked(tmp_path, "aws", amazon).region == "aws:eu-west-3"


def test_a_hosted_runner_asks_azure_for_where_it_is(tmp_path: Path) -> None:
    hosted = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}

    assert asked(tmp_path, "azure", microsoft, hosted).zone == "US-SRVC"


def slow(request: BaseHTTPRequestHandler) -> None:
    """Never quite."""
    request.send_response(200)
    request.end_headers()
    try:
        for _ in range(100):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass


ODD: dict[str, Answer] = {
    "not found": lambda request: say(request, b"<html>", 404),
    "forbidden": lambda request: say(request, b"", 403),
    "a redirect": lambda request: say(request, b"", 302, Location="http://169.254.169.254/"),
    "a page": lambda request: say(request, b"<html>sign in</html>"),
    "bytes": lambda request: say(request, b"\xff\xfe\0eastus2"),
    "nothing": lambda request: say(request, b""),
    "too much": lambda request: say(request, b"e" * 10_000_000),
    "cut off": lambda request: say(request, b"east", Content_Length="400"),
    "mars": lambda request: say(request, b"marsnorth1"),
    "slow": slow,
}


@pytest.mark.parametrize("provider", CLOUDS)
@pytest.mark.parametrize("how", ODD)
def test_an_odd_answer_is_said_and_changes_nothing(how: str, provider: str, tmp_path: Path) -> None:
    began_s = time.monotonic()
    found = asked(tmp_path, provider, ODD[how])

    assert time.monotonic() - began_s < 5
    assert (found.zone, found.region) == ("FR", None)
    assert found.steps[-1].startswith("metadata: ")


def test_a_machine_that_is_in_no_cloud_asks_nobody(tmp_path: Path) -> None:
    calls: list[str] = []
    settings = resolve({"detect_cloud": "true"}, {}, NOWHERE)
    sysfs = firmware(tmp_path, sys_vendor="LENOVO")
    found = place.resolve(settings, PARIS, NOWHERE, sysfs)
    with service(lambda request: calls.append(request.path)) as url:
        after = place.ask(settings, PARIS, found, endpoints=dict.fromkeys(CLOUDS, url), sysfs=sysfs)

    assert calls == []
    assert after.zone == "FR"
    assert "not asked" in after.steps[-1]
