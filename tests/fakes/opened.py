"""A source opened in a process of its own, which answers one reading for every line that it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

TIMEOUT_S = 30

# argv: module, function, the place of /sys, its keywords as JSON, the user to become if root
PROGRAM = """
import codecs, json, os, sys
from importlib import import_module
from energywrap import config
from energywrap.errors import Unavailable
module, function, sys_root, keywords, user = sys.argv[1:]
opener = getattr(import_module(module), function)
settings = config.resolve({"sysfs_root": sys_root}, {}, "/")
codecs.lookup("ascii"), codecs.lookup("unicode_escape")  # now: the interpreter itself may be root's alone
if user and os.getuid() == 0:
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
try:
    source = opener(settings, **json.loads(keywords))
except Unavailable as absence:
    print(json.dumps({"reason": absence.reason, "fix": absence.fix, "expected": absence.expected}))
    sys.exit()
print(json.dumps({
    "channels": [channel.__dict__ for channel in source.channels],
    "skipped": [gap.__dict__ for gap in source.skipped],
}), flush=True)
for line in sys.stdin:
    print(json.dumps(source.read()), flush=True)
source.close()
source.close()
"""


class Opened:
    """What the source said when it was opened (`answer`), and its readings."""

    def __init__(
        self,
        opener: str,
        sys_root: os.PathLike[str],
        keywords: Mapping[str, object],
        env: Mapping[str, str] | None = None,
        user: int | None = None,
    ) -> None:
        module, function = opener.split(":")
        words = [module, function, os.fspath(sys_root), json.dumps(keywords), str(user or "")]
        self._child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer: dict[str, Any] = self._line()

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: object, trace: TracebackType | None) -> None:
        self._child.communicate(timeout=TIMEOUT_S)
        if kind is None:
            assert self._child.returncode == 0

    def _line(self) -> Any:
        assert self._child.stdout is not None
        return json.loads(self._child.stdout.readline())

    def read(self) -> dict[str, float]:
        """A reading now."""
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return dict(self._line())
