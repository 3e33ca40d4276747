"""A command asks the manager, and does without one that is dead or does not answer."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zedops.control import client
from zedops.errors import HostUnavailable, ZedopsError
from zedops.hub import hook
from zedops.queries import servers
from zedops.queries.conversion import read
from zedops.queries.rows import ServerRow

LIST = {"do": "list", "buried": False}


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """Open the door of a hub; nobody answers there yet."""
    (tmp_path / hook.SOCKET).parent.mkdir()
    folder = os.open(tmp_path, os.O_RDONLY)  # a socket's path may have 108 bytes at most
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(f"/proc/self/fd/{folder}/{hook.SOCKET}")
        listening.listen()
        yield listening
    os.close(folder)


def test_a_manager_that_hangs_is_not_waited_for(listener: socket.socket, tmp_path: Path) -> None:
    assert client.answered(tmp_path, LIST, 0.1) is None


@pytest.mark.parametrize("last", [b"", b'{"say": "a moment"}\n'])
def test_a_manager_that_dies_while_it_is_asked_is_said_to_be_gone(
    listener: socket.socket, tmp_path: Path, last: bytes
) -> None:
    def die() -> None:
        link, _ = listener.accept()
        with link:
            link.recv(1)  # the rest is not read: that end is a reset to the other
            link.sendall(last)

    dying = threading.Thread(target=die)
    dying.start()
    with pytest.raises(HostUnavailable, match="went away"):
        client.ask(tmp_path, {"do": "validate", "files": {"a": "x" * 1_000_000}}, lambda _: None)
    dying.join()


def test_more_than_the_manager_takes_is_not_sent(listener: socket.socket, tmp_path: Path) -> None:
    much = {"do": "validate", "files": {"a": "x" * hook.MAX_LINE}}
    with pytest.raises(ZedopsError, match="more than the manager takes"):
        client.ask(tmp_path, much, lambda _: None)
    assert client.answered(tmp_path, much) is None


def test_a_row_without_a_message_says_how_far_its_host_is() -> None:
    def row(server_id: str | None, status: str, message: str | None = None) -> ServerRow:
        said = {"id": server_id, "status": status, "message": message}
        return read(ServerRow, said)

    made = [row("1", "creating"), row("2", "creating", "its own"), row("3", "running"),
            row(None, "pending")]
    progress = {"1": "pulling 41 %", "2": "pulling 1 %", "3": "pulling 99 %"}
    told = [each.message for each in servers.with_progress(made, progress)]
    assert told == ["pulling 41 %", "its own", None, None]
