"""The command's share of NVIDIA GPUs: what it can see, and whose processes are on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pynvml
import pytest

from energywrap.sources import nvmlprocesses
from energywrap.sources.nvmlprocesses import Tree
from fakes import nvml
from fakes.nvml import Gpu
from fakes.nvml.opened import Opened

# Beyond the largest number a kernel gives: the test's own processes are none of these.
COMMAND, WORKER, NEIGHBOUR, GONE, SHELL = range(5_000_000, 5_000_005)
ALONE, OTHERS_TOO = f"{WORKER} 512 60 1\n", f"{WORKER} 512 60 1\n{NEIGHBOUR} 256 20 1\n"
SHARE = "nvml:GPU-a:share"


class Proc:
    """A /proc of a few processes."""

    def __init__(self, root: Path, namespace: str = nvmlprocesses.INITIAL_PIDS) -> None:
        self.root = root
        (root / "self/ns").mkdir(parents=True)
        (root / "self/ns/pid").symlink_to(namespace)
        for pid, parent in ((1, 0), (SHELL, 1), (COMMAND, SHELL), (WORKER, COMMAND), (NEIGHBOUR, SHELL)):
            self.write(pid, parent)

    def write(self, pid: int, parent: int, *, born: int = 7, name: str = "a (strange) name") -> None:
        """Add a process, or change it."""
        (self.root / str(pid)).mkdir(exist_ok=True)
        between = " ".join(["0"] * 17)
        (self.root / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} {between} {born} 0 0\n")

    def end(self, pid: int) -> None:
        """Remove a process."""
        (self.root / str(pid) / "stat").unlink()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    """The command, its worker, a neighbour, and the shell that is the parent of both."""
    return Proc(tmp_path / "proc")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The processes on the first GPU."""
    path = tmp_path / "rows"
    path.write_text(ALONE)
    return path


Open: TypeAlias = Callable[..., Opened]


@pytest.fixture
def opened(nvml_dir: Path, tmp_path: Path, proc: Proc) -> Iterator[Open]:
    """Opens the source on scripted GPUs; its processes end with the test."""
    with ExitStack() as stack:

        def start(*gpus: Gpu, environ: Mapping[str, str] | None = None, root: Path | None = None) -> Opened:
            file = tmp_path / "gpus.conf"
            source = Opened(gpus, nvml_dir, file, proc=root or proc.root, environ=environ)
            return stack.enter_context(source)

        yield start


def gpu(uuid: str = "GPU-a", **given: Any) -> Gpu:
    """A GPU that draws 100 W."""
    return Gpu([[0, 100]], uuid=uuid, **given)


def follow(source: Opened) -> dict[str, float]:
    """The first reading after the command has a number."""
    return source.at(1, f"follow {COMMAND}")


# ---- who uses a GPU ---------------------------------------------------------------------------------


def test_before_there_is_a_command_there_is_no_share(opened: Open, rows: Path) -> None:
    source = opened(gpu(processes=rows))

    assert SHARE not in source.at(1)
    assert {channel.share_id for channel in source.channels} == {SHARE}
    assert {channel.share for channel in source.channels} == {None}
    assert {channel.shared for channel in source.channels} == {None}


def test_a_gpu_with_none_but_the_commands_processes_is_its_own(opened: Open, rows: Path) -> None:
    assert follow(opened(gpu(processes=rows)))[SHARE] == 1.0


def test_a_gpu_with_others_too_is_shared_by_the_use_of_its_processors(opened: Open, rows: Path) -> None:
    rows.write_text(OTHERS_TOO)

    assert follow(opened(gpu(processes=rows)))[SHARE] == 0.75


def test_a_gpu_that_only_others_use_is_none_of_the_commands(opened: Open, rows: Path) -> None:
    rows.write_text(f"{NEIGHBOUR} 256 20 1\n")

    assert follow(opened(gpu(processes=rows)))[SHARE] == 0.0


def test_what_draws_a_desktop_counts_by_its_use_as_well(opened: Open, rows: Path, tmp_path: Path) -> None:
    desktop = tmp_path / "desktop"
    desktop.write_text(f"{NEIGHBOUR} 100 20 1\n")

    assert follow(opened(gpu(processes=rows, graphics=desktop)))[SHARE] == 0.75


def test_of_a_gpu_with_nobody_on_it_no_share_is_told(opened: Open, rows: Path) -> None:
    rows.write_text("")

    assert SHARE not in follow(opened(gpu(processes=rows)))


def test_the_share_follows_the_processes_as_they_come_and_go(opened: Open, rows: Path) -> None:
    source = opened(gpu(processes=rows))
    found = [follow(source)[SHARE]]
    for lines in (OTHERS_TOO, f"{NEIGHBOUR} 256 20 1\n", ALONE):
        rows.write_text(lines)
        found.append(source.at(2)[SHARE])

    assert found == [1.0, 0.75, 0.0, 1.0]


@pytest.mark.parametrize("nothing", [nvml.NOT_FOUND, nvml.EMPTY])
def test_between_two_samples_of_the_driver_the_last_share_holds(
    nothing: int, opened: Open, rows: Path
) -> None:
    """NOT_FOUND and SUCCESS without a row, which pynvml raises as an error of code 0, are no samples."""
    rows.write_text(OTHERS_TOO)
    source = opened(gpu(processes=rows))
    follow(source)
    source.gpus = [gpu(processes=rows, use=nothing)]

    assert source.at(2)[SHARE] == 0.75
    assert source.told()["warnings"] == []


def test_a_share_from_before_the_gpu_was_its_own_is_forgotten(opened: Open, rows: Path) -> None:
    rows.write_text(OTHERS_TOO)
    source = opened(gpu(processes=rows))
    follow(source)
    rows.write_text(ALONE)
    source.at(2)
    rows.write_text(OTHERS_TOO)
    source.gpus = [gpu(processes=rows, use=nvml.NOT_FOUND)]

    assert SHARE not in source.at(3)


def test_before_the_first_sample_of_a_shared_gpu_no_share_is_told(opened: Open, rows: Path) -> None:
    rows.write_text(OTHERS_TOO)

    assert SHARE not in follow(opened(gpu(processes=rows, use=nvml.NOT_FOUND)))


def test_rubbish_among_the_samples_is_left_out(opened: Open, rows: Path) -> None:
    rows.write_text(OTHERS_TOO)

    assert follow(opened(gpu(processes=rows, use=nvml.RUBBISH)))[SHARE] == 0.75


def test_where_the_driver_tells_no_use_an_own_gpu_is_still_known(opened: Open, rows: Path) -> None:
    source = opened(gpu(processes=rows, use=nvml.UNSUPPORTED))
    assert follow(source)[SHARE] == 1.0
    rows.write_text(OTHERS_TOO)

    assert SHARE not in source.at(2)
    assert [text.partition(":")[0] for text in source.told()["warnings"]] == ["gpu-0"]


def test_a_server_of_others_processes_hides_whose_they_are(opened: Open, rows: Path, proc: Proc) -> None:
    proc.write(NEIGHBOUR, SHELL, name="nvidia-cuda-mps")
    rows.write_text(f"{NEIGHBOUR} 256 20 1\n")
    source = opened(gpu(processes=rows))

    assert SHARE not in follow(source)
    assert source.told()["warnings"]


def test_an_old_driver_lists_its_processes_too(
    nvml_dir: Path, rows: Path, proc: Proc, tmp_path: Path
) -> None:
    if not hasattr(pynvml, "nvmlDeviceGetComputeRunningProcesses_v2"):
        pytest.skip("this version of pynvml knows the newest list only")
    old = nvml.build(tmp_path / "old", old=True)
    assert old is not None
    with Opened([gpu(processes=rows)], old, tmp_path / "gpus.conf", proc=proc.root) as source:
        assert follow(source)[SHARE] == 1.0


def test_a_process_that_ended_unseen_is_nobodys(opened: Open, rows: Path) -> None:
    rows.write_text(f"{WORKER} 512 60 1\n{GONE} 256 20 1\n")

    assert follow(opened(gpu(processes=rows)))[SHARE] == 1.0


def test_a_lost_gpu_has_no_share_and_the_other_has(opened: Open, rows: Path) -> None:
    source = opened(gpu(processes=rows, lost_at_s=10), gpu("GPU-b", processes=rows))
    follow(source)

    assert {name for name in source.at(11) if name.endswith(":share")} == {"nvml:GPU-b:share"}


def test_a_driver_that_forgot_us_tells_shares_again(opened: Open, rows: Path) -> None:
    source = opened(gpu(processes=rows))
    follow(source)

    assert source.at(2, "forget")[SHARE] == 1.0


# ---- what cannot be told ----------------------------------------------------------------------------


def untold(source: Opened) -> str:
    """Why no share is told, after making sure that none is."""
    assert not {name for name in follow(source) if name.endswith(":share")}
    assert {channel.share_id for channel in source.channels} == {None}
    return " ".join({channel.shared or "" for channel in source.channels})


def test_in_a_container_the_others_are_hidden(opened: Open, rows: Path, tmp_path: Path) -> None:
    inside = Proc(tmp_path / "inside", "pid:[4026532799]")

    assert "cannot be seen" in untold(opened(gpu(processes=rows), root=inside.root))


def test_in_a_closed_proc_the_others_are_hidden(opened: Open, rows: Path, proc: Proc) -> None:
    proc.end(1)

    assert "cannot be seen" in untold(opened(gpu(processes=rows)))


def test_without_a_list_of_processes_nobody_can_tell(opened: Open, rows: Path) -> None:
    assert "does not tell who" in untold(opened(gpu(processes=rows, lists=False)))


# ---- what the command can see -----------------------------------------------------------------------


def shares(source: Opened) -> dict[str, float | None]:
    """The share that is known beforehand, by GPU."""
    return {channel.device: channel.share for channel in source.channels}


def test_a_gpu_that_the_command_cannot_see_is_measured_but_none_of_it_is_the_commands(
    opened: Open, rows: Path
) -> None:
    source = opened(gpu(processes=rows), gpu("GPU-b"), environ={"CUDA_VISIBLE_DEVICES": "GPU-a"})
    values = follow(source)

    assert shares(source) == {"gpu-0": None, "gpu-1": 0.0}
    assert values["nvml:GPU-b:instant"] == 100
    assert "nvml:GPU-b:share" not in values
    assert [each["facts"]["visible_to_command"] for each in source.answer["gpus"]] == [True, False]


def test_a_command_that_uses_a_gpu_it_should_not_see_is_told_of(opened: Open, rows: Path) -> None:
    source = opened(gpu(processes=rows), gpu("GPU-b"), environ={"CUDA_VISIBLE_DEVICES": "1"})
    source.at(0, f"follow {COMMAND}")
    told = opened(gpu(processes=rows), gpu("GPU-b"), environ={"CUDA_VISIBLE_DEVICES": "1"})

    assert shares(source) == {"gpu-0": 0.0, "gpu-1": None}
    assert told.told()["warnings"] == []
    assert "CUDA_VISIBLE_DEVICES hides it" in source.told()["warnings"][0]


def test_indices_count_along_the_bus(opened: Open) -> None:
    environ = {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    assert shares(opened(gpu(bus=0x81), gpu("GPU-b", bus=0x3A), environ=environ)) == {
        "gpu-0": 0.0,
        "gpu-1": None,
    }


def test_a_gpu_that_does_not_answer_keeps_its_number(opened: Open) -> None:
    gpus = gpu(lost_at_s=0), gpu("GPU-b"), gpu("GPU-c")
    environ = {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    assert shares(opened(*gpus, environ=environ)) == {"gpu-1": 0.0, "gpu-2": None}


def test_where_an_index_may_mean_another_gpu_its_processes_decide(opened: Open, rows: Path) -> None:
    gpus = gpu(name="NVIDIA T400"), gpu("GPU-b", name="NVIDIA H100", processes=rows)
    source = opened(*gpus, environ={"CUDA_VISIBLE_DEVICES": "0"})
    values = follow(source)

    assert shares(source) == {"gpu-0": None, "gpu-1": None}
    assert all("CUDA_DEVICE_ORDER" in (channel.shared or "") for channel in source.channels)
    assert values["nvml:GPU-b:share"] == 1.0
    assert "visible_to_command" not in source.answer["gpus"][0]["facts"]


def test_in_doubt_a_gpu_that_was_not_named_and_has_nobody_on_it_is_not_the_commands(opened: Open) -> None:
    gpus = gpu(name="NVIDIA T400"), gpu("GPU-b", name="NVIDIA H100")
    values = follow(opened(*gpus, environ={"CUDA_VISIBLE_DEVICES": "0"}))

    assert (values.get(SHARE), values["nvml:GPU-b:share"]) == (None, 0.0)


# ---- MIG --------------------------------------------------------------------------------------------

SLICES = (("MIG-1", 10240, 1), None, ("MIG-2", 20480, 2))
CUT: dict[str, Any] = {"mig": True, "memory_mib": 81920, "slices": SLICES}


def test_a_slice_has_its_parents_energy_which_others_may_use_too(opened: Open, rows: Path) -> None:
    source = opened(gpu(processes=rows, **CUT), environ={"CUDA_VISIBLE_DEVICES": "MIG-2"})

    assert "MIG" in untold(source)
    assert shares(source) == {"gpu-0": None}
    assert source.at(2)["nvml:GPU-a:instant"] == 100


def test_the_size_of_the_commands_slice_is_told_as_a_fact(opened: Open) -> None:
    facts = opened(gpu(**CUT), environ={"CUDA_VISIBLE_DEVICES": "MIG-2"}).answer["gpus"][0]["facts"]

    assert facts["mig_slices"] == 2
    assert facts["mig_memory_share"] == 0.25
    assert facts["mig_compute_share"] == pytest.approx(2 / 7)


def test_an_only_slice_is_the_commands(opened: Open) -> None:
    only = gpu(mig=True, memory_mib=81920, slices=[("MIG-1", 40960, 3)])

    assert opened(only).answer["gpus"][0]["facts"]["mig_memory_share"] == 0.5


def test_of_several_slices_without_a_name_the_size_is_not_guessed(opened: Open) -> None:
    assert "mig_memory_share" not in opened(gpu(**CUT)).answer["gpus"][0]["facts"]


def test_a_cut_gpu_of_which_the_command_sees_no_slice_is_not_its_own(opened: Open) -> None:
    source = opened(gpu(**CUT), gpu("GPU-b"), environ={"CUDA_VISIBLE_DEVICES": "GPU-b"})

    assert shares(source) == {"gpu-0": 0.0, "gpu-1": None}


# ---- the tree ---------------------------------------------------------------------------------------


def test_a_process_is_the_commands_if_it_descends_from_it(proc: Proc) -> None:
    tree = Tree(COMMAND, str(proc.root))

    assert [tree.owns(pid) for pid in (COMMAND, WORKER, NEIGHBOUR, SHELL, 1, GONE)] == [
        True,
        True,
        False,
        False,
        False,
        None,
    ]


def test_a_daemon_that_was_once_seen_stays_the_commands(proc: Proc) -> None:
    tree = Tree(COMMAND, str(proc.root))
    assert tree.owns(WORKER)
    proc.write(WORKER, 1)

    assert tree.owns(WORKER)
    proc.end(WORKER)
    assert tree.owns(WORKER)  # its last use of the GPU is told after its end


def test_a_later_process_of_the_same_number_is_judged_anew(proc: Proc) -> None:
    tree = Tree(COMMAND, str(proc.root))
    assert tree.owns(WORKER)
    proc.write(WORKER, 1, born=8)

    assert tree.owns(WORKER) is False


def test_a_parent_that_ends_meanwhile_leaves_the_verdict_open(proc: Proc) -> None:
    tree = Tree(COMMAND, str(proc.root))
    proc.write(GONE, GONE + 90)

    assert tree.owns(GONE) is None
    proc.write(GONE, 1)
    assert tree.owns(GONE) is False


def test_what_the_command_leaves_behind_becomes_ours_and_so_the_commands(proc: Proc) -> None:
    proc.write(os.getpid(), SHELL)
    proc.write(GONE, os.getpid())

    assert Tree(COMMAND, str(proc.root)).owns(GONE)


@pytest.mark.parametrize("line", ["", "5 (x", "5 (x) S", "5 (x) S y " + "0 " * 30])
def test_a_torn_line_is_no_process(line: str, proc: Proc) -> None:
    (proc.root / str(WORKER) / "stat").write_text(line)

    assert nvmlprocesses.stat(WORKER, str(proc.root)) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")
def test_real_processes_have_real_parents() -> None:
    program = "import subprocess, sys; subprocess.run(['sh', '-c', 'echo $$; read x; true'])"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        tree = Tree(child.pid, "/proc")

        assert tree.owns(grandchild)
        assert tree.owns(os.getppid()) is False
        child.communicate("\n", timeout=10)
