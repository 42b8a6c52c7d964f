"""Getting a run's figures to the CI system that it ran in: which one, which files, and what was written."""

from __future__ import annotations

import os

from energywrap import console
from energywrap.errors import UserError
from energywrap.reportfile import NONBLOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energywrap.config import Settings
    from energywrap.gate import Gate
    from energywrap.model import RunReport

GITHUB, GITLAB, JENKINS = "github", "gitlab", "jenkins"
BENCHMARK, BENCHER = "github-action-benchmark", "bencher"
TARGETS = (GITHUB, GITLAB, JENKINS, BENCHMARK, BENCHER)
AUTO, OFF = "auto", "off"
SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"


def targets(text: str, where: str) -> tuple[str, ...]:
    """The targets of a comma list. Raises UserError for a word that is none."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if word not in TARGETS and not (word in (AUTO, OFF) and len(words) == 1):
            raise UserError(
                f"{where}: {word!r} is no CI system", f"known: {', '.join(TARGETS)}; or {AUTO} or {OFF} alone"
            )
    return words


def detected(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The CI systems that the environment tells of."""
    found = []
    if environ.get("GITHUB_ACTIONS") == "true":
        found.append(GITHUB)
    if environ.get("GITLAB_CI"):
        found.append(GITLAB)
    if environ.get("JENKINS_URL"):
        found.append(JENKINS)
    return tuple(found)


def of_run(text: str, origin: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What a run that has ended writes for: of its own accord only the files that GitHub has named."""
    if text == OFF or ("ENERGYWRAP_RUN" in environ and origin != "flag"):
        return ()  # the run that this one is part of says it all
    if text != AUTO:
        return targets(text, "ci")
    asked = environ.get("GITHUB_ACTIONS") == "true" and (environ.get(SUMMARY) or environ.get(OUTPUT))
    return (GITHUB,) if asked and "ENERGYWRAP_RUN" not in environ else ()


def after_run(report: RunReport, settings: Settings, folder: str, environ: Mapping[str, str]) -> None:
    """Hand a run's figures to the CI system; what cannot be written is one line on stderr."""
    wanted = of_run(settings.ci, settings.origin["ci"], environ)
    if not wanted:
        return
    _, failed = write([report], wanted, folder, environ, asked=settings.ci != AUTO)
    if failed:
        console.say("; ".join(failed))
    if GITHUB in wanted:
        from energywrap.formats.ci import github

        _annotate(github.warning(report))


def of_gate(
    gate: Gate, settings: Settings, environ: Mapping[str, str], *, comment: str | None, junit: str | None
) -> list[str]:
    """Hand a gate's verdict to GitHub, where it runs there, and to the files that are named.

    What could not be written is what is given back, a line each.
    """
    from energywrap.formats.ci import gates, github
    from energywrap.formats.ci import junit as tests

    files = [(comment, gates.comment(gate), False)] if comment is not None else []
    if junit is not None:
        found = {f"{gate.name}: {each.name}": each.verdict for each in gate.checks}
        files.append((junit, tests.verdicts(found), False))
    if GITHUB in of_run(settings.ci, settings.origin["ci"], environ):
        outputs = github.outputs(gates.outputs(gate), _delimiter())
        pairs = ((SUMMARY, gates.summary(gate)), (OUTPUT, outputs))
        files += [(environ[name], text, True) for name, text in pairs if environ.get(name)]
        _annotate(gates.annotation(gate))
    failed = []
    for path, text, append in files:
        try:
            put(path, text, append=append)
        except OSError as err:
            failed.append(f"cannot write {path}: {err.strerror or err}")
    return failed


def _annotate(line: str | None) -> None:
    """A line of its own, as GitHub looks for it on both streams of a step."""
    if line is not None:
        console.write_stderr(f"{line}\n".encode("utf-8", "backslashreplace"))


def write(
    reports: Sequence[RunReport],
    wanted: Sequence[str],
    folder: str,
    environ: Mapping[str, str],
    *,
    asked: bool = True,
) -> tuple[list[str], list[str]]:
    """Write for the CI systems that are wanted: what was written, and what could not be.

    Unless GitHub was asked for by name, a file that it has not named is none that is missing.
    """
    done: list[str] = []
    failed = _unnamed(environ) if GITHUB in wanted and asked else []
    for target in wanted:
        pairs = _appended(reports, environ) if target == GITHUB else _files(target, reports, folder)
        for path, text in pairs:
            try:
                put(path, text, append=target == GITHUB)
            except OSError as err:
                failed.append(f"{target}: cannot write {path}: {err.strerror or err}")
            else:
                done.append(f"{target}: {'appended to' if target == GITHUB else 'wrote'} {path}")
    return done, failed


def put(path: str, text: str, *, append: bool = False) -> None:
    """Write a file, or at its end; never held up by a pipe that nobody reads."""
    mode = os.O_APPEND if append else os.O_TRUNC
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | mode | NONBLOCK, 0o666)
    with os.fdopen(fd, "wb") as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def _delimiter() -> str:
    return f"energywrap_{os.urandom(16).hex()}"  # no value that a command has written can hold it


def _unnamed(environ: Mapping[str, str]) -> list[str]:
    names = (name for name in (SUMMARY, OUTPUT) if not environ.get(name))
    return [f"github: {name} is not set: nothing is written for it" for name in names]


def _appended(reports: Sequence[RunReport], environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The files that GitHub has named, with what each of them gets."""
    from energywrap.formats.ci import figures, github

    texts = {
        SUMMARY: github.summary(reports),
        OUTPUT: github.outputs(figures.outputs(reports[-1]), _delimiter()),
    }
    return [(environ[name], text) for name, text in texts.items() if environ.get(name)]


def _files(target: str, reports: Sequence[RunReport], folder: str) -> list[tuple[str, str]]:
    from energywrap.formats.ci import benchmark, gitlab, junit

    if target == BENCHMARK:
        texts = {"energywrap-benchmark.json": benchmark.smaller_is_better(reports)}
    elif target == BENCHER:
        texts = {"energywrap-bencher.json": benchmark.bencher(reports)}
    else:
        texts = {"energywrap-junit.xml": junit.runs(reports)}
    if target == GITLAB:
        texts["energywrap-metrics.txt"] = gitlab.metrics(reports)
        texts["energywrap.env"] = gitlab.dotenv(reports[-1])
    return [(os.path.join(folder, name), text) for name, text in texts.items()]
