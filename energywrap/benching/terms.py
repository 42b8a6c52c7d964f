"""How a bench is to be measured. Pure."""

from __future__ import annotations

from energywrap.record import record


@record
class Terms:
    """The rounds, pauses and options of all its measurements."""

    rounds: int
    warmup: int = 0
    cooldown_s: float = 0.0
    idle_s: float = 0.0
    least_s: float = 0.5
    regardless: bool = False
    shown: bool = False
    label: str | None = None
    options: tuple[str, ...] = ()  # of `energywrap run`
    keep: bool = False
    sys_root: str = "/sys"
