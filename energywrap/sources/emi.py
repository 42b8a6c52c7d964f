"""CPU package and DRAM energy from Windows' Energy Meter Interface: RAPL for every user, without a driver.

Not yet seen on real hardware. What calls Windows is in `emi_windows`, what its answers mean in `emi_layout`.
"""

from __future__ import annotations

import os

from energywrap.errors import Unavailable, printable
from energywrap.readings import Channel, Component, Kind, Skipped
from energywrap.record import record
from energywrap.sources import emi_layout as layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol

    from energywrap.config import Settings
    from energywrap.readings import Gpu

    class Meter(Protocol):
        """One open energy meter of the machine; every question raises OSError if it is not answered."""

        def version(self) -> bytes:
            """An EMI_VERSION."""

        def metadata(self) -> bytes:
            """An EMI_METADATA of that version."""

        def measurement(self, channels: int) -> bytes:
            """An EMI_CHANNEL_MEASUREMENT_DATA for each channel."""

        def close(self) -> None:
            """Let go of it."""


MAX_W = 1000.0  # no package or memory of a socket draws more
TICK_S = 0.1  # not documented: the counters beneath move every millisecond, how often Windows asks is unknown
# Half-widths of the band printed around a reading, as of RAPL: docs/methodology.md#measured-energy
ERRORS = {Component.CPU: 0.02, Component.RAM: 0.10}
SAME_COUNTER_J = 2.0  # two dies that show one counter differ by what it moved between the two reads
FIX = "Windows 11 shows the counters of Intel and AMD processors, outside virtual machines"


@record
class Place:
    """Where a channel is read: which meter, which of how many channels of that meter."""

    meter: Meter
    index: int
    count: int


class Emi:
    """The package and DRAM counters of all meters; one whose meter does not answer is absent."""

    name = "emi"
    gpus: tuple[Gpu, ...] = ()

    def __init__(self, meters: Sequence[Meter]) -> None:
        self._places: dict[str, Place] = {}
        self._silent: list[Skipped] = []
        self.passed_over: list[str] = []  # names of channels that are inside a package, or of another kind
        roles: dict[str, tuple[str, str]] = {}
        for number, meter in enumerate(meters):
            for index, rail, count in self._rails(number, meter):
                role = layout.role(rail.name)
                if role is None:
                    self.passed_over.append(printable(rail.name))
                elif rail.unit != layout.PICOWATT_HOURS:
                    why = f"it counts in a unit that is not known ({rail.unit})"
                    self._silent.append(Skipped(f"emi {printable(rail.name)}", why))
                else:
                    name = f"emi:{number}:{index}"
                    roles[name] = role
                    self._places[name] = Place(meter, index, count)
        self._meters = {id(place.meter): place.meter for place in self._places.values()}
        for meter in meters:
            if id(meter) not in self._meters:
                meter.close()
        self.channels = _channels(roles, self.read())
        self.skipped = tuple(self._silent)

    def _rails(self, number: int, meter: Meter) -> Iterator[tuple[int, layout.Rail, int]]:
        try:
            found = layout.rails(layout.version(meter.version()), meter.metadata())
        except (OSError, ValueError) as err:
            self._silent.append(Skipped(f"emi meter {number}", f"it does not say what it measures: {err}"))
            return
        for index, rail in enumerate(found):
            yield index, rail, len(found)

    def read(self) -> dict[str, float]:
        """Joules by channel id."""
        answers: dict[int, tuple[float, ...]] = {}
        for place in self._places.values():
            if id(place.meter) not in answers:
                try:
                    data = place.meter.measurement(place.count)
                    answers[id(place.meter)] = layout.joules(data, place.count)
                except (OSError, ValueError):
                    answers[id(place.meter)] = ()  # absent, all of them: what is cut off may be garbage
        found = {name: (answers[id(place.meter)], place.index) for name, place in self._places.items()}
        return {name: joules[index] for name, (joules, index) in found.items() if joules}

    def close(self) -> None:
        """Close every meter."""
        for meter in self._meters.values():
            meter.close()


def open_emi(settings: Settings, *, meters: Callable[[], Sequence[Meter]] | None = None) -> Emi:
    """Open the machine's energy meters. Raises Unavailable off Windows, and where none tells of a package."""
    if meters is None:
        if os.name != "nt":
            raise Unavailable("the Energy Meter Interface is part of Windows", expected=True)
        from energywrap.sources.emi_windows import open_meters

        meters = open_meters
    source = Emi(meters())
    if source.channels:
        return source
    source.close()
    if source.passed_over:
        others = ", ".join(source.passed_over[:4])
        raise Unavailable(f"the energy meters here ({others}) tell of no whole processor package", FIX)
    raise Unavailable(source.skipped[0].why if source.skipped else "Windows shows no energy meter here", FIX)


def _channels(roles: dict[str, tuple[str, str]], now: dict[str, float]) -> tuple[Channel, ...]:
    found: list[Channel] = []
    for name, (component, device) in roles.items():
        before = [channel for channel in found if channel.component == component]
        again = sum(channel.device.partition("-die-")[0] == device for channel in before)
        found.append(
            Channel(
                id=name,
                component=component,
                device=f"{device}-die-{again}" if again else device,
                source="emi",
                kind=Kind.COUNTER,
                max_w=MAX_W,
                tick_s=TICK_S,
                error=ERRORS[component],
                duplicate_of=_shown_before(name, before, now),
            )
        )
    return tuple(found)


def _shown_before(name: str, before: list[Channel], now: dict[str, float]) -> str | None:
    """The channel whose counter this one shows again, as the dies of some AMD processors do, by its value."""
    for channel in before:
        there, here = now.get(channel.id), now.get(name)
        alike = there is not None and here is not None and abs(there - here) <= SAME_COUNTER_J
        if alike or here is None:
            return channel.id  # of one that does not answer now nobody knows: the end of the run decides
    return None
