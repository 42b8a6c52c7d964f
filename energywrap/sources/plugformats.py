"""What smart plugs are asked and how their answers are read: pure functions from JSON to W and J."""

from __future__ import annotations

from energywrap.record import record
from energywrap.sources.polled import NoAnswer
from energywrap.units import joules_from_kwh, joules_from_watt_hours, joules_from_watt_minutes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_W = 50_000.0  # more than three phases of 63 A


@record
class Question:
    """What to ask a plug, and where in the answer its power (W) and its energy counter stand."""

    path: str
    watts: tuple[str, ...]
    energy: tuple[str, ...] = ()
    joules: Callable[[float], float] = joules_from_watt_hours


# Some models of a maker answer one question and some another: the first that tells a power is kept.
QUESTIONS: dict[str, tuple[Question, ...]] = {
    "shelly1": (
        Question("/meter/{part}", ("power",), ("total",), joules_from_watt_minutes),
        Question("/emeter/{part}", ("power",), ("total",)),
    ),
    "shelly2": (
        Question("/rpc/Switch.GetStatus?id={part}", ("apower",), ("aenergy", "total")),
        Question("/rpc/PM1.GetStatus?id={part}", ("apower",), ("aenergy", "total")),
        Question("/rpc/EM.GetStatus?id={part}", ("total_act_power",)),
        Question("/rpc/EM1.GetStatus?id={part}", ("act_power",)),
    ),
    "tasmota": (
        *(
            Question(f"/cm?cmnd=Status%20{status}", ("StatusSNS", "ENERGY", "Power"),
                     ("StatusSNS", "ENERGY", "Total"), joules_from_kwh)
            for status in (8, 10)
        ),
        Question("/cm?cmnd=Status%208", ("StatusPWR", "Power"), ("StatusPWR", "Total"), joules_from_kwh),
    ),
}  # fmt: skip


def reading(question: Question, answer: object) -> dict[str, float]:
    """W and J in a plug's answer. Raises NoAnswer for what is no power of a machine that runs."""
    if isinstance(answer, dict) and answer.get("is_valid") is False:
        raise NoAnswer("it calls its own reading invalid")
    watts = _number(answer, question.watts)
    if watts is None:
        raise NoAnswer(f"its answer to {question.path.partition('?')[0]} holds no power")
    if not 0 < watts <= MAX_W:
        raise NoAnswer(f"it says {watts:g} W, which no running machine draws")
    total = _number(answer, question.energy) if question.energy else None
    if total is None or total < 0:
        return {"plug:power": watts}
    return {"plug:power": watts, "plug:energy": question.joules(total)}


def _number(answer: object, keys: Sequence[str]) -> float | None:
    """The finite number at the end of these keys; None for a text, a list, a truth value or a hole."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, dict) else None
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return None
    try:
        number = float(answer)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    return number if abs(number) < float("inf") else None  # nor NaN
