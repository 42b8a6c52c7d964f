"""Which GPUs a command can see: the lists of ROCm and HIP, the mask of Level Zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap.sources.amdvisible import UNSURE, claims, level_zero, rocm, together

UUIDS = tuple(f"GPU-{number:016x}" for number in (0xD5A4C4F2A6A40001, 0xD5A4C4F2A6A40002, 0xBEEF, 0xCAFE))
ALL = set(range(4))
PCI = {"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1"}

words = st.one_of(
    st.integers(-3, 6).map(str), st.sampled_from((*UUIDS, "", " ", "GPU-", "0x1", "junk")), st.text()
)
lists = st.lists(words, max_size=6).map(",".join)


def seen_in(**environ: str) -> set[int] | None:
    """What an environment leaves of four GPUs."""
    seen = rocm(environ, UUIDS)
    return None if seen is None else set(seen)


def rocr(text: str, **more: str) -> set[int] | None:
    """What ROCR_VISIBLE_DEVICES leaves of four GPUs."""
    return seen_in(ROCR_VISIBLE_DEVICES=text, **more)


def hip(text: str) -> set[int] | None:
    """What HIP_VISIBLE_DEVICES leaves of four GPUs."""
    return seen_in(HIP_VISIBLE_DEVICES=text)


# ---- ROCm ------------------------------------------------------------------------------------------


def test_an_environment_that_says_nothing_hides_nothing() -> None:
    assert seen_in() == ALL


def test_an_empty_list_hides_all_from_rocm_but_nothing_from_hip() -> None:
    assert rocr("") == set()
    assert hip("") == ALL


def test_a_list_ends_at_the_first_word_that_names_no_gpu() -> None:
    assert rocr("2,9,0") == {2}
    assert hip("2,-1,0") == {2}
    assert rocr("-1") == set()
    assert hip("none") == set()


def test_hips_numbers_count_what_rocm_has_left() -> None:
    assert rocr("3,1", HIP_VISIBLE_DEVICES="1") == {1}
    assert rocr("3,1", HIP_VISIBLE_DEVICES="2") == set()


def test_the_variable_of_cuda_stands_in_for_hips_and_gives_way_to_it() -> None:
    assert seen_in(CUDA_VISIBLE_DEVICES="1") == {1}
    assert seen_in(CUDA_VISIBLE_DEVICES="1", HIP_VISIBLE_DEVICES="2") == {2}


def test_a_gpu_may_be_named_by_the_beginning_of_its_uuid() -> None:
    assert rocr(UUIDS[2]) == {2}
    assert rocr(UUIDS[2].upper()) == {2}
    assert rocr("GPU-000000000000b, 0") == {2, 0}


@pytest.mark.parametrize(
    "word", ["GPU-d5a4", "GPU-", "GPU-4b2c1a9f-8d3e-6f7a-b5c9-2e4d8a1f6c3b", "0x1", "01"]
)
def test_a_word_that_may_name_a_gpu_unknown_to_us_leaves_it_open(word: str) -> None:
    assert rocr(word) is None
    assert hip(word) is None


def test_a_gpu_that_is_named_twice_ends_rocms_list_but_not_hips() -> None:
    assert rocr("0,0,1") == {0}
    assert hip("0,0,1") == {0, 1}


@given(lists, lists)
def test_no_list_fails_or_shows_a_gpu_that_is_not_there(outer: str, inner: str) -> None:
    seen = rocr(outer, HIP_VISIBLE_DEVICES=inner)

    assert seen is None or seen <= ALL


@given(st.permutations(range(4)), st.integers(0, 4))
def test_the_gpus_that_are_named_are_those_that_are_seen(order: list[int], count: int) -> None:
    named = order[:count]

    assert rocr(",".join(map(str, named))) == set(named)
    assert rocr(",".join(UUIDS[index] for index in named)) == set(named)


@given(st.permutations(range(4)), st.data())
def test_hip_chooses_by_place_among_what_rocm_shows(order: list[int], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, 3), min_size=1))
    seen = rocr(",".join(map(str, order)), HIP_VISIBLE_DEVICES=",".join(map(str, places)))

    assert seen == {order[place] for place in places}


@given(lists, lists)
def test_what_follows_a_word_that_names_nothing_changes_nothing(before: str, after: str) -> None:
    assert hip(f"{before},none,{after}") == hip(f"{before},none")


@given(lists, lists)
def test_hip_never_shows_what_rocm_hides(outer: str, inner: str) -> None:
    left, seen = rocr(outer), rocr(outer, HIP_VISIBLE_DEVICES=inner)

    assert left is None or seen is None or seen <= left


# ---- Level Zero ------------------------------------------------------------------------------------


def mask(text: str, *tiles: int, **more: str) -> tuple[bool | None, ...]:
    """What a mask shows of GPUs with so many tiles, in the order of their PCI addresses."""
    return level_zero({"ZE_AFFINITY_MASK": text, **PCI, **more}, tiles)


@pytest.mark.parametrize("text", ["", " ", "default"])
def test_an_empty_mask_hides_no_gpu(text: str) -> None:
    assert mask(text, 1, 1) == (True, True)
    assert level_zero({}, (1, 1)) == (True, True)


def test_a_mask_shows_the_gpus_it_names() -> None:
    assert mask("1", 1, 1, 1) == (False, True, False)
    assert mask("2, 0.0", 1, 1, 1) == (True, False, True)
    assert mask("7", 1, 1) == (False, False)


def test_without_the_order_of_the_bus_a_mask_tells_only_how_many() -> None:
    assert level_zero({"ZE_AFFINITY_MASK": "1"}, (1, 1, 1)) == (None, None, None)
    assert level_zero({"ZE_AFFINITY_MASK": "0,1,2"}, (1, 1, 1)) == (True, True, True)
    assert level_zero({"ZE_AFFINITY_MASK": "0"}, (1,)) == (True,)


def test_a_gpu_of_which_one_tile_is_shown_is_seen_in_part() -> None:
    assert mask("0.1", 2, 2, ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE") == (None, False)
    assert mask("0.0,0.1", 2, 2, ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE") == (True, False)
    assert mask("1", 2, 2, ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE") == (False, True)
    assert mask("1", 2, 2, ZE_FLAT_DEVICE_HIERARCHY="FLAT") == (None, False)
    assert mask("2,3", 2, 2, ZE_FLAT_DEVICE_HIERARCHY="flat") == (False, True)


def test_tiles_in_a_hierarchy_that_drivers_choose_for_themselves_are_left_open() -> None:
    assert mask("0", 2, 2) == (None, None)


@pytest.mark.parametrize("text", ["x", "0,x", "-1", "0.x", "0.", "²"])
def test_a_mask_that_cannot_be_read_leaves_all_open(text: str) -> None:
    assert mask(text, 1, 1) == (None, None)


hierarchies = st.sampled_from(("", "FLAT", "COMPOSITE", "COMBINED", "odd"))


@given(st.text() | lists, st.lists(st.integers(1, 3), max_size=4), hierarchies, st.booleans())
def test_no_mask_fails_and_every_gpu_has_an_answer(
    text: str, tiles: list[int], kind: str, ordered: bool
) -> None:
    environ = {"ZE_AFFINITY_MASK": text, "ZE_FLAT_DEVICE_HIERARCHY": kind, **(PCI if ordered else {})}
    seen = level_zero(environ, tiles)

    assert len(seen) == len(tiles)
    assert ordered or False not in seen or set(seen) == {False}


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.sets(st.integers(0, 3)))
def test_whole_gpus_are_seen_if_and_only_if_they_are_named(tiles: list[int], named: set[int]) -> None:
    text = ",".join(map(str, named)) or "9"
    seen = mask(text, *tiles, ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE")

    assert seen == tuple(index in named for index in range(len(tiles)))


# ---- what a channel says ---------------------------------------------------------------------------


def test_what_is_read_as_one_is_hidden_only_if_all_of_it_is() -> None:
    assert together([False, False]) is False
    assert together([True, True]) is True
    assert together([True, False]) is None
    assert together([None]) is None


def test_a_hidden_gpu_has_a_share_of_nothing_and_an_open_question_is_said() -> None:
    assert claims(True) == (None, None)
    assert claims(False) == (0.0, None)
    assert claims(None) == (None, UNSURE)
