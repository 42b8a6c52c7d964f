"""Lines of our own on stderr, whatever state it is in."""

from __future__ import annotations

import os

from energywrap.errors import printable

INDENT = "  "


def say(text: str) -> None:
    """One line on stderr, whatever state it is in: full, closed or hung up; a terminal's breaks at words."""
    line = _folded(f"energywrap: {printable(text)}")
    write_stderr(f"{line}\n".encode("utf-8", "backslashreplace"))


def _folded(line: str) -> str:
    """A line for a person, folded between words where the terminal ends; for a pipe as it is."""
    try:
        width = os.get_terminal_size(2).columns if os.isatty(2) else 0
    except OSError:
        width = 0
    if not 0 < width < len(line):
        return line
    lines = [""]
    for word in line.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(f"{INDENT}{word}")
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def write_stderr(data: bytes) -> None:
    """Write to stderr without ever being held up by a reader that does not read."""
    try:
        import select
    except ImportError:  # no descriptor left to load it with
        return
    if not hasattr(select, "poll"):  # Windows, where only sockets can be asked
        _write_all(data)
        return
    poller = select.poll()
    poller.register(2, select.POLLOUT)
    piece = 512  # no more than PIPE_BUF, so a writable pipe takes it whole
    try:
        while data and poller.poll(300):
            data = data[os.write(2, data[:piece]) :]
    except OSError:
        pass  # nobody can be told


def _write_all(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        pass  # as above
