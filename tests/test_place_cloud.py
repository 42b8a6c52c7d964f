"""Where a machine in a cloud is: by what is given, by variables, firmware and CI, without asking anybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import facility, place
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.model import Place

PARIS = {"TZ": "Europe/Paris"}
LAMBDA = {"AWS_REGION": "eu-west-1", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}
NOWHERE = "/nonexistent"
PACKAGES = str(Path(place.__file__).parents[2])


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
    assert [step.endswith("not believed") for step in found.steps] == [True, False]


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


def test_a_machine_in_a_cloud_is_told_that_the_region_could_be_asked_for(tmp_path: Path) -> None:
    machine = firmware(tmp_path, sys_vendor="Amazon EC2")
    found = where({}, machine)
    allowed = where({}, machine, detect_cloud="true")

    assert found.warning is not None
    assert "--detect-cloud" in found.warning
    assert "metadata: not asked for the region; --detect-cloud allows it" in found.steps
    assert not any("--detect-cloud" in text for text in (allowed.warning or "", *allowed.steps))
    assert not any("--detect-cloud" in step for step in where(LAMBDA, machine).steps)


def test_a_virtual_machine_of_an_unnamed_site_is_local_by_assumption_alone(tmp_path: Path) -> None:
    guest = where(PARIS, firmware(tmp_path / "guest", sys_vendor="QEMU"))
    laptop = where(PARIS, firmware(tmp_path / "laptop", sys_vendor="LENOVO"))
    settings = resolve({}, {}, NOWHERE)

    assert guest.steps[0] == "firmware: QEMU, a virtual machine of a site that it does not name"
    assert facility.resolve(settings, guest).evidence == "site local, assumed of a virtual machine by default"
    assert facility.resolve(settings, laptop).evidence == "site local, default"
    assert facility.resolve(resolve({"site": "average"}, {}, NOWHERE), guest).evidence == "site average, flag"


def test_the_search_loads_no_client_and_reads_few_files(tmp_path: Path) -> None:
    machine = firmware(tmp_path / "sys", sys_vendor="LENOVO")
    code = f"""
import sys
from energywrap import place
from energywrap.config import resolve
files = []
sys.addaudithook(lambda event, args: files.append(args[0]) if event == "open" else None)
place.resolve(resolve({{}}, {{}}, "/nonexistent"), {{"TZ": "Europe/Paris"}}, "/nonexistent", {machine!r})
print(len(files), *{{"socket", "http", "urllib", "json", "re", "typing", "threading"}} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {PACKAGES!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(done.stdout) <= 8


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


STEPS: list[tuple[str, str, dict[str, str], dict[str, str]]] = [
    ("PL", "flag", {"zone": "PL"}, {}),
    ("DE", "cloud region aws:eu-central-1 (given)", {"region": "aws:eu-central-1"}, {}),
    ("IE", "cloud region aws:eu-west-1 (environment)", {}, LAMBDA),
    ("US", "cloud region github-hosted:* (CI service)", {},
     {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}),
    ("FR", "time zone Europe/Paris", {}, PARIS),
    ("BR", "locale pt_BR.UTF-8", {}, {"LANG": "pt_BR.UTF-8"}),
    ("WORLD", "none", {}, {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Firmware of nothing, of a cloud, of a virtual machine somewhere, and of a laptop."""
    root = tmp_path_factory.mktemp("machines")
    vendors = ("Amazon EC2", "QEMU", "LENOVO")
    return [NOWHERE, *(firmware(root / vendor, sys_vendor=vendor) for vendor in vendors)]


@given(present=st.sets(st.integers(0, len(STEPS) - 1)), machine=st.integers(0, 3))
def test_the_first_step_that_can_tell_decides_whatever_the_later_ones_say(
    present: set[int], machine: int, machines: list[str]
) -> None:
    given_all = {key: text for i in present for key, text in STEPS[i][2].items()}
    environ = {key: text for i in present for key, text in STEPS[i][3].items()}
    found = where(environ, machines[machine], **given_all)

    assert (found.zone, found.evidence) == STEPS[min(present, default=-1)][:2]


@given(
    st.dictionaries(
        st.sampled_from(["AWS_REGION", "AWS_EXECUTION_ENV", "FUNCTION_REGION", "K_SERVICE", "REGION_NAME",
                         "TZ", "WEBSITE_INSTANCE_ID", "LANG", "LC_ALL", "GITHUB_ACTIONS", "GITLAB_CI",
                         "AWS_DEFAULT_REGION"]),
        st.text(st.characters(exclude_categories=[], exclude_characters="\0"), max_size=400),
    )
)  # fmt: skip
def test_no_environment_breaks_the_search_or_ends_it_in_silence(environ: dict[str, str]) -> None:
    found = where(environ)

    assert found.steps
    assert all(step.isprintable() and len(step) < 200 for step in found.steps)
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
