"""Which commands a bench measures, in which order, and how often inside one measurement. Pure."""

from __future__ import annotations

import re
import shlex
from itertools import product
from math import ceil

from energywrap.errors import UserError
from energywrap.record import record
from energywrap.words import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHELL = ("/bin/sh", "-c")
# not ${NAME}, which is the shell's, nor {{NAME}}, which is a template's
FIELD = re.compile(r"(?<![${])\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")
MOST_REPETITIONS = 100_000
# every repetition is started as a single run is; the first that fails ends the measurement
LOOP = 'n=$1; shift; while [ "$n" -gt 0 ]; do "$@" || exit; n=$((n-1)); done'
LOOP_REGARDLESS = 's=0; n=$1; shift; while [ "$n" -gt 0 ]; do "$@" || s=$?; n=$((n-1)); done; exit "$s"'


@record
class Hooks:
    """Shell lines around the runs: before all, before each, after all."""

    setup: str | None = None
    prepare: str | None = None
    cleanup: str | None = None


@record
class Command:
    """One command of a bench as it is run, with the parameters that made it."""

    line: str
    words: tuple[str, ...]
    parameters: dict[str, str]
    hooks: Hooks


def parameters(given: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The values of each parameter, from pairs of a name and values with commas. Raises UserError."""
    found: dict[str, tuple[str, ...]] = {}
    for name, text in given:
        if not FIELD.fullmatch(f"{{{name}}}"):
            raise UserError(f"--parameter-list {name!r} is no name", "letters, digits and _ only")
        if name in found:
            raise UserError(f"--parameter-list {name} is given twice", "write its values with commas")
        values = tuple(text.split(","))
        if "" in values:
            raise UserError(f"--parameter-list {name} {text!r} has an empty value")
        found[name] = values
    return found


def commands(
    lines: Sequence[str], values: Mapping[str, tuple[str, ...]], hooks: Hooks, *, shell: bool = True
) -> tuple[Command, ...]:
    """Every line with every combination of the parameters that it or its hooks use. Raises UserError."""
    if not all(line.strip() for line in lines):
        raise UserError("a command is empty", "give a shell line")
    used = [tuple(name for name in _used(line, hooks) if name in values) for line in lines]
    idle = [name for name in values if not any(name in names for names in used)]
    if idle:
        raise UserError(f"no command uses the parameter {idle[0]}", f"write {{{idle[0]}}} where it belongs")
    return tuple(
        _command(line, dict(zip(names, combination)), hooks, shell=shell)
        for line, names in zip(lines, used)
        for combination in product(*(values[name] for name in names))
    )


def order(count: int, rounds: int) -> tuple[tuple[int, ...], ...]:
    """The commands' numbers in each round, there and back, so that a steady drift falls on all alike."""
    there = tuple(range(count))
    return tuple(there if number % 2 == 0 else there[::-1] for number in range(rounds))


def repetitions(before: int, duration_s: float, least_s: float) -> int:
    """How often to run inside one measurement to last `least_s`, where `before` times took so long."""
    if least_s <= 0 or duration_s >= least_s:
        return before
    wanted = ceil(before * least_s / duration_s) if duration_s > 0 else MOST_REPETITIONS
    return max(before, min(wanted, MOST_REPETITIONS))


def repeated(words: Sequence[str], times: int, *, regardless: bool = False) -> tuple[str, ...]:
    """The words of a process that runs these words so many times, one after another."""
    if times == 1:
        return tuple(words)
    return (*SHELL, LOOP_REGARDLESS if regardless else LOOP, "sh", str(times), *words)


def _used(line: str, hooks: Hooks) -> tuple[str, ...]:
    """The parameters of a command and its hooks, in the order of their first use."""
    texts = (line, hooks.setup, hooks.prepare, hooks.cleanup)
    return tuple(dict.fromkeys(name for text in texts for name in FIELD.findall(text or "")))


def _command(line: str, chosen: dict[str, str], hooks: Hooks, *, shell: bool) -> Command:
    def filled(text: str) -> str:
        return FIELD.sub(lambda match: chosen.get(match[1], match[0]), text)

    def hook(text: str | None) -> str | None:
        return None if text is None else filled(text)

    whole = filled(line)
    return Command(
        line=readable(whole),
        words=(*SHELL, whole) if shell else _split(whole),
        parameters=chosen,
        hooks=Hooks(hook(hooks.setup), hook(hooks.prepare), hook(hooks.cleanup)),
    )


def _split(line: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(line))
    except ValueError as wrong:
        raise UserError(f"{line!r} cannot be split into words: {wrong}") from wrong
    if not words:
        raise UserError("a command is empty")
    return words
