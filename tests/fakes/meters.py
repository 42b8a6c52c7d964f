"""Power meters beside RAPL as the kernel shows them in /sys: plain files, or a live tree."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energywrap import config
from energywrap.config import Settings
from fakes import powercap
from fakes.scenario import Gauge, Scenario, dump

Attributes = Mapping[str, "str | int"]

# Opens a source, if need be as an ordinary user, and says what it found.
AS_A_USER = """
import codecs, json, os, sys
from importlib import import_module
from energywrap import config
from energywrap.errors import Unavailable
module, opener, root = sys.argv[1:]
open_it = getattr(import_module(module), opener)
settings = config.resolve({"sysfs_root": root}, {}, "/")
codecs.lookup("ascii")  # now: the interpreter itself may be root's alone
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    source = open_it(settings)
    skipped = [[gap.what, gap.why, gap.fix] for gap in source.skipped]
    print(json.dumps({"ids": [c.id for c in source.channels], "skipped": skipped}))
except Unavailable as absence:
    print(json.dumps({"ids": [], "reason": absence.reason, "fix": absence.fix}))
"""
# Opens a source on the real /sys and looks at it until it has shown some different values, or for 10 s.
UNTIL_IT_MOVES = """
import json, sys, time
from importlib import import_module
from energywrap import config
module, opener, wanted = sys.argv[1:]
source = getattr(import_module(module), opener)(config.resolve({}, {}, "/"))
seen, until = [], time.monotonic() + 10
while len(seen) < int(wanted) and time.monotonic() < until:
    values = source.read()
    if not seen or seen[-1] != values:
        seen.append(values)
print(json.dumps(seen))
"""


def settings(root: Path) -> Settings:
    """Settings with another place for /sys."""
    return config.resolve({"sysfs_root": str(root)}, {}, "/")


def put(folder: Path, attributes: Attributes) -> Path:
    """Write attributes, each with the line end that the kernel appends; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in attributes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return folder


def hwmon(root: Path, number: int, attributes: Attributes) -> Path:
    """A device in class/hwmon."""
    return put(root / f"class/hwmon/hwmon{number}", attributes)


def supply(root: Path, name: str, attributes: Attributes) -> Path:
    """A battery or a charger."""
    return put(root / "class/power_supply" / name, attributes)


def break_reads(path: Path) -> Path:
    """Make an attribute one that opens and whose every read fails; where its content is kept."""
    kept = path.with_name(f".{path.name}")
    path.rename(kept)
    path.mkdir()
    return kept


def mend(path: Path) -> None:
    """Undo `break_reads`."""
    path.rmdir()
    path.with_name(f".{path.name}").rename(path)


def as_a_user(source: tuple[str, str], root: Path) -> Any:
    """What an ordinary user finds in an open folder: ids and skipped, or reason and fix."""
    argv = [sys.executable, "-c", AS_A_USER, *source, str(root)]
    return json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=30).stdout)


def swinging(low_w: float, high_w: float) -> Gauge:
    """A power that changes twice a second for longer than any test takes."""
    return Gauge([[half / 2, high_w if half % 2 else low_w] for half in range(240)])


def live(source: tuple[str, str], scenario: Scenario, folder: Path, values: int) -> Any:
    """The first few different readings of a source on a scenario's live /sys."""
    path = folder / "scenario.json"
    path.write_text(dump(scenario))
    argv = powercap.command(path, sys.executable, "-c", UNTIL_IT_MOVES, *source, str(values))
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)
