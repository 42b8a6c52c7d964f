"""`energywrap calibrate`: the power of the idle and of the busy machine, measured once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated

import typer

from energywrap import baseline, config
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.model import Baseline, Idle
from energywrap.sources.modelled import calibration, said_of

SHORTEST_S, LONGEST_S = 1.0, 3600.0
BURN = (sys.executable, "-I", "-S", "-c", "while True: pass")
SETTLE_S = 1.0  # clocks and fans follow a change of load


def calibrate(
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds",
            min=SHORTEST_S,
            max=LONGEST_S,
            metavar="SECONDS",
            help="How long each load is measured.",
        ),
    ] = 30.0,
    idle_only: Annotated[bool, typer.Option("--idle-only", help="Measure the idle machine alone.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Keep the result even though other work was running.")
    ] = False,
    for_all: Annotated[
        bool, typer.Option("--for-all", help="Keep it for all users of this machine; needs root.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show what is kept; measure nothing.")] = False,
) -> None:
    """Measure the machine idle, then with one, half and all of its threads busy; keep what runs need of it.

    Leave the machine alone meanwhile. Runs take the idle power off to tell the command's share above idle,
    and where no counter can be read their power model takes the measured watts in place of its own. The
    counters often belong to root: `sudo energywrap calibrate --for-all` measures for everyone, once.
    """
    if show:
        _show(baseline.load(os.environ))
        return
    settings = config.resolve({}, os.environ, config.folder())
    say(f"the idle machine is measured for {seconds:.0f} s, if anything here can measure it")
    found = baseline.measure(settings, seconds)
    if found.busy_part > baseline.BUSY and not anyway:
        raise UserError(
            f"the machine is not idle: {100 * found.busy_part:.0f} % of its CPU time was in use",
            "stop other work and try again, or keep the result with --anyway",
        )
    if not idle_only:
        found = baseline.under_load(found, settings, seconds, _burning(seconds))
    path = baseline.save(found, os.environ, for_all=for_all)
    _show(found)
    say(f"kept in {path}")


def _burning(seconds: float) -> Callable[[int], AbstractContextManager[None]]:
    """Keeps so many threads busy, each by a process of its own, and tells the user for how long."""

    @contextmanager
    def burn(threads: int) -> Iterator[None]:
        say(f"measuring {threads} of {os.cpu_count()} threads busy for {seconds:.0f} s")
        burning = [subprocess.Popen(BURN, stdin=subprocess.DEVNULL) for _ in range(threads)]
        try:
            time.sleep(SETTLE_S)
            yield
        finally:
            for each in burning:
                each.kill()
                each.wait()

    return burn


def _show(kept: Baseline | None) -> None:
    if kept is None:
        say("nothing is kept for this machine yet: `energywrap calibrate` measures it")
        raise typer.Exit(1)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.taken_at_s))
    typer.echo(f"idle, {when}, {kept.how}")
    _channels(kept.idle)
    for threads, power in kept.loads.items():
        typer.echo(f"{threads} thread{'s' if threads != '1' else ''} busy")
        _channels(power)
    used = calibration(kept)
    typer.echo(f"the power model uses: {said_of(kept, used)}")


def _channels(power: dict[str, Idle]) -> None:
    for name, watts in power.items():
        typer.echo(f"  {name}: {watts.watts:.4g} W ({watts.low_w:.4g} W to {watts.high_w:.4g} W)")
