"""The server's power as its management controller (BMC) shows it: DCMI by ipmitool or freeipmi."""

from __future__ import annotations

import os

from energywrap.errors import Unavailable
from energywrap.readings import Channel, Component, Kind
from energywrap.sources.dcmi import MAX_W, watts_of
from energywrap.sources.polled import NoAnswer, Poll, Polled
from energywrap.sources.program import Program, find, last_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from energywrap.config import Settings

DEVICES = ("/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0")
TOOLS = (("ipmitool", "dcmi", "power", "reading"), ("ipmi-dcmi", "--get-system-power-statistics"))
TIMEOUT_S = 2.0  # a call takes 10 to 500 ms
PATIENCE_S = 3.0  # for the first answer, whichever tool gives it
TICK_S = 2.0  # asked every second, and the BMC itself refreshes once a second at best
ERROR = 0.10  # whole W, averaged, and on some servers behind the power supply: our judgement
DEVICE_FIX = "modprobe -a ipmi_si ipmi_devintf   (as root; only servers with a BMC have it)"
TOOL_FIX = "apt install ipmitool   (or freeipmi-tools; as root)"


class Bmc:
    """Asks by the first tool that gives a reading; by sudo only where the user allows it."""

    def __init__(
        self,
        commands: Sequence[tuple[str, ...]],
        environ: Mapping[str, str],
        devices: Sequence[str],
        *,
        by_sudo: bool,
    ) -> None:
        self._commands = commands
        self._by_sudo = by_sudo
        self._devices = devices
        self._environ = environ
        self._program: Program | None = None
        self._settled = False
        self._cancelled = False
        self.refused: tuple[str, ...] | None = None  # the command that lacks permission

    def ask(self) -> dict[str, float]:
        """W by channel id. Raises NoAnswer."""
        if self._settled and self._program is not None:
            return {"ipmi:power": watts_of(self._program.ask(TIMEOUT_S))}
        why = ""
        for command in self._commands:
            try:
                watts = self._try(command)
            except NoAnswer as no:
                why = why or str(no)
            else:
                self._settled = True
                return {"ipmi:power": watts}
        raise NoAnswer(why)

    def cancel(self) -> None:
        """End the call that is under way, and make no other."""
        self._cancelled = True
        if self._program is not None:
            self._program.cancel()

    def _try(self, command: tuple[str, ...]) -> float:
        text = self._say(command)
        if not is_refusal(text, self._devices):
            return watts_of(text)
        self.refused = self.refused or command
        sudo = find("sudo", self._environ) if self._by_sudo else None
        if sudo is None:
            raise NoAnswer(f"only root may ask it ({last_line(text)})")
        text = self._say((sudo, "-n", *command))  # -n: never a question
        if last_line(text).startswith("sudo:"):
            raise NoAnswer(f"only root may ask it ({last_line(text)})")
        return watts_of(text)

    def _say(self, words: tuple[str, ...]) -> str:
        if self._cancelled:
            raise NoAnswer("it was closed")
        self._program = Program(words, self._environ)
        return self._program.ask(TIMEOUT_S)


def open_ipmi(
    settings: Settings, *, devices: Sequence[str] = DEVICES, environ: Mapping[str, str] | None = None
) -> Polled:
    """Ask the BMC once, then every second in the background. Raises Unavailable where it tells no power."""
    if not present(devices):
        raise Unavailable("the kernel shows no IPMI device", DEVICE_FIX, expected=True)
    environ = os.environ if environ is None else environ
    found = [(find(name, environ), arguments) for name, *arguments in TOOLS]
    commands = [(path, *arguments) for path, arguments in found if path is not None]
    if not commands:
        raise Unavailable("neither ipmitool nor ipmi-dcmi is installed", TOOL_FIX)
    bmc = Bmc(commands, environ, devices, by_sudo=settings.sudo)
    poll = Poll(bmc.ask, cancel=bmc.cancel)
    poll.start()
    if not poll.first(PATIENCE_S):
        poll.close()
        fix = None if bmc.refused is None else sudoers(bmc.refused)
        raise Unavailable(f"the BMC tells no power: {poll.error}", fix)
    channel = Channel(
        id="ipmi:power",
        component=Component.MACHINE,
        device="machine",
        source="ipmi dcmi",
        kind=Kind.GAUGE,
        max_w=MAX_W,
        tick_s=TICK_S,
        error=ERROR,
    )
    return Polled("ipmi", (channel,), [poll])


def present(devices: Sequence[str] = DEVICES) -> bool:
    """Whether the kernel shows a management controller at all."""
    return any(os.path.exists(device) for device in devices)


def is_refusal(text: str, devices: Sequence[str]) -> bool:
    """Whether a tool lacks permission. ipmitool tries three names and tells what was wrong with the last one:
    that it does not exist, though the first one does and is root's alone.
    """
    if "permission denied" in text.lower():
        return True
    closed = any(os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK) for path in devices)
    return closed and "could not open device" in text.lower()


def sudoers(command: tuple[str, ...]) -> str:
    """The line that lets this user give this one command, and no other, as root."""
    rule = f"$USER ALL=(root) NOPASSWD: {' '.join(command)}"
    return f'echo "{rule}" | sudo tee /etc/sudoers.d/energywrap   (then give --sudo)'
