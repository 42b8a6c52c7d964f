"""The BMC through the tools that a server has: asked unseen, believed only where it measures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from energywrap import config, plan
from energywrap.errors import Unavailable
from energywrap.model import Basis, Component, Kind
from energywrap.sources import dcmi, ipmi, program
from energywrap.sources.polled import NoAnswer, Polled
from energywrap.sources.program import Program

COMMANDS = Path(__file__).parent / "fakes/commands"
PATIENCE_S = 10.0

# Opens the BMC as an ordinary user, for whom its device is closed: the watts, or why not and the fix.
AS_A_USER = """
import json, os, select, sys
from energywrap import config
from energywrap.errors import Unavailable
from energywrap.sources.ipmi import open_ipmi
settings, (device, *variables) = config.resolve({"sudo": "true"}, {}, "/"), sys.argv[1:]
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
environ = dict(variable.split("=", 1) for variable in variables)
try:
    source = open_ipmi(settings, devices=(device,), environ=environ)
    print(json.dumps([source.read(), None]))
    source.close()
except Unavailable as absence:
    print(json.dumps([absence.reason, absence.fix]))
"""


class Server:
    """A machine with a BMC: its device, and the tools on its PATH."""

    def __init__(self, folder: Path) -> None:
        self.device = folder / "ipmi0"
        self.device.touch()
        self.seen_path = folder / "seen"
        self.tools = folder / "bin"
        self.tools.mkdir()
        self.opened: list[Polled] = []

    def install(self, *names: str) -> Server:
        """Put tools on the PATH."""
        for name in names:
            (self.tools / name).symlink_to(COMMANDS / name)
        return self

    def environ(self, **script: str) -> dict[str, str]:
        """The environment that scripts the tools."""
        return {"PATH": f"{self.tools}:/usr/bin:/bin", "FAKE_SEEN": str(self.seen_path), **script}

    def open(self, **script: str) -> Polled:
        """Open the source on it."""
        settings, environ = config.resolve({"sudo": "true"}, {}, "/"), self.environ(**script)
        source = ipmi.open_ipmi(settings, devices=(str(self.device),), environ=environ)
        self.opened.append(source)
        return source

    def refuse(self, **script: str) -> Unavailable:
        """Why it cannot be opened."""
        with pytest.raises(Unavailable) as caught:
            self.open(**script)
        return caught.value

    def seen(self) -> dict[str, str]:
        """How a tool was called; of several calls the last."""
        lines = self.seen_path.read_text().splitlines()
        return {word.rstrip(":"): rest.strip() for word, rest in (line.split(maxsplit=1) for line in lines)}

    def calls(self) -> list[str]:
        """The words of all calls."""
        lines = self.seen_path.read_text().splitlines()
        return [line.removeprefix("words ") for line in lines if line.startswith("words ")]


def await_end(tool: Program) -> None:
    """Wait for the end of a tool that was killed."""
    deadline_s = time.monotonic() + PATIENCE_S
    while tool._alive():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server whose sources are closed with the test."""
    made = Server(tmp_path)
    yield made
    for source in made.opened:
        source.close()


# ---- what is read ----------------------------------------------------------------------------------


def test_the_whole_machine_is_one_gauge(server: Server) -> None:
    source = server.install("ipmitool").open()
    (channel,) = source.channels

    assert source.read() == {"ipmi:power": 220.0}
    assert (channel.component, channel.kind, channel.basis) == (
        Component.MACHINE,
        Kind.GAUGE,
        Basis.MEASURED,
    )
    assert plan.family(channel) in plan.PRECEDENCE[Component.MACHINE]
    assert channel.tick_s >= 1


def test_freeipmi_serves_where_ipmitool_is_not_installed(server: Server) -> None:
    assert server.install("ipmi-dcmi").open(FAKE_IPMI_WATTS="332").read() == {"ipmi:power": 332.0}


def test_freeipmi_serves_where_ipmitool_gets_no_power(server: Server) -> None:
    source = server.install("ipmitool", "ipmi-dcmi").open(FAKE_IPMI_TROUBLE="unsupported")

    assert source.read() == {"ipmi:power": 220.0}


def test_a_measurement_that_is_not_activated_is_none(server: Server) -> None:
    absence = server.install("ipmitool").refuse(FAKE_IPMI_STATE="deactivated")

    assert "deactivated" in absence.reason


def test_freeipmis_word_for_it_is_heard_as_well(server: Server) -> None:
    assert "not available" in server.install("ipmi-dcmi").refuse(FAKE_DCMI_STATE="Not Available").reason


def test_a_bmc_that_answers_0_w_gives_no_reading(server: Server) -> None:
    assert "0 W" in server.install("ipmitool").refuse(FAKE_IPMI_WATTS="0").reason


@pytest.mark.parametrize("watts", ["-5", "nan", "", "1e3", "65535", "2²"])
def test_a_power_that_cannot_be_is_no_reading(watts: str) -> None:
    text = f"Instantaneous power reading: {watts} Watts\nPower reading state is: activated\n"
    with pytest.raises(NoAnswer):
        dcmi.watts_of(text)


def test_another_unit_than_watts_is_no_reading() -> None:
    with pytest.raises(NoAnswer):
        dcmi.watts_of("Current Power : 3 BTU\nPower Measurement : Active")


def test_a_power_without_a_state_is_no_reading() -> None:
    with pytest.raises(NoAnswer):
        dcmi.watts_of("Instantaneous power reading: 220 Watts\n")


def test_a_failure_after_the_start_leaves_the_key_out_once_the_answer_is_old(server: Server) -> None:
    tool = server.tools / "ipmitool"
    server.install("ipmitool")
    source = server.open()
    tool.unlink()
    deadline_s = time.monotonic() + PATIENCE_S
    while source.read():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)

    assert source.read() == {}
    assert "cannot be run" in source.errors[0]


# ---- how it is asked -------------------------------------------------------------------------------


def test_the_tool_is_given_no_terminal_no_stdin_and_a_session_of_its_own(server: Server) -> None:
    server.install("ipmitool").open()
    seen = server.seen()

    assert seen["words"] == "ipmitool dcmi power reading"
    assert seen["stdin"] == os.devnull
    assert seen["terminal"] == "0"
    assert seen["session"] == seen["pid"]
    assert int(seen["session"]) != os.getsid(0)


def test_the_tool_speaks_the_language_that_is_understood(server: Server) -> None:
    server.install("ipmitool").open(LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8")

    assert server.seen()["locale"] == "C"


def test_no_signal_is_blocked_in_the_tool_and_no_file_of_ours_open(server: Server) -> None:
    import signal

    ours = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(ours, True)  # as a driver's library may leave its own
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        server.install("ipmitool").open()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(ours)
    seen = server.seen()

    assert int(seen["SigBlk"], 16) & (1 << (signal.SIGTERM - 1)) == 0
    assert int(seen["SigIgn"], 16) & (1 << (signal.SIGPIPE - 1)) == 0  # Python ignores it
    assert str(ours) not in seen["open"].split()


def test_nothing_of_it_reaches_our_streams(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    server.install("ipmitool").refuse(FAKE_IPMI_TROUBLE="device")

    assert capfd.readouterr() == ("", "")


def test_a_tool_that_hangs_is_ended_in_time(server: Server) -> None:
    server.install("ipmitool")
    tool = Program((str(server.tools / "ipmitool"), "dcmi"), server.environ(FAKE_IPMI_TROUBLE="hang"))
    with pytest.raises(NoAnswer, match="no answer within"):
        tool.ask(0.3)
    pid = int(server.seen()["pid"])
    await_end(tool)

    assert not os.path.exists(f"/proc/{pid}")


def test_a_tool_that_once_hung_may_answer_the_next_time(server: Server) -> None:
    switch = server.tools / "ipmitool"
    switch.write_text("#!/bin/sh\nexec sleep 600\n")
    switch.chmod(0o755)
    tool = Program((str(switch), "dcmi", "power", "reading"), server.environ())
    with pytest.raises(NoAnswer):
        tool.ask(0.2)
    await_end(tool)
    switch.unlink()
    server.install("ipmitool")

    assert dcmi.watts_of(tool.ask(PATIENCE_S)) == 220.0


def test_closing_does_not_wait_for_a_tool_that_hangs(server: Server) -> None:
    source = server.install("ipmitool").open()
    (server.tools / "ipmitool").unlink()
    (server.tools / "ipmitool").write_text("#!/bin/sh\nexec sleep 600\n")
    (server.tools / "ipmitool").chmod(0o755)
    began_s = time.monotonic()
    source.close()

    assert time.monotonic() - began_s < 0.5


def test_a_tool_that_never_stops_talking_is_cut_short(server: Server) -> None:
    assert "no known state" in server.install("ipmitool").refuse(FAKE_IPMI_TROUBLE="endless").reason


def test_a_tool_whose_end_somebody_else_took_in_is_judged_by_its_words(server: Server) -> None:
    server.install("ipmitool")
    tool = Program((str(server.tools / "ipmitool"), "dcmi", "power", "reading"), server.environ())
    first = dcmi.watts_of(tool.ask(PATIENCE_S))
    try:
        while os.waitpid(-1, 0)[0]:
            pass  # as the wrapper's own loop does
    except ChildProcessError:
        pass

    assert (first, dcmi.watts_of(tool.ask(PATIENCE_S))) == (220.0, 220.0)


# ---- permission ------------------------------------------------------------------------------------


def test_sudo_is_not_asked_where_it_is_not_needed(server: Server) -> None:
    server.install("ipmitool", "sudo").open(FAKE_SUDO="yes")

    assert server.calls() == ["ipmitool dcmi power reading"]


def test_sudo_is_never_asked_unless_the_user_allows_it(server: Server) -> None:
    environ = server.install("ipmitool", "sudo").environ(FAKE_IPMI_TROUBLE="denied", FAKE_SUDO="yes")
    with pytest.raises(Unavailable, match="only root may ask it") as caught:
        ipmi.open_ipmi(config.resolve({}, {}, "/"), devices=[str(server.device)], environ=environ)

    assert [call for call in server.calls() if call.startswith("sudo")] == []
    assert caught.value.fix is not None
    assert "then give --sudo" in caught.value.fix


def test_a_refused_tool_is_asked_by_a_sudo_that_may_not_ask_back(server: Server) -> None:
    source = server.install("ipmitool", "sudo").open(FAKE_IPMI_TROUBLE="denied", FAKE_SUDO="yes")

    assert source.read() == {"ipmi:power": 220.0}
    assert server.calls()[1] == f"sudo -n {server.tools}/ipmitool dcmi power reading"


def test_without_a_rule_the_line_that_makes_one_is_given(server: Server) -> None:
    absence = server.install("ipmitool", "sudo").refuse(FAKE_IPMI_TROUBLE="denied")

    assert "root" in absence.reason
    assert absence.fix is not None
    assert f"NOPASSWD: {server.tools}/ipmitool dcmi power reading" in absence.fix
    assert "/etc/sudoers.d/" in absence.fix
    assert not absence.expected


@pytest.mark.parametrize("allowed", ["yes", "no"])
def test_a_closed_device_that_ipmitool_calls_missing_is_a_matter_of_permission(
    allowed: str, open_folder: Path
) -> None:
    device, tools = open_folder / "ipmi0", open_folder / "bin"
    device.touch()
    device.chmod(0)
    shutil.copytree(COMMANDS, tools)
    tools.chmod(0o755)
    script = [f"PATH={tools}:/usr/bin:/bin", "FAKE_IPMI_TROUBLE=device", f"FAKE_SUDO={allowed}"]
    argv = [sys.executable, "-c", AS_A_USER, str(device), *script]
    (tools / "ipmi-dcmi").unlink()
    done = subprocess.run(argv, capture_output=True, check=True, timeout=30)
    told, fix = json.loads(done.stdout)

    if allowed == "yes":
        assert told == {"ipmi:power": 220.0}
    else:
        assert "only root" in told
        assert f"NOPASSWD: {tools}/ipmitool dcmi power reading" in fix


def test_any_other_failure_is_not_tried_again_as_root(server: Server) -> None:
    server.install("ipmitool", "sudo").refuse(FAKE_IPMI_TROUBLE="unsupported", FAKE_SUDO="yes")

    assert [call for call in server.calls() if call.startswith("sudo")] == []


# ---- nothing to read -------------------------------------------------------------------------------


def test_a_machine_without_a_bmc_lacks_nothing(server: Server) -> None:
    server.device.unlink()
    absence = server.install("ipmitool").refuse()

    assert absence.expected
    assert not server.seen_path.exists()  # and nothing was run to find out


def test_a_missing_tool_is_named(server: Server) -> None:
    if any(os.path.exists(f"{f}/ipmi-dcmi") for f in (*program.SYSTEM_FOLDERS, "/usr/bin", "/bin")):
        pytest.skip("freeipmi is installed here")
    if any(os.path.exists(f"{f}/ipmitool") for f in (*program.SYSTEM_FOLDERS, "/usr/bin", "/bin")):
        pytest.skip("ipmitool is installed here")
    absence = server.refuse()

    assert "ipmitool" in absence.reason
    assert absence.fix
    assert not absence.expected


def test_a_tool_that_only_warns_is_no_reading(server: Server) -> None:
    assert "IANA" in server.install("ipmitool").refuse(FAKE_IPMI_TROUBLE="silent").reason


def test_the_reason_is_what_went_wrong_not_a_warning_before_it(server: Server) -> None:
    absence = server.install("ipmitool").refuse(FAKE_IPMI_TROUBLE="unsupported")

    assert absence.reason.endswith("DCMI request failed because: Invalid command (c1)")
