"""The options of `run` are found in every spelling, and the command's words are left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from commandline import energywrap
from energywrap import cli
from energywrap.errors import UserError
from energywrap.options import BY_FLAG, BY_NAME, FLAG, HELP_FLAGS, NUMBER, OPTIONS, HelpWanted, Option, parse

VALUED = [option for option in OPTIONS if option.kind != FLAG]
SWITCHES = [option for option in OPTIONS if option.kind == FLAG]
LETTERS = [flag for flag in BY_FLAG if not flag.startswith("--")]

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
first_words = words.filter(lambda word: not word.startswith("-") or word == "-")


def spellings(option: Option) -> st.SearchStrategy[tuple[str, list[str], str]]:
    """The option's name, a way to write it with a value, and that value as text."""
    if option.kind == FLAG:
        return st.sampled_from(option.flags).map(lambda flag: (option.name, [flag], "true"))
    values = (
        st.floats(0.02, 4, allow_nan=False).map(repr)
        if option.kind == NUMBER
        else words.filter(lambda text: text != "" and not text.startswith(("-", "=")))
    )

    def written(flag: str, value: str, apart: bool) -> tuple[str, list[str], str]:
        joined = f"{flag}={value}" if flag.startswith("--") else flag + value
        return option.name, [flag, value] if apart else [joined], value

    return st.builds(written, st.sampled_from(option.flags), values, st.booleans())


any_spelling = st.sampled_from(OPTIONS).flatmap(spellings)


@pytest.mark.parametrize("option", VALUED, ids=lambda option: option.name)
def test_a_value_may_follow_its_long_flag_as_a_word_or_after_an_equals_sign(option: Option) -> None:
    flag = option.flags[0]

    assert parse([flag, "x", "ls"]) == ({option.name: "x"}, ["ls"])
    assert parse([f"{flag}=x", "ls"]) == ({option.name: "x"}, ["ls"])
    assert parse([f"{flag}=a=b", "ls"]) == ({option.name: "a=b"}, ["ls"])


@pytest.mark.parametrize("letter", [flag for flag in LETTERS if BY_FLAG[flag].kind != FLAG])
def test_a_value_may_follow_its_letter_as_a_word_or_at_once(letter: str) -> None:
    name = BY_FLAG[letter].name

    assert parse([letter, "x", "ls"]) == ({name: "x"}, ["ls"])
    assert parse([f"{letter}x", "ls"]) == ({name: "x"}, ["ls"])


def test_letters_cluster_and_the_last_one_may_take_a_value() -> None:
    assert parse(["-qzFR", "ls"]) == ({"quiet": "true", "zone": "FR"}, ["ls"])
    assert parse(["-qz", "FR", "ls"]) == ({"quiet": "true", "zone": "FR"}, ["ls"])
    assert parse(["-qq", "ls"]) == ({"quiet": "true"}, ["ls"])


def test_a_value_may_look_like_an_option() -> None:
    assert parse(["--label", "--quiet", "ls"]) == ({"label": "--quiet"}, ["ls"])
    assert parse(["-l", "--", "ls"]) == ({"label": "--"}, ["ls"])


def test_the_last_of_two_values_counts() -> None:
    assert parse(["--zone", "FR", "-zDE", "ls"]) == ({"zone": "DE"}, ["ls"])


def test_two_dashes_end_the_options_and_only_the_first_pair_is_ours() -> None:
    assert parse(["-q", "--", "--zone", "FR"]) == ({"quiet": "true"}, ["--zone", "FR"])
    assert parse(["--", "--", "x"]) == ({}, ["--", "x"])


def test_options_after_the_command_belong_to_it() -> None:
    assert parse(["ls", "--quiet", "--", "-z", "--help"]) == ({}, ["ls", "--quiet", "--", "-z", "--help"])


def counting(given_options: list[tuple[str, list[str], str]]) -> dict[str, str]:
    """The values that count: the last of each option, or all of one that may be given many times."""
    found: dict[str, str] = {}
    for name, _, value in given_options:
        many = BY_NAME[name].many and name in found
        found[name] = f"{found[name]},{value}" if many else value
    return found


@given(given_options=st.lists(any_spelling, max_size=4), first=first_words, rest=st.lists(words, max_size=5))
@settings(deadline=None, database=None)
def test_whatever_follows_the_first_word_that_is_no_option_is_returned_unchanged(
    given_options: list[tuple[str, list[str], str]], first: str, rest: list[str]
) -> None:
    argv = [word for _, written, _ in given_options for word in written]

    found, command = parse([*argv, first, *rest])

    assert command == [first, *rest]
    assert found == counting(given_options)


@given(given_options=st.lists(any_spelling, max_size=4), rest=st.lists(words, min_size=1, max_size=5))
@settings(deadline=None, database=None)
def test_whatever_follows_two_dashes_is_returned_unchanged(
    given_options: list[tuple[str, list[str], str]], rest: list[str]
) -> None:
    argv = [word for _, written, _ in given_options for word in written]

    assert parse([*argv, "--", *rest])[1] == rest


@given(given_options=st.lists(any_spelling, max_size=4), rest=st.lists(first_words, min_size=1, max_size=3))
@settings(deadline=None, database=None, max_examples=50)
def test_the_short_way_reads_a_command_line_as_typer_would(
    given_options: list[tuple[str, list[str], str]], rest: list[str]
) -> None:
    argv = [word for _, written, _ in given_options for word in written]
    group: Any = typer.main.get_command(cli.app)
    typed = group.commands["run"].make_context("run", [*argv, *rest]).params

    found, command = parse([*argv, *rest])

    assert command == list(typed["command"])
    for option in OPTIONS:
        text = found.get(option.name)
        if text is None:
            assert not typed[option.name] if option.many else typed[option.name] == option.default
        elif option.many:
            assert ",".join(typed[option.name]) == text
        elif option.kind == FLAG:
            assert typed[option.name] is True
        else:
            assert typed[option.name] == (float(text) if option.kind == NUMBER else text)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("--zonee", "--zone"), ("--quite", "--quiet"), ("--no-colour", "--no-color")]
)
def test_an_unknown_option_is_refused_with_the_nearest_one(wrong: str, meant: str) -> None:
    with pytest.raises(UserError) as refusal:
        parse([wrong, "ls"])

    assert f"unknown option {wrong}; did you mean {meant}?" in refusal.value.line()


@pytest.mark.parametrize("wrong", ["-x", "-qx", "-5", "--frobnicate", "---", "--zo"])
def test_an_option_that_does_not_exist_is_never_taken_for_the_command(wrong: str) -> None:
    with pytest.raises(UserError, match="unknown option"):
        parse([wrong, "ls"])


@pytest.mark.parametrize("flag", [flag for flag in BY_FLAG if BY_FLAG[flag].kind != FLAG])
def test_a_flag_without_its_value_says_how_to_write_it(flag: str) -> None:
    with pytest.raises(UserError) as refusal:
        parse([flag])

    assert refusal.value.line() == f"{flag} needs a value; write {flag} {BY_FLAG[flag].metavar}"


@pytest.mark.parametrize("option", SWITCHES, ids=lambda option: option.name)
def test_a_switch_takes_no_value(option: Option) -> None:
    with pytest.raises(UserError, match="takes no value"):
        parse([f"{option.flags[0]}=yes", "ls"])


@pytest.mark.parametrize("argv", [[], ["--"], ["-q"], ["--zone", "FR", "--"]])
def test_without_a_command_the_usage_is_shown(argv: list[str]) -> None:
    with pytest.raises(UserError, match="no command given") as refusal:
        parse(argv)

    assert "usage: energywrap run" in refusal.value.line()


@pytest.mark.parametrize("flag", HELP_FLAGS)
def test_help_is_wanted_only_before_the_command(flag: str) -> None:
    with pytest.raises(HelpWanted):
        parse(["-q", flag, "ls"])

    assert parse(["ls", flag]) == ({}, ["ls", flag])


def test_every_option_is_declared_once_and_explained() -> None:
    flags = [flag for option in OPTIONS for flag in option.flags]

    assert len(flags) == len(set(flags))
    assert set(flags).isdisjoint(HELP_FLAGS)
    assert [option.name for option in OPTIONS if not option.help.endswith(".")] == []
    assert [o.name for o in OPTIONS if f"--{o.name.replace('_', '-')}" not in o.flags] == []
    assert [o.name for o in OPTIONS if (o.kind == FLAG) != (o.metavar == "")] == []


def test_the_help_of_run_names_every_flag_and_its_value(tmp_path: Path) -> None:
    shown = energywrap("run", "--help", cwd=tmp_path)

    assert (shown.status, shown.err) == (0, "")
    assert "Usage: energywrap run [OPTIONS]" in shown.out
    for option in OPTIONS:
        lines = [line.replace(",", " ").split() for line in shown.out.splitlines()]
        written = next(line for line in lines if option.flags[0] in line[:2])
        assert set(option.flags) <= set(written)
        assert option.metavar == "" or option.metavar in written


@pytest.mark.parametrize("flag", HELP_FLAGS)
def test_run_answers_to_both_spellings_of_help(flag: str, tmp_path: Path) -> None:
    shown = energywrap("run", flag, cwd=tmp_path)

    assert (shown.status, shown.err) == (0, "")
    assert "--interval" in shown.out
