"""Bytes over the network interfaces of the machine, or of our network namespace, loopback left out."""

from __future__ import annotations

NET_DEV = "/proc/net/dev"
LOOPBACK = (b"lo",)
RECEIVED, SENT, FIELDS = 0, 8, 16  # columns of /proc/net/dev after the interface's name


def moved_bytes(path: str = NET_DEV) -> int | None:
    """Received and sent since the interfaces came up, all but loopback together; None where it is not told.

    Bytes between containers of one machine pass an interface at each end and count at each.
    """
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()[2:]
        total = 0
        for line in lines:
            name, _, rest = line.partition(b":")
            fields = rest.split()
            if name.strip() not in LOOPBACK and len(fields) >= FIELDS:
                total += int(fields[RECEIVED]) + int(fields[SENT])
    except (OSError, ValueError):
        return None
    return total
