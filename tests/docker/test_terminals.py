"""A terminal in a container of a real Engine: its size, its input, and its end."""

from __future__ import annotations

import gc
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from zedops.errors import EngineFailed, HostUnavailable
from zedops.protocol.terminals import TerminalRequest, TypeRequest
from zedops_agent.engine.connection import EngineConnection
from zedops_agent.engine.streams import Streams
from zedops_agent.policy_file import PolicyFile
from zedops_agent.terminals import MOST, Terminals

pytestmark = pytest.mark.docker

SERVER, NAME = "0" * 26, "a" * 32


@pytest.fixture
def container(docker_api: docker.APIClient, image: str) -> Iterator[str]:
    made = docker_api.create_container(image, ["/bin/busybox", "sleep", "600"])["Id"]
    docker_api.start(made)
    yield made
    docker_api.remove_container(made, force=True)


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    connection = EngineConnection()
    made = Terminals(Streams(connection), PolicyFile(tmp_path / "agent.yaml"))
    yield made
    made.close()
    connection.close()
    gc.collect()  # tells of a socket that is still open


def asked(name: str = NAME, *command: str) -> TerminalRequest:
    return TerminalRequest(server_id=SERVER, terminal=name, command=command or ("/bin/sh",),
                           columns=101, rows=33, who="Ann <ann@example.org>")


def typed(number: int, text: str = "", *, ends: bool = False) -> TypeRequest:
    return TypeRequest(terminal=NAME, number=number, ends=ends,
                       data=b64encode(text.encode()).decode())


def test_a_terminal_has_a_size_takes_each_request_once_and_ends(
    terminals: Terminals, container: str, docker_api: docker.APIClient
) -> None:
    terminal = terminals.open(asked(), container, "quay")
    with pytest.raises(EngineFailed, match="open already"):
        terminals.open(asked(), container, "quay")
    said = b""
    terminals.take(typed(1, "echo n$((1+1)) $ZEDOPS_TERMINAL; /bin/busybox stty size\n"))
    terminals.take(typed(1, "echo n$((2+2))\n"))
    for chunk in terminal:
        said += chunk
        if b"33 101" in said:
            break
    assert b"n2 " + NAME.encode() in said
    assert b"n4" not in said
    assert b"/bin/sh" in b"".join(map(str.encode, [
        line[-1] for line in docker_api.top(container)["Processes"]]))
    terminals.take(typed(2, "exit 0\n"))
    assert list(terminal)
    with pytest.raises(HostUnavailable, match="has ended"):
        terminals.take(typed(3, "x"))


def test_input_that_no_program_reads_is_refused_and_holds_nothing(
    terminals: Terminals, container: str
) -> None:
    terminals.open(asked(NAME, "/bin/busybox", "sleep", "600"), container, "quay")

    def flood() -> None:
        for number in range(1, 400):
            terminals.take(typed(number, "x" * 8000))

    with pytest.raises(HostUnavailable, match="reads no input"):
        flood()


def test_a_host_has_few_terminals_and_its_policy_may_forbid_all(
    terminals: Terminals, container: str, tmp_path: Path
) -> None:
    for number in range(MOST):
        terminals.open(asked(f"{number:032x}"), container, "quay")
    with pytest.raises(HostUnavailable, match="close one"):
        terminals.open(asked(), container, "quay")
    (tmp_path / "agent.yaml").write_text("exec: false\n")
    with pytest.raises(EngineFailed, match="runs no commands in containers"):
        terminals.open(asked(), container, "quay")
