"""What the user wants added to a report beside the operational footprint, taken apart. Pure."""

from __future__ import annotations

from energywrap.errors import UserError
from energywrap.record import record
from energywrap.units import BYTES_PER_GB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.config import Settings

INCLUDABLE = ("embodied", "network", "storage")
SIZES = {"B": 1.0, "KB": 1e3, "MB": 1e6, "GB": BYTES_PER_GB, "TB": 1e12, "PB": 1e15,
         "KIB": 2.0**10, "MIB": 2.0**20, "GIB": 2.0**30, "TIB": 2.0**40, "PIB": 2.0**50}  # fmt: skip
LARGEST = 1e30  # beyond, a number is a slip of the pen


@record
class Unit:
    """A functional unit, and how many of them the run served: a number, or a pattern that finds it."""

    name: str
    count: float | None
    pattern: str | None


@record
class Storage:
    """What the run keeps in remote storage, and for how long."""

    size_bytes: float
    days: float


@record
class Price:
    """Money for a kWh."""

    amount: float
    currency: str


@record
class Extras:
    """All that was asked for; None and empty: nothing."""

    include: tuple[str, ...]
    unit: Unit | None
    storage: Storage | None
    price: Price | None
    water: bool


def resolve(settings: Settings) -> Extras:
    """Everything asked for. Raises UserError for what cannot be meant, naming where it came from."""
    return Extras(
        include=_include(settings),
        unit=_unit(settings),
        storage=_storage(settings),
        price=_price(settings),
        water=settings.water,
    )


def size_bytes(text: str, where: str) -> float:
    """Bytes of "20GB" or "1.5 TiB". Raises UserError for anything else."""
    number, unit = _number_and_rest(text)
    size = SIZES.get(unit.upper())
    if number is None or size is None or not 0 <= number <= LARGEST:
        raise UserError(f"{where}: {text!r} is no size", "write it like 20GB or 1.5TB")
    return number * size


def positive(text: str) -> float | None:
    """A number above 0 from what a command printed, thousands set apart or not; None for anything else."""
    value = _number(text.replace(",", "").replace("_", "").strip())
    return value if value is not None and 0 < value <= LARGEST else None


def _include(settings: Settings) -> tuple[str, ...]:
    words = [word.strip() for word in (settings.include or "").split(",") if word.strip()]
    for word in words:
        if word not in INCLUDABLE:
            raise UserError(
                f"{_where(settings, 'include')}: {word!r} is no line that can be included",
                f"one of {', '.join(INCLUDABLE)}",
            )
    return tuple(dict.fromkeys(words))


def _unit(settings: Settings) -> Unit | None:
    if settings.per is None:
        return None
    where = _where(settings, "per")
    name, equals, rest = settings.per.partition("=")
    if not equals or not name.strip() or not rest:
        raise UserError(f"{where}: {settings.per!r} is not NAME=COUNT", "such as --per request=10000")
    if len(rest) > 2 and rest[0] == rest[-1] == "/":
        return Unit(name.strip(), None, _pattern(rest[1:-1], where))
    count = _number(rest)
    if count is None or not 0 < count <= LARGEST:
        raise UserError(f"{where}: {rest!r} is no number above 0", "or write NAME=/PATTERN/")
    return Unit(name.strip(), count, None)


def _pattern(text: str, where: str) -> str:
    import re  # only here: most runs ask for none

    try:
        groups = re.compile(text).groups
    except (re.error, OverflowError, RecursionError) as err:
        hint = r"such as /served (\d+) requests/"
        raise UserError(f"{where}: /{text}/ is no regular expression: {err}", hint) from err
    if groups < 1:
        raise UserError(
            f"{where}: /{text}/ has no group to take the number from", r"such as /served (\d+) requests/"
        )
    return text


def _storage(settings: Settings) -> Storage | None:
    if settings.stores is None and settings.for_days is None:
        return None
    if settings.stores is None or settings.for_days is None:
        given, lacks = (
            ("stores", "--for DAYS") if settings.for_days is None else ("for_days", "--stores SIZE")
        )
        raise UserError(f"{_where(settings, given)} means nothing alone", f"add {lacks}")
    return Storage(size_bytes(settings.stores, _where(settings, "stores")), settings.for_days)


def _price(settings: Settings) -> Price | None:
    if settings.price is None:
        return None
    number, rest = _number_and_rest(settings.price)
    currency = rest.removesuffix("/kWh").strip()
    if number is None or not 0 <= number <= LARGEST or not currency or len(currency) > 8:
        raise UserError(
            f"{_where(settings, 'price')}: {settings.price!r} is no price", "write it like 0.30EUR"
        )
    return Price(number, currency)


def _number_and_rest(text: str) -> tuple[float | None, str]:
    """The number that a text begins with, and what follows it."""
    text = text.strip()
    end = next((i for i, letter in enumerate(text) if letter not in "0123456789.,"), len(text))
    return _number(text[:end].replace(",", ".")), text[end:].strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None


def _where(settings: Settings, name: str) -> str:
    """The setting and where its value came from."""
    flag = {"for_days": "--for"}.get(name, f"--{name}")
    origin = settings.origin[name]
    return flag if origin == "flag" else f"{name} ({origin})"
