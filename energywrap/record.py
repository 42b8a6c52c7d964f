"""Frozen records without importing `dataclasses`, which alone takes as long as a bare interpreter start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")
    S = TypeVar("S")

    @dataclass_transform(frozen_default=True)
    def record(cls: type[T]) -> type[T]: ...

else:
    _set = object.__setattr__

    def record(cls):
        """Give `cls` the constructor, equality, repr and immutability that its annotations describe."""
        names = tuple(cls.__annotations__)
        cls.__fields__, cls.__names__ = names, frozenset(names)
        cls.__defaults__ = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
        cls.__init__, cls.__setattr__ = _init, _refuse
        cls.__eq__, cls.__hash__, cls.__repr__ = _equal, _hash, _show
        return cls

    def _init(self, *args, **given):
        names = self.__fields__
        values = {**self.__defaults__, **given} if len(args) + len(given) < len(names) else given
        if args:
            values = {**values, **dict(zip(names, args))}
        if len(values) != len(names) or len(args) > len(names) or values.keys() != self.__names__:
            wrong = sorted(set(names) ^ values.keys()) or "too many values"
            raise TypeError(f"{type(self).__name__}: {wrong} missing or unknown")
        _set(self, "__dict__", values)

    def _refuse(self, name, value):
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot change")

    def _equal(self, other):
        return type(other) is type(self) and self.__dict__ == other.__dict__

    def _hash(self):
        return hash(tuple(self.__dict__.values()))

    def _show(self):
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in self.__fields__)})"


def fields(item: object) -> tuple[str, ...] | None:
    """The field names of a record or of a record class, in order; None for anything else."""
    names: tuple[str, ...] | None = getattr(item, "__fields__", None)
    return names


if TYPE_CHECKING:

    def replace(item: T, **changes: Any) -> T: ...

else:

    def replace(item, **changes):
        """A copy of a record with some fields changed."""
        values = {**item.__dict__, **changes}
        if len(values) != len(item.__fields__):
            raise TypeError(f"{type(item).__name__}: {sorted(changes)} are not all fields of it")
        copy = object.__new__(type(item))
        _set(copy, "__dict__", values)
        return copy


if TYPE_CHECKING:

    def mapped(item: T, kind: type[S], change: Callable[[S], S]) -> T: ...

else:

    def mapped(item, kind, change):
        """A copy of a record, tuple or dictionary in which every value of one kind is changed."""
        if isinstance(item, kind):
            return change(item)
        if isinstance(item, tuple):
            return tuple([mapped(part, kind, change) for part in item])
        if isinstance(item, dict):
            return {mapped(key, kind, change): mapped(value, kind, change) for key, value in item.items()}
        if fields(item):
            return type(item)(**{name: mapped(getattr(item, name), kind, change) for name in fields(item)})
        return item
