"""Power sources that other installed packages bring, by the entry point group `energywrap.sources`."""

from __future__ import annotations

import os
import sys

from energywrap.errors import Unavailable
from energywrap.readings import Gpu, Skipped
from energywrap.sources import foreign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.metadata import EntryPoint

    from energywrap.config import Settings
    from energywrap.sources import Source

GROUP = "energywrap.sources"
METADATA = (".dist-info", ".egg-info")
TROUBLE = (Exception, SystemExit)  # whatever foreign code may raise


class ThirdParty:
    """The sources of other packages as one; whatever goes wrong inside them stays there."""

    name = "thirdparty"

    def __init__(self, sources: Sequence[Source], skipped: Sequence[Skipped]) -> None:
        self._sources = tuple(sources)
        self.channels = tuple(channel for source in sources for channel in source.channels)
        own = [gap for source in sources for gap in foreign.all_of(source, "skipped", Skipped)]
        self.skipped = (*skipped, *own)
        self.gpus = tuple(gpu for source in sources for gpu in foreign.all_of(source, "gpus", Gpu))
        self._known = {value_id for channel in self.channels for value_id in foreign.value_ids(channel)}
        self.errors: dict[str, str] = {}  # why a source gave nothing when it was read last

    def read(self) -> dict[str, float]:
        """Joules and watts by channel id: of known channels, and real numbers only."""
        values = {}
        for source in self._sources:
            try:
                found = {id: foreign.real(value) for id, value in source.read().items() if id in self._known}
            except TROUBLE as trouble:  # not our code: it costs its own reading and no other
                self.errors[source.name] = repr(trouble)
                continue
            values.update({id: value for id, value in found.items() if value is not None})
        return values

    def close(self) -> None:
        """Close them all."""
        for source in self._sources:
            try:
                source.close()
            except TROUBLE as trouble:  # nor shall it keep the others open
                self.errors[source.name] = repr(trouble)


def promising(settings: Settings) -> bool:
    """Whether any installed package mentions our group."""
    return bool(mentions(sys.path))


def open_thirdparty(settings: Settings, *, path: Sequence[str] | None = None) -> ThirdParty:
    """Open every source of every package on the path. Raises Unavailable if there is none.

    A package that cannot be imported or opened, or opens to something else, is named in `skipped`.
    """
    folders = mentions(sys.path if path is None else path)
    sources: list[Source] = []
    skipped: list[Skipped] = []
    for folder in folders:
        package = os.path.basename(folder).partition("-")[0]
        try:
            points = _entry_points(folder)
        except Exception as trouble:  # metadata that somebody else has written
            skipped.append(_failed(package, "its entry points cannot be read", trouble))
            continue
        for point in points:
            taken = [channel.id.partition(":")[0] for source in sources for channel in source.channels]
            found = _open(point, package, settings, taken)
            if isinstance(found, Skipped):
                skipped.append(found)
            else:
                sources.append(found)
    if not sources and not skipped:
        raise Unavailable("no installed package brings a power source", expected=True)
    return ThirdParty(sources, skipped)


def mentions(path: Sequence[str]) -> list[str]:
    """Metadata folders that mention our group. Of a package installed twice the first one counts."""
    found, seen = [], set()
    for folder in path:
        try:
            names = os.listdir(folder) if os.path.isabs(folder) else []
        except OSError:
            continue  # a zip file, or gone
        for name in sorted(names):
            package = name.partition("-")[0].lower()
            if name.endswith(METADATA) and package not in seen:
                seen.add(package)
                if _mentions_us(os.path.join(folder, name)):
                    found.append(os.path.join(folder, name))
    return found


def _mentions_us(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "entry_points.txt"), "rb") as file:
            return f"[{GROUP}]".encode() in file.read()
    except OSError:
        return False


def _entry_points(folder: str) -> list[EntryPoint]:
    from importlib.metadata import PathDistribution
    from pathlib import Path

    return [point for point in PathDistribution(Path(folder)).entry_points if point.group == GROUP]


def _open(point: EntryPoint, package: str, settings: Settings, taken: Sequence[str]) -> Source | Skipped:
    from energywrap.sources import registry

    if point.name in taken or point.name in registry.OPENERS or not point.name.isidentifier():
        return Skipped(f"package {package}", f"its source may not be called {point.name!r}")
    try:
        opener: Callable[[Settings], Source] = point.load()
        source = opener(settings)
        objection = foreign.objection(point.name, source)
        if objection is not None and hasattr(source, "close"):
            source.close()
    except Unavailable as absence:
        return Skipped(f"package {package}", absence.reason, absence.fix, absence.expected)
    except TROUBLE as trouble:  # not our code, and the run must go on
        return _failed(package, f"its source {point.name} cannot be opened", trouble)
    return source if objection is None else Skipped(f"package {package}", objection)


def _failed(package: str, what: str, trouble: BaseException) -> Skipped:
    return Skipped(f"package {package}", f"{what}: {trouble!r}", f"update it, or: pip uninstall {package}")
