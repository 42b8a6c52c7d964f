"""The failures that are not bugs: the user's mistakes, and hardware that is not there."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with its control characters spelled out: no name may steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class UserError(Exception):
    """A mistake of the user: one line that says what, where it came from and what to do."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def line(self) -> str:
        """The message as the terminal shows it."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class Unavailable(Exception):
    """A source that cannot be used here: why, and the exact line that would change that (if any)."""

    def __init__(self, reason: str, fix: str | None = None, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix
        self.expected = expected  # there is nothing to measure here, so nothing is missing either


class NotStarted(Exception):
    """The command could not be executed: why, and the status a shell would give."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
