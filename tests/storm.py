"""A storm of short processes that knows what it used: `python storm.py MODE N MS [AT_ONCE]`.

N processes burn MS milliseconds of CPU time each and tell their sum through a pipe. MODE says what becomes
of them: `wait` (their parent reaps them), `daemon` (forked twice, so nobody of the storm does) or `sigign`
(nobody does, because their parent ignores their end). Prints the CPU seconds used, its own included.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
import time
from typing import NoReturn

SECONDS = struct.Struct("d")


def burn(seconds: float, tell: int) -> NoReturn:
    """Use CPU time, tell how much it was and end at once."""
    while time.process_time() < seconds:
        pass
    os.write(tell, SECONDS.pack(time.process_time()))
    os._exit(0)


def start(mode: str, seconds: float, tell: int) -> None:
    """Start one burner, with `daemon` by way of a process that ends before it."""
    pid = os.fork()
    if pid == 0:
        if mode == "daemon" and os.fork() != 0:
            burn(0, tell)
        if mode == "daemon":
            os.setsid()
        burn(seconds, tell)
    if mode == "daemon":
        os.waitpid(pid, 0)


def main(mode: str, number: int, milliseconds: float, at_once: int) -> None:
    """Run the storm, a few burners at a time, and print what it used in CPU seconds."""
    if mode == "sigign":
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    tells = 2 if mode == "daemon" else 1
    told, tell = os.pipe()
    used, to_start, running = 0.0, number, 0
    while to_start or running:
        if to_start and running < at_once:
            start(mode, milliseconds / 1000, tell)
            to_start, running = to_start - 1, running + 1
        else:
            used += sum(SECONDS.unpack(os.read(told, SECONDS.size))[0] for _ in range(tells))
            running -= 1
            if mode == "wait":
                os.wait()
    os.close(tell)
    while os.read(told, SECONDS.size):  # until the last burner has closed its end
        pass
    print(used + time.process_time())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 2)
