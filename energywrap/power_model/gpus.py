"""Power of a graphics processor that tells its utilisation and its limit, but not its power."""

from __future__ import annotations

from energywrap.power_model.watts import Watts

IDLE, CONTEXT = 0.10, 0.07  # of the limit: doing nothing, and what holding a context adds
LOAD = 0.75  # of what lies between idle and the limit, at full utilisation
HALF_WIDTH = 0.40


def gpu(limit_w: float, utilisation: float) -> Watts:
    """Power of a GPU in use, by its power limit and its utilisation (0..1)."""
    u = min(1.0, max(0.0, utilisation))
    value = limit_w * (IDLE + CONTEXT + LOAD * (1 - IDLE) * u)
    return Watts(value, value * (1 - HALF_WIDTH), value * (1 + HALF_WIDTH))
