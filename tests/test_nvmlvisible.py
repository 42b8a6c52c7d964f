"""Which NVIDIA GPUs a command can see, by its environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.sources.nvmlvisible import Identity, Visible, visible

H100 = "NVIDIA H100"
GPUS = [Identity(f"GPU-{digit * 8}-0000", H100) for digit in "abcd"]
UUIDS = [gpu.uuid for gpu in GPUS]
MIXED = [Identity("GPU-aaaa", "NVIDIA T400"), Identity("GPU-bbbb", H100)]
CUT = [Identity("GPU-aaaa", H100, ("MIG-11", "MIG-12")), Identity("GPU-bbbb", H100, ("MIG-21",))]
BY_BUS = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def seen(words: str, gpus: list[Identity] = GPUS, variable: str = "CUDA_VISIBLE_DEVICES") -> list[str]:
    """The UUIDs that a value of a variable leaves, in order of the bus."""
    found = visible(gpus, {variable: words})
    return [gpu.uuid for gpu in gpus if gpu.uuid in found.gpus]


def test_without_a_variable_all_are_seen() -> None:
    assert visible(GPUS, {}) == Visible(frozenset(UUIDS))


@pytest.mark.parametrize("words", ["", "-1", "no", ",", "-1,0", "GPU-", "GPU-e", "MIG-11", "9", "9" * 5000])
def test_what_names_no_gpu_hides_all(words: str) -> None:
    assert seen(words) == []


@pytest.mark.parametrize(
    ("words", "indices"),
    [
        ("0", [0]),
        ("2,1", [1, 2]),
        (" 3 , 0", [0, 3]),
        ("0,2,-1,1", [0, 2]),  # CUDA stops at the first it does not know
        ("0,7,1", [0]),
        ("1,1", [1]),
        ("1gpu,2x", [1, 2]),  # read as strtoul does
        ("GPU-bbbbbbbb-0000", [1]),
        ("GPU-b,GPU-dd", [1, 3]),
        ("GPU-b,2", [1, 2]),
    ],
)
def test_indices_uuids_and_the_start_of_uuids_name_gpus(words: str, indices: list[int]) -> None:
    assert seen(words) == [UUIDS[index] for index in indices]


def test_the_start_of_two_uuids_names_neither() -> None:
    twins = [Identity("GPU-abc1", H100), Identity("GPU-abc2", H100)]

    assert seen("GPU-abc", twins) == []
    assert seen("GPU-abc2,GPU-abc", twins) == ["GPU-abc2"]


def test_indices_are_certain_where_all_gpus_are_alike_or_the_bus_orders_them() -> None:
    assert not visible(GPUS, {"CUDA_VISIBLE_DEVICES": "0"}).doubtful
    assert not visible(MIXED, {"CUDA_VISIBLE_DEVICES": "0", **BY_BUS}).doubtful


@pytest.mark.parametrize(
    ("words", "doubtful"), [("0", True), ("0,1", False), ("GPU-a", False), ("", False), ("-1", False)]
)
def test_among_several_models_an_index_may_mean_another_gpu(words: str, doubtful: bool) -> None:
    assert visible(MIXED, {"CUDA_VISIBLE_DEVICES": words}).doubtful is doubtful


@pytest.mark.parametrize(
    ("words", "uuid", "parts"),
    [
        ("MIG-12", "GPU-aaaa", {"MIG-12"}),
        ("MIG-2", "GPU-bbbb", {"MIG-21"}),
        ("MIG-GPU-bbbb/1/0", "GPU-bbbb", set()),
        ("1", "GPU-bbbb", set()),
    ],
)
def test_the_name_of_a_slice_shows_the_gpu_it_is_cut_from(words: str, uuid: str, parts: set[str]) -> None:
    found = visible(CUT, {"CUDA_VISIBLE_DEVICES": words})

    assert (set(found.gpus), set(found.slices)) == ({uuid}, parts)


def test_slices_of_two_gpus_show_both() -> None:
    assert seen("MIG-11,MIG-21", CUT) == ["GPU-aaaa", "GPU-bbbb"]


@pytest.mark.parametrize(
    ("words", "indices"),
    [
        ("all", [0, 1, 2, 3]),
        ("none", []),
        ("void", [0, 1, 2, 3]),  # set beside the GPUs that come by way of CDI: it says nothing of them
        ("", [0, 1, 2, 3]),
        ("1", [1]),
        ("0,GPU-cccccccc-0000", [0, 2]),
        ("3,5", [0, 1, 2, 3]),  # the host's numbers, seen from inside: all that is listed was meant
        ("GPU-eeeeeeee", [0, 1, 2, 3]),
    ],
)
def test_the_container_runtimes_variable_counts_where_cudas_is_not_set(
    words: str, indices: list[int]
) -> None:
    assert seen(words, variable="NVIDIA_VISIBLE_DEVICES") == [UUIDS[index] for index in indices]


def test_the_container_runtime_names_slices_by_two_numbers() -> None:
    found = visible(CUT, {"NVIDIA_VISIBLE_DEVICES": "0:1"})

    assert (set(found.gpus), set(found.slices)) == ({"GPU-aaaa"}, {"MIG-12"})


def test_cudas_variable_comes_first_even_if_empty() -> None:
    assert visible(GPUS, {"CUDA_VISIBLE_DEVICES": "", "NVIDIA_VISIBLE_DEVICES": "all"}).gpus == frozenset()


WORDS = st.one_of(
    st.text(max_size=8),
    st.sampled_from([*UUIDS, "GPU-", "MIG-", "MIG-GPU-", "-1", "all", "0:0", "٣", "²"]),
    st.integers(-2, 9).map(str),
)


@given(words=st.lists(WORDS).map(",".join), variable=st.sampled_from(["CUDA", "NVIDIA"]))
def test_whatever_is_written_only_gpus_that_exist_are_seen(words: str, variable: str) -> None:
    assert visible(GPUS, {f"{variable}_VISIBLE_DEVICES": words}).gpus <= set(UUIDS)
    assert visible([], {f"{variable}_VISIBLE_DEVICES": words}).gpus == frozenset()


@given(chosen=st.lists(st.integers(0, 3)))
def test_indices_and_their_uuids_mean_the_same(chosen: list[int]) -> None:
    by_index = seen(",".join(map(str, chosen)))
    by_uuid = seen(",".join(UUIDS[index] for index in chosen))

    assert by_index == by_uuid == [UUIDS[index] for index in sorted(set(chosen))]


@given(chosen=st.lists(st.integers(0, 3)), rest=st.lists(WORDS))
def test_nothing_counts_after_what_names_no_gpu(chosen: list[int], rest: list[str]) -> None:
    before = [str(index) for index in chosen]

    assert seen(",".join([*before, "-1", *rest])) == seen(",".join([*before, "-1"]))


@given(cut=st.integers(5, 17), index=st.integers(0, 3))
def test_a_longer_start_of_a_uuid_never_means_another_gpu(cut: int, index: int) -> None:
    assert seen(UUIDS[index][:cut]) == [UUIDS[index]]
