"""The report knows the repository and the machine; nobody else learns the machine's name from it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from commandline import environment
from energywrap import host
from energywrap.model import Git, Gpu

NVIDIA, AMD, INTEL, OTHER = "0x10de", "0x1002", "0x8086", "0x1af4"
DISPLAY, COMPUTE, ACCELERATOR, NETWORK = "0x030000", "0x030200", "0x120000", "0x020000"

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

LONG_S = 100.0  # a run after which there is time to ask git


class Repository:
    """A repository made by git itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = environment(
            folder.parent,
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_NOSYSTEM="1",
            GIT_AUTHOR_NAME="a",
            GIT_AUTHOR_EMAIL="a@example.org",
            GIT_COMMITTER_NAME="a",
            GIT_COMMITTER_EMAIL="a@example.org",
        )
        folder.mkdir()
        self("init", "-q")
        self("symbolic-ref", "HEAD", "refs/heads/trunk")

    def __call__(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, text: str = "one") -> str:
        (self.folder / "file").write_text(text)
        self("add", "file")
        self("commit", "-q", "-m", text)
        return self("rev-parse", "HEAD")

    def dirty(self) -> bool | None:
        return host.is_dirty(str(self.folder), self.environ, LONG_S)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "work")


@needs_git
def test_the_commit_and_the_branch_are_gits_own(repository: Repository) -> None:
    commit = repository.commit()

    assert host.repository(str(repository.folder)) == Git(commit, "trunk", None)


@needs_git
def test_a_folder_inside_the_repository_is_as_good_as_its_root(repository: Repository) -> None:
    commit = repository.commit()
    (repository.folder / "a" / "b").mkdir(parents=True)

    assert host.repository(str(repository.folder / "a" / "b")) == Git(commit, "trunk", None)


@needs_git
def test_a_branch_may_have_slashes(repository: Repository) -> None:
    commit = repository.commit()
    repository("checkout", "-q", "-b", "feature/x/y")

    assert host.repository(str(repository.folder)) == Git(commit, "feature/x/y", None)


@needs_git
def test_packed_references_are_read(repository: Repository) -> None:
    first = repository.commit()
    repository("pack-refs", "--all")
    assert not (repository.folder / ".git" / "refs" / "heads" / "trunk").exists()

    assert host.repository(str(repository.folder)) == Git(first, "trunk", None)

    second = repository.commit("two")  # a loose reference beats the packed one of the same name
    assert host.repository(str(repository.folder)) == Git(second, "trunk", None)


@needs_git
def test_a_detached_head_has_a_commit_and_no_branch(repository: Repository) -> None:
    first = repository.commit()
    repository.commit("two")
    repository("checkout", "-q", "--detach", first)

    assert host.repository(str(repository.folder)) == Git(first, None, None)


@needs_git
@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_worktree_has_its_own_branch(packed: bool, repository: Repository, tmp_path: Path) -> None:
    repository.commit()
    repository("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side" / "file").write_text("two")
    repository("-C", str(tmp_path / "side"), "commit", "-q", "-a", "-m", "two")
    commit = repository("rev-parse", "side")
    if packed:
        repository("pack-refs", "--all")

    assert host.repository(str(tmp_path / "side")) == Git(commit, "side", None)
    assert host.repository(str(repository.folder)) != Git(commit, "side", None)


@needs_git
def test_a_repository_without_a_commit_has_nothing_to_say(repository: Repository) -> None:
    assert host.repository(str(repository.folder)) is None


def test_where_there_is_no_repository_there_is_no_commit(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)

    assert host.repository(str(tmp_path)) is None
    assert host.repository(str(tmp_path / "deep" / "er")) is None


@pytest.mark.parametrize("content", ["", "gitdir: /nonexistent\n", "nonsense", "gitdir:"])
def test_a_broken_link_to_a_repository_is_no_repository(content: str, tmp_path: Path) -> None:
    (tmp_path / ".git").write_text(content)

    assert host.repository(str(tmp_path)) is None


@needs_git
def test_a_changed_tracked_file_makes_a_repository_dirty(repository: Repository) -> None:
    repository.commit()
    assert repository.dirty() is False

    (repository.folder / "untracked").write_text("x")
    assert repository.dirty() is False

    (repository.folder / "file").write_text("changed")
    assert repository.dirty() is True

    repository("add", "file")
    assert repository.dirty() is True


@needs_git
def test_asking_whether_it_is_dirty_changes_nothing_in_it(repository: Repository) -> None:
    repository.commit()
    (repository.folder / "file").write_text("one")  # the same content, a new time stamp
    before = (repository.folder / ".git" / "index").stat().st_mtime_ns

    repository.dirty()

    assert (repository.folder / ".git" / "index").stat().st_mtime_ns == before


def test_after_a_short_run_nobody_waits_for_git(repository: Repository) -> None:
    assert host.is_dirty(str(repository.folder), repository.environ, 0.4) is None


def test_without_git_nobody_knows_whether_it_is_dirty(tmp_path: Path) -> None:
    assert host.is_dirty(str(tmp_path), {"PATH": str(tmp_path)}, LONG_S) is None


@needs_git
def test_outside_a_repository_nothing_is_dirty_or_clean(tmp_path: Path) -> None:
    assert host.is_dirty(str(tmp_path), environment(tmp_path), LONG_S) is None


def name_hash(state: Path | None) -> str | None:
    return host.facts([], str(state) if state is not None else None).name_hash


def test_the_hash_of_the_machines_name_is_the_same_in_all_reports_of_a_user(tmp_path: Path) -> None:
    first = name_hash(tmp_path / "state")

    assert first is not None
    assert len(first) == 16
    assert name_hash(tmp_path / "state") == first


def test_it_is_salted_so_two_users_reports_do_not_match(tmp_path: Path) -> None:
    assert name_hash(tmp_path / "one") != name_hash(tmp_path / "two")


def test_the_salt_is_its_owners_alone(tmp_path: Path) -> None:
    name_hash(tmp_path / "state")

    assert stat.S_IMODE((tmp_path / "state" / "salt").stat().st_mode) == 0o600
    assert (tmp_path / "state" / "salt").stat().st_size == 32


@pytest.mark.parametrize("salt", [b"", b"short"])
def test_a_salt_that_was_cut_off_never_gives_a_guessable_hash(salt: bytes, tmp_path: Path) -> None:
    (tmp_path / "salt").write_bytes(salt)
    from hashlib import blake2b

    guess = blake2b(os.uname().nodename.encode(), key=salt, digest_size=8).hexdigest()

    assert name_hash(tmp_path) != guess


def test_where_no_salt_can_be_kept_there_is_no_hash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert name_hash(None) is None
    assert name_hash(tmp_path / "file" / "state") is None


def test_the_facts_of_this_machine_are_those_that_it_tells_itself() -> None:
    facts = host.facts([Gpu("A", "GPU-1")], None)

    assert facts.logical_cpus == os.cpu_count()
    assert facts.kernel == f"{os.uname().sysname} {os.uname().release} {os.uname().machine}"
    assert facts.gpus == (Gpu("A", "GPU-1"),)
    assert os.uname().nodename not in (facts.cpu, facts.os, facts.kernel)


def pci(root: Path, *devices: tuple[str, str]) -> str:
    for number, (kind, vendor) in enumerate(devices):
        folder = root / "bus" / "pci" / "devices" / f"0000:03:{number:02x}.0"
        folder.mkdir(parents=True)
        (folder / "class").write_text(kind + "\n")
        (folder / "vendor").write_text(vendor + "\n")
    return str(root)


@pytest.mark.parametrize(
    ("devices", "unread"),
    [
        ([], []),
        ([(NETWORK, INTEL), (NETWORK, AMD)], []),
        ([(DISPLAY, OTHER)], []),
        ([(DISPLAY, INTEL)], ["Intel GPU"]),
        ([(COMPUTE, NVIDIA), (COMPUTE, NVIDIA)], ["NVIDIA GPU"]),
        ([(ACCELERATOR, AMD)], ["AMD GPU"]),
        ([(DISPLAY, INTEL), (DISPLAY, AMD), (COMPUTE, NVIDIA)], ["AMD GPU", "Intel GPU", "NVIDIA GPU"]),
    ],
    ids=str,
)
def test_a_gpu_on_the_bus_that_no_source_reads_is_named(
    devices: list[tuple[str, str]], unread: list[str], tmp_path: Path
) -> None:
    assert host.unread_gpus(pci(tmp_path, *devices), []) == unread


def test_a_graphics_part_of_the_processor_itself_is_in_the_processors_own_counter(tmp_path: Path) -> None:
    root = pci(tmp_path, (DISPLAY, INTEL))
    devices = tmp_path / "bus" / "pci" / "devices"
    (devices / "0000:03:00.0").rename(devices / "0000:00:02.0")

    assert host.unread_gpus(root, []) == []


def test_a_gpu_that_is_read_is_not_missing(tmp_path: Path) -> None:
    root = pci(tmp_path, (COMPUTE, NVIDIA), (DISPLAY, AMD))

    assert host.unread_gpus(root, {"nvml", "rapl"}) == ["AMD GPU"]
    assert host.unread_gpus(root, {"nvml", "amdgpu"}) == []


def test_without_a_pci_bus_no_gpu_is_missing(tmp_path: Path) -> None:
    assert host.unread_gpus(str(tmp_path), []) == []
