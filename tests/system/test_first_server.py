"""The README's first server, as typed on a terminal: its secrets are asked for, and it starts."""

from __future__ import annotations

import os
import pty
import sys
import time

import pytest

from tests.machine import Machine
from tests.system.servers import LOOP, command, wait_status

pytestmark = [pytest.mark.docker, pytest.mark.system]

PRESET = """\
image: IMAGE
secrets: [ADMIN_PASSWORD, RCON_PASSWORD]
volumes: {world: /data}
"""


class Keyboard:
    """A terminal that a command runs on, and somebody who types."""

    def __init__(self, machine: Machine, *arguments: str) -> None:
        """Run zedops on a terminal of its own."""
        pid, self._screen = pty.fork()
        if pid == 0:
            os.chdir(machine.clone)
            os.execv(sys.executable, [sys.executable, "-m", "zedops", *arguments])  # noqa: S606
        self._pid, self.said = pid, ""

    def read_until(self, text: str) -> None:
        """Read the screen until it says something."""
        deadline = time.monotonic() + 60
        while text not in self.said:
            assert time.monotonic() < deadline, self.said
            assert self._read(), self.said

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._screen, text.encode())

    def end(self) -> int:
        """Read to the end; returns the exit code."""
        while self._read():
            pass
        os.close(self._screen)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> bool:
        try:
            read = os.read(self._screen, 65536)
        except OSError:  # what reading a terminal without anybody on it ends with (pty(7))
            return False
        self.said += read.decode("utf-8", "replace")
        return bool(read)


@pytest.fixture
def game(fleet: Machine) -> str:
    """Give the fleet a preset that needs secrets."""
    text = PRESET.replace("IMAGE", fleet.image) + command(LOOP) + "\n"
    fleet.write("presets.d/secretive.yaml", text)
    fleet.git("add", "--all")
    if fleet.git("status", "--porcelain"):
        fleet.git("commit", "--quiet", "-m", "a preset")
        fleet.git("push", "--quiet")
    return "secretive"


def test_new_asks_for_all_secrets_at_once_and_the_server_starts(
    fleet: Machine, game: str
) -> None:
    keyboard = Keyboard(fleet, "new", "first", "--game", game, "--wait")
    keyboard.read_until("ADMIN_PASSWORD: ")
    keyboard.type("s3cret\n")
    keyboard.read_until("once more: ")
    keyboard.type("s3cret\n")
    keyboard.read_until("RCON_PASSWORD: ")
    keyboard.type("\n")
    assert keyboard.end() == 0, keyboard.said
    assert "first running" in keyboard.said
    assert "s3cret" not in keyboard.said
    container = fleet.container("first")
    assert container is not None
    assert "ADMIN_PASSWORD=s3cret" in container["Config"]["Env"]
    assert any(each.startswith("RCON_PASSWORD=") and len(each) > 30
               for each in container["Config"]["Env"])
    fleet.zedops("delete", "first", "--yes")


def test_who_breaks_off_at_a_question_has_changed_nothing(fleet: Machine, game: str) -> None:
    keyboard = Keyboard(fleet, "new", "never", "--game", game)
    keyboard.read_until("ADMIN_PASSWORD: ")
    keyboard.type("\x03")
    assert keyboard.end() == 130, keyboard.said
    # What the manager says of other servers meanwhile is no part of this.
    assert not [each for each in fleet.subjects() if "never" in each]
    assert not fleet.git("ls-files", "servers.d/never.yaml")
    assert not list(fleet.data_root.glob("secrets/*/never"))


def test_who_breaks_off_a_push_is_told_whether_it_goes_on(fleet: Machine) -> None:
    fleet.zedops("new", "slow", "--image", fleet.image, "-v", "/data")
    wait_status(fleet, "slow", "running")
    keyboard = Keyboard(fleet, "stop", "slow", "--wait")
    keyboard.read_until("remote: ")  # the plan: main has not moved yet, or just now
    keyboard.type("\x03")
    code = keyboard.end()
    goes_on = "slow: stop: pushed, and goes on without you; `zedops list` shows how far it is"
    nothing = "slow: stop: interrupted before the hub took it in, so nothing changed"
    asked = [each for each in fleet.subjects() if each == "slow: stop"]
    assert (code, goes_on in keyboard.said, nothing in keyboard.said) in (
        (0, False, False), (130, bool(asked), not asked),
    ), keyboard.said
    fleet.zedops("purge", "slow", "--data", "--confirm", "slow")


def test_without_a_terminal_it_says_which_commands_set_them(fleet: Machine, game: str) -> None:
    said = fleet.zedops("new", "quiet", "--game", game).stderr
    assert "quiet starts once its secrets are set: `zedops secret set quiet ADMIN_PASSWORD`" in said
    fleet.zedops("delete", "quiet", "--yes")
