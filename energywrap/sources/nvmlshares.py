"""What is known beforehand about the command's part of each NVIDIA GPU, written into its channels."""

from __future__ import annotations

from energywrap.record import replace
from energywrap.sources import nvmlprocesses
from energywrap.sources.nvmlvisible import CUDA, ORDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from energywrap.readings import Channel
    from energywrap.sources.nvmldevices import Device
    from energywrap.sources.nvmlvisible import Visible

CUT = "it is cut into MIG slices and its meters see the whole of it: nobody can tell the command's part"
HIDDEN = "the processes of others on it cannot be seen from here (a container, or a closed /proc)"
UNLISTED = "its driver does not tell who uses it"
OTHERWISE = f"{CUDA} may mean another GPU: CUDA counts the fastest first, unless {ORDER}=PCI_BUS_ID"


def channels(library: Any, device: Device, visible: Visible, hidden: bool) -> tuple[Channel, ...]:
    """A GPU's channels: with a share of 0 where the command cannot see it, else with where that is told."""
    if device.uuid not in visible.gpus and not visible.doubtful:
        return tuple(replace(channel, share=0.0) for channel in device.channels)
    why = _why_untold(library, device, hidden)
    share_id = None if why else id_of(device)
    reasons = [reason for reason in (why, OTHERWISE if visible.doubtful else None) if reason]
    shared = "; ".join(reasons) or None
    return tuple(replace(channel, share_id=share_id, shared=shared) for channel in device.channels)


def id_of(device: Device) -> str:
    """The id of the value that is the command's part of a GPU."""
    return f"nvml:{device.uuid}:share"


def asking(sharing: nvmlprocesses.Sharing, device: Device) -> Callable[[Any], float | None]:
    """The question for the command's part of one GPU, of its handle."""
    return lambda handle: sharing.share(device.uuid, handle)


def strays(library: Any, device: Device, tree: nvmlprocesses.Tree) -> bool:
    """Whether the command is on a GPU after all."""
    try:
        return any(tree.owns(pid) for pid in nvmlprocesses.pids(library, device.handle))
    except library.NVMLError:
        return False


def _why_untold(library: Any, device: Device, hidden: bool) -> str | None:
    """Why nobody can tell who uses a GPU: asked for, not guessed."""
    if device.mig:
        return CUT
    if hidden:
        return HIDDEN
    try:
        nvmlprocesses.pids(library, device.handle)
    except library.NVMLError:
        return UNLISTED
    return None
