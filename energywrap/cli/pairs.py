"""An option of two words that may be given again and again, which typer does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand

PAIRED = ("--parameter-list", "-L")


class Paired(TyperCommand):
    """A command whose --parameter-list takes two words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """With the two words made one."""
        return super().parse_args(ctx, list(_joined(args)))


def _joined(arguments: list[str]) -> Iterator[str]:
    """The arguments with NAME VALUES after --parameter-list as NAME=VALUES."""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        yield word
        if word == "--":
            break
        if word in PAIRED and len(rest) > 1 and "=" not in rest[0]:
            yield f"{rest.pop(0)}={rest.pop(0)}"
    yield from rest


def pair(text: str) -> tuple[str, str]:
    """The two words again."""
    name, _, values = text.partition("=")
    return name, values
