"""`energywrap calibrate`: the power of the idle and of the busy machine, measured once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Annotated

import typer

from energywrap import baseline, config
from energywrap.console import say
from energywrap.errors import UserError
from energywrap.model import Baseline, Idle
from energywrap.record import replace

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
    show: Annotated[bool, typer.Option("--show", help="Show what is kept; measure nothing.")] = False,
) -> None:
    """Measure the machine idle, then with one, half and all of its threads busy; keep what runs need of it.

    Leave the machine alone meanwhile. The idle power is what `energywrap run` takes off to tell the command's
    share above idle; the other loads show what the machine draws when it works.
    """
    if show:
        _show(baseline.load(os.environ))
        return
    settings = config.resolve({}, os.environ, config.folder())
    say(f"the idle machine is measured for {seconds:.0f} s, if anything here can measure it")
    idle = baseline.measure(settings, seconds)
    if idle.busy_part > baseline.BUSY and not anyway:
        raise UserError(
            f"the machine is not idle: {100 * idle.busy_part:.0f} % of its CPU time was in use",
            "stop other work and try again, or keep the result with --anyway",
        )
    loads = {} if idle_only else _loads(settings, seconds)
    kept = replace(idle, loads=loads)
    path = baseline.save(kept, os.environ)
    _show(kept)
    say(f"kept in {path}")


def _loads(settings: config.Settings, seconds: float) -> dict[str, dict[str, Idle]]:
    """The machine's power by the number of busy threads."""
    cpus = os.cpu_count() or 1
    found = {}
    for threads in sorted({1, max(1, cpus // 2), cpus}):
        say(f"measuring {threads} of {cpus} threads busy for {seconds:.0f} s")
        burning = [subprocess.Popen(BURN, stdin=subprocess.DEVNULL) for _ in range(threads)]
        try:
            time.sleep(SETTLE_S)
            found[str(threads)] = baseline.measure(settings, seconds).idle
        finally:
            for each in burning:
                each.kill()
                each.wait()
    return found


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


def _channels(power: dict[str, Idle]) -> None:
    for name, watts in power.items():
        typer.echo(f"  {name}: {watts.watts:.4g} W ({watts.low_w:.4g} W to {watts.high_w:.4g} W)")
