"""The NVML source in a process of its own, on scripted GPUs and under any /proc and environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from energywrap import balance, energy, plan
from energywrap.balance import Total
from energywrap.model import Channel, Tally
from fakes import nvml
from fakes.nvml import Gpu

# Opens the source and answers each line of its input: a reading, after doing what the line says.
PROGRAM = """
import json, sys
from energywrap import config
from energywrap.errors import Unavailable
from energywrap.record import fields
from energywrap.sources.nvml import open_nvml

def plain(record):
    return {name: getattr(record, name) for name in fields(record)}

try:
    gpus = open_nvml(config.resolve({}, {}, "/"), proc_root=sys.argv[1])
except Unavailable as absence:
    print(json.dumps({"reason": absence.reason, "fix": absence.fix, "expected": absence.expected}))
    sys.exit()
print(json.dumps({
    "channels": [plain(channel) for channel in gpus.channels],
    "gpus": [plain(gpu) for gpu in gpus.gpus],
    "skipped": [[gap.what, gap.why] for gap in gpus.skipped],
}), flush=True)
import pynvml
for line in sys.stdin:
    word, _, pid = line.strip().partition(" ")
    if word == "forget":
        pynvml.nvmlShutdown()
    elif word == "follow":
        gpus.follow(int(pid))
    answer = gpus.read()
    if word == "told":
        answer = {"facts": gpus.facts(), "warnings": gpus.warnings, "inits": pynvml.nvmlLib.fakeInits()}
    print(json.dumps(answer), flush=True)
gpus.close()
"""
HIDING = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES")


class Opened:
    """The opened source; its GPUs can be moved to any second of their script."""

    def __init__(
        self,
        gpus: Sequence[Gpu],
        library_dir: Path,
        file: Path,
        *,
        at_s: float = 0,
        init_error: int = 0,
        proc: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.gpus, self._file = gpus, file
        nvml.write_config(file, gpus, time.monotonic() - at_s, init_error=init_error)
        kept = {name: value for name, value in os.environ.items() if name not in HIDING}
        env = {**kept, **nvml.env(library_dir, file), **(environ or {})}
        pipe = subprocess.PIPE
        argv = [sys.executable, "-c", PROGRAM, str(proc or "/proc")]
        self._child = subprocess.Popen(argv, env=env, stdin=pipe, stdout=pipe, text=True)
        self.answer = self._line()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: object, trace: TracebackType | None) -> None:
        self._child.communicate(timeout=10)

    def _line(self) -> Any:
        assert self._child.stdout is not None
        return json.loads(self._child.stdout.readline())

    def _say(self, second: float, words: str) -> Any:
        nvml.write_config(self._file, self.gpus, time.monotonic() - second)
        assert self._child.stdin is not None
        self._child.stdin.write(words + "\n")
        self._child.stdin.flush()
        return self._line()

    def at(self, second: float, say: str = "") -> dict[str, float]:
        """A reading at a second of the script."""
        return dict(self._say(second, say))

    def told(self, second: float = 0) -> Any:
        """What the source has to say beside its readings, after one more."""
        return self._say(second, "told")

    @property
    def channels(self) -> list[Channel]:
        """The channels that the source has."""
        return [Channel(**{**each, "covers": tuple(each["covers"])}) for each in self.answer["channels"]]

    def channel(self, name: str) -> Channel:
        """A channel by its id."""
        return next(channel for channel in self.channels if channel.id == name)

    def total(self, seconds: Sequence[float], gap_s: float = 60) -> Total:
        """The energy over readings at these seconds of the script."""
        tallies = {channel.id: Tally() for channel in self.channels}
        for second in seconds:
            values = self.at(second)
            for channel in self.channels:
                value = values.get(channel.id)
                moment = energy.Moment(second - seconds[0])
                tallies[channel.id] = energy.add(tallies[channel.id], value, channel, moment, gap_s)
        return balance.total(plan.choose(self.channels), tallies, seconds[-1] - seconds[0])
