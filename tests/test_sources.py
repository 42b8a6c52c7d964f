"""Which sources are opened, when, and what the user may say to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from energywrap import sources
from energywrap.config import Settings, resolve
from energywrap.errors import Unavailable, UserError
from energywrap.model import Channel, Component, Gpu, Kind, Skipped
from energywrap.record import replace
from energywrap.sources import Sources, registry
from energywrap.sources.registry import MODEL, QUICK, SLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from energywrap.sources.registry import Opening

CHANNEL = Channel("a:0", Component.CPU, "package-0", "a", Kind.COUNTER)


class Plain:
    """A source with one channel."""

    skipped: tuple[Skipped, ...] = ()
    gpus: tuple[Gpu, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.channels: tuple[Channel, ...] = (replace(CHANNEL, id=f"{name}:0"),)
        self.closed = 0

    def read(self) -> dict[str, float]:
        """A counter that stands still."""
        return {self.channels[0].id: 1.0}

    def close(self) -> None:
        """Counted."""
        self.closed += 1


class Following(Plain):
    """A source that can tell users apart."""

    pid: int | None = None

    def follow(self, pid: int) -> None:
        """Remember whom to look for."""
        self.pid = pid


def yes(settings: Settings) -> bool:
    return True


def no(settings: Settings) -> bool:
    return False


def opening(
    source: Plain | None, stage: str = QUICK, promising: Callable[[Settings], bool] = yes, *spare_for: str
) -> Opening:
    """What opens this source, or finds that there is none."""

    def opener(settings: Settings) -> Plain:
        if source is None:
            raise Unavailable("it is not here", "bring it")
        return source

    return stage, promising, opener, spare_for


def opened(openers: dict[str, Opening], **given: str) -> Sources:
    """The sources of a run with these settings, all stages opened."""
    made = Sources(resolve(given, {}, "/"), openers)
    list(made.open_slow())
    made.model()
    return made


def names(made: Sources) -> list[str]:
    return [source.name for source in made.opened]


def test_quick_sources_are_open_at_once_and_slow_ones_only_when_asked_for() -> None:
    openers = {"quick": opening(Plain("quick")), "slow": opening(Plain("slow"), SLOW)}
    made = Sources(resolve({}, {}, "/"), openers)

    assert names(made) == ["quick"]
    assert list(made.open_slow()) == ["slow"]
    assert names(made) == ["quick", "slow"]


def test_the_model_is_opened_by_the_one_who_asks_for_it() -> None:
    made = Sources(resolve({}, {}, "/"), {"model": opening(Plain("model"), MODEL)})
    assert names(made) == []

    assert made.model() is made.model()
    assert names(made) == ["model"]


@pytest.mark.parametrize("stage", [QUICK, SLOW])
def test_a_spare_source_is_opened_only_where_the_better_one_is_not(stage: str) -> None:
    spare = opening(Plain("spare"), stage, yes, "better")

    assert names(opened({"better": opening(Plain("better")), "spare": spare})) == ["better"]
    assert names(opened({"better": opening(None), "spare": spare})) == ["spare"]
    assert names(opened({"better": opening(None, QUICK, no), "spare": spare})) == ["spare"]


def test_a_spare_that_was_not_needed_is_named_and_nothing_is_missing() -> None:
    made = opened({"a": opening(Plain("a")), "b": opening(Plain("b"), QUICK, yes, "a")})

    assert [(gap.what, gap.why, gap.expected) for gap in made.skipped] == [("b", "not needed beside a", True)]


def test_one_that_is_not_here_is_named_with_the_fix() -> None:
    made = opened({"a": opening(None)})

    assert [(gap.what, gap.why, gap.fix) for gap in made.skipped] == [("a", "it is not here", "bring it")]


def test_whom_to_look_for_is_told_to_all_who_ask_however_late_they_open() -> None:
    early, late = Following("early"), Following("late")
    openers = {"early": opening(early), "late": opening(late, SLOW), "deaf": opening(Plain("deaf"))}
    made = Sources(resolve({}, {}, "/"), openers)
    made.follow(42)
    list(made.open_slow())

    assert (early.pid, late.pid) == (42, 42)


def test_all_are_closed_once() -> None:
    plain = [Plain("a"), Plain("b")]
    made = opened({"a": opening(plain[0]), "b": opening(plain[1], SLOW)})
    made.close()

    assert [source.closed for source in plain] == [1, 1]


# ---- --source ----------------------------------------------------------------------------------------


def test_a_source_can_be_switched_off() -> None:
    openers = {"rapl": opening(Plain("rapl")), "nvml": opening(Plain("nvml"), SLOW)}
    made = opened(openers, source="rapl=off")

    assert names(made) == ["nvml"]
    assert [gap.why for gap in made.skipped] == ["switched off by --source rapl=off"]


def test_one_source_can_be_the_only_one() -> None:
    openers = {name: opening(Plain(name)) for name in ("rapl", "perf", "nvml")}

    assert names(opened(openers, source="perf=only")) == ["perf"]
    assert names(opened(openers, source="perf=only,nvml=only")) == ["perf", "nvml"]


def test_a_spare_speaks_when_the_better_one_is_switched_off() -> None:
    openers = {"rapl": opening(Plain("rapl")), "perf": opening(Plain("perf"), QUICK, yes, "rapl")}

    assert names(opened(openers, source="rapl=off")) == ["perf"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("rpal=off", "there is no source 'rpal'"),
        ("rapl", "'rapl' is neither rapl=off nor rapl=only"),
        ("rapl=no", "neither"),
        ("rapl=off,x", "there is no source 'x'"),
    ],
)
def test_a_source_that_does_not_exist_or_a_word_that_says_nothing_is_refused(
    given: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        sources.check(given, "flag", {"rapl": opening(None), "nvml": opening(None)})

    assert refusal.value.message.startswith("--source")


def test_every_registered_source_has_a_name_for_people_and_loads() -> None:
    for name, (stage, _, _, spare_for) in registry.OPENERS.items():
        assert stage in (QUICK, SLOW, MODEL)
        assert name in registry.NAMES, name
        assert set(spare_for) <= set(registry.OPENERS)


@pytest.mark.parametrize("name", sorted(registry.OPENERS))
def test_every_registered_source_opens_or_says_why_not(name: str, tmp_path: object) -> None:
    settings = resolve({"sysfs_root": str(tmp_path)}, {}, "/")
    try:
        source = registry.OPENERS[name][2](settings)
    except Unavailable:
        return
    values = source.read()
    named = {channel.id for channel in source.channels}
    assert named >= {key for key in values if not key.endswith((":share", ":low", ":high"))}
    source.close()
