"""Times and words as a report spells them."""

from __future__ import annotations

import os
import time


def readable(word: str) -> str:
    """The word as text; bytes that are no UTF-8 are spelled out."""
    return os.fsencode(word).decode("utf-8", "backslashreplace")


def utc(seconds: float) -> str:
    """A moment in seconds since 1970 as ISO 8601 in UTC, to the millisecond that it has begun."""
    whole, part = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{part:03d}Z"
