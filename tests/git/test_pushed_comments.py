"""What a push that changes a comment costs: its one file's YAML is read once, whoever asks for it.

Real pushes at the door of a real manager in this process, whose threads Python's own profiler
watches: it sees every text that comes to a parser of YAML.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
import yaml

from tests.git.people import Person
from zedops.bus.local import LocalBus
from zedops.hub.hub import Hub
from zedops.manager.control_server import ControlServer
from zedops.manager.loop import Manager

SERVERS = 40
A = "servers.d/s7.yaml"
COMMENT = "# nothing but a comment\n"


class Readings:
    """The texts that threads which began since gave to a parser of YAML, in their order."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        threading.setprofile(self._called)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        # every way to read YAML makes a loader: `compose`, `parse`, `load`
        if event == "call" and frame.f_code is yaml.CSafeLoader.__init__.__code__:
            self.texts.append(frame.f_locals["stream"])

    def end(self) -> None:
        """Watch no thread that begins from now on."""
        threading.setprofile(None)


@pytest.fixture
def readings() -> Iterator[Readings]:
    """Watch threads for the length of a test."""
    if sys.getprofile() is not None:
        pytest.skip("somebody else has Python's profiler")
    made = Readings()
    yield made
    made.end()


@pytest.fixture
def ada(tmp_path: Path) -> Person:
    """Give Ada a clone of a new hub, with a fleet pushed."""
    ada = Person(Hub.create(tmp_path / "fleet.git"), tmp_path / "ada", "Ada")
    ada.begin({f"servers.d/s{at}.yaml": f"image: game:{at}\n" for at in range(SERVERS)})
    ada.git("branch", "-q", "--set-upstream-to=origin/main")
    return ada


@pytest.fixture
def manager(ada: Person, readings: Readings) -> Iterator[Manager]:
    """Let a manager run whose door is open, once git has an id for every server."""
    bus = LocalBus()
    made = Manager(Hub(ada.folder.parent / "fleet.git"), bus)
    made.start()
    door = ControlServer(made, bus)
    assert made.as_committed().commit == made.hub.head()
    yield made
    door.close()
    made.stop()


def pushed(ada: Person, manager: Manager, readings: Readings, *ref: str) -> list[str]:
    """Push a comment; returns the texts that were read until the manager held its commit."""
    ada.commit({A: COMMENT + ada.read(A)}, "a comment")
    readings.texts.clear()
    ada.push("-o", "no-wait", *ref)
    fleet = manager.as_committed()
    assert fleet.commit == manager.hub.head()
    assert fleet.documents[A].head.startswith(COMMENT)
    return list(readings.texts)


@pytest.mark.parametrize("ref", [[], ["origin", "HEAD:main"]], ids=["for main", "main itself"])
def test_a_comment_costs_one_reading(
    ada: Person, manager: Manager, readings: Readings, ref: list[str]
) -> None:
    ada.git("pull", "-q")
    (text,) = pushed(ada, manager, readings, *ref)
    assert text.startswith(COMMENT)


def test_each_of_many_files_is_read_once(
    ada: Person, manager: Manager, readings: Readings
) -> None:
    ada.git("pull", "-q")
    paths = [f"servers.d/s{at}.yaml" for at in range(20)]
    ada.commit({path: COMMENT + ada.read(path) for path in paths}, "twenty comments")
    readings.texts.clear()
    ada.push("-o", "no-wait")
    assert manager.as_committed().commit == manager.hub.head()
    heads = [manager.as_committed().documents[path].head for path in paths]
    assert sorted(readings.texts) == sorted(heads)


def test_a_comment_that_is_merged_with_a_newer_state_costs_one_reading_too(
    ada: Person, manager: Manager, readings: Readings
) -> None:
    assert "state:" not in ada.read(A)  # git has one by now, which she has not pulled
    (text,) = pushed(ada, manager, readings)
    assert text.startswith(COMMENT)
