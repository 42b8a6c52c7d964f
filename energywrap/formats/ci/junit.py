"""JUnit XML for GitLab and Jenkins: a suite per run or verdict, with the numbers as its properties. Pure."""

from __future__ import annotations

from energywrap.formats.ci import figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energywrap.comparison import Verdict
    from energywrap.model import RunReport

SPECIAL = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def runs(reports: Sequence[RunReport]) -> str:
    """A test that passes for every run; one that was cut off is skipped."""
    suites = []
    for name, report in figures.distinct(reports):
        cut_off = None if report.complete else "the run was cut off"
        inner = "" if cut_off is None else f'<skipped message="{_text(cut_off)}"/>'
        suites.append(_suite(name, inner, report.duration_s, figures.outputs(report)))
    return _document(suites)


def verdicts(found: Mapping[str, Verdict]) -> str:
    """A test per verdict, by name: it fails where the verdict does; one that is inconclusive is skipped."""
    return _document([_suite(name, _outcome(verdict), 0.0, {}) for name, verdict in found.items()])


def _outcome(verdict: Verdict) -> str:
    reason = _text(verdict.reason)
    if verdict.word == "error":
        return f'<error type="energy" message="{reason}">{reason}</error>'
    if verdict.word == "fail":
        return f'<failure type="energy" message="{reason}">{reason}</failure>'
    return f'<skipped message="{reason}"/>' if verdict.word == "inconclusive" else ""


def _suite(name: str, inner: str, duration_s: float, values: Mapping[str, str]) -> str:
    failures, errors, skipped = (int(f"<{kind}" in inner) for kind in ("failure", "error", "skipped"))
    time = figures.number(duration_s)
    properties = "".join(
        f'<property name="{key}" value="{_text(value)}"/>' for key, value in values.items() if value
    )
    return (
        f'<testsuite name="energywrap" tests="1" failures="{failures}" errors="{errors}" skipped="{skipped}" '
        f'time="{time}">'
        + (f"<properties>{properties}</properties>" if properties else "")
        + f'<testcase classname="energywrap" name="{_text(name)}" time="{time}">'
        + f"{inner}</testcase></testsuite>"
    )


def _document(suites: Sequence[str]) -> str:
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<testsuites name="energywrap">',
            *suites,
            "</testsuites>",
            "",
        ]
    )


def _text(text: str) -> str:
    """Text that XML 1.0 allows, in an attribute or between tags."""
    return "".join(SPECIAL.get(letter, letter) for letter in text if _allowed(ord(letter)))


def _allowed(code: int) -> bool:
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )
