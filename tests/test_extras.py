"""What is asked for beside the usual: taken apart exactly, or refused with a word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energywrap import extras
from energywrap.config import resolve
from energywrap.errors import UserError
from energywrap.extras import Extras, Price, Storage, Unit

NOTHING = Extras((), None, None, None, water=False)


def asked(**given: str) -> Extras:
    """What the flags ask for."""
    return extras.resolve(resolve(given, {}, "/nonexistent"))


def test_nothing_is_asked_for_by_default() -> None:
    assert asked() == NOTHING


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("request=10000", Unit("request", 10_000, None)),
        ("image = 2.5e3", Unit("image", 2500, None)),
        (r"token=/made (\d+) tokens/", Unit("token", None, r"made (\d+) tokens")),
        ("a=/=(.)=/", Unit("a", None, "=(.)=")),
    ],
)
def test_a_functional_unit_has_a_count_or_a_pattern(text: str, unit: Unit) -> None:
    assert asked(per=text).unit == unit


@pytest.mark.parametrize(
    ("text", "size"),
    [("20GB", 20e9), ("1.5 TB", 1.5e12), ("3KiB", 3072), ("0B", 0), ("7gib", 7 * 2**30), ("1,5MB", 1.5e6)],
)
def test_a_size_has_a_number_and_a_unit(text: str, size: float) -> None:
    assert asked(stores=text, for_days="365").storage == Storage(size, 365)


@pytest.mark.parametrize(
    ("text", "price"),
    [("0.30EUR", Price(0.3, "EUR")), ("0,28 €/kWh", Price(0.28, "€")), ("12 ct", Price(12, "ct"))],
)
def test_a_price_has_a_currency(text: str, price: Price) -> None:
    assert asked(price=text).price == price


def test_lines_are_included_by_name_and_once() -> None:
    assert asked(include="embodied,network,embodied").include == ("embodied", "network")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"per": "request"}, "--per: 'request' is not NAME=COUNT"),
        ({"per": "=5"}, "is not NAME=COUNT"),
        ({"per": "request=0"}, "is no number above 0"),
        ({"per": "request=-3"}, "is no number above 0"),
        ({"per": "request=nan"}, "is no number above 0"),
        ({"per": "request=1e999"}, "is no number above 0"),
        ({"per": r"request=/\d+/"}, "has no group"),
        ({"per": "request=/(/"}, "is no regular expression"),
        ({"include": "cooling"}, "--include: 'cooling' is no line that can be included"),
        ({"stores": "20GB"}, "--stores means nothing alone"),
        ({"for_days": "3"}, "--for means nothing alone"),
        ({"stores": "many", "for_days": "3"}, "'many' is no size"),
        ({"stores": "20", "for_days": "3"}, "'20' is no size"),
        ({"stores": "-1GB", "for_days": "3"}, "is no size"),
        ({"price": "0.3"}, "is no price"),
        ({"price": "EUR"}, "is no price"),
        ({"price": "0.3 a long currency"}, "is no price"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(given: dict[str, str], words: str) -> None:
    with pytest.raises(UserError) as refused:
        asked(**given)

    assert words in refused.value.message
    assert refused.value.hint


@given(st.sampled_from(["per", "stores", "price", "include"]), st.text(max_size=30))
def test_no_text_is_more_than_refused(name: str, text: str) -> None:
    try:
        found = asked(**{name: text, **({"for_days": "1"} if name == "stores" else {})})
    except UserError:
        return

    assert found != NOTHING or name == "include"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("12,345", 12_345),
        ("1_000", 1000),
        (" 7.5 ", 7.5),
        ("0", None),
        ("-1", None),
        ("x", None),
        ("inf", None),
    ],
)
def test_a_printed_number_is_one_above_zero(text: str, count: float | None) -> None:
    assert extras.positive(text) == count
