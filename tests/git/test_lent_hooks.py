"""Hooks lend the manager what they have of git, or ask in words: told the same either way."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
from pathlib import Path

import pytest

from tests.git.gatekeeper import gatekeeper, opened
from tests.git.people import Person
from zedops.hub import hook
from zedops.hub.hub import Hub

A = "servers.d/a.yaml"
DEADLINE_MS = 20_000


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub.create(tmp_path / "fleet.git")


@pytest.fixture
def ada(hub: Hub, tmp_path: Path) -> Person:
    ada = Person(hub, tmp_path / "ada", "Ada")
    ada.begin({A: "image: a\n"})
    return ada


def without_python(hub: Hub) -> None:
    """Leave hooks only the way on which they lend what they have."""
    (hub.path / "hooks" / "zedops_hook.py").unlink()
    shutil.rmtree(hub.path / "hooks" / "__pycache__")


class DyingManager(socketserver.StreamRequestHandler):
    """Takes what a hook lends, and dies."""

    def handle(self) -> None:
        self.rfile.read()
        self.wfile.write(b"served ")


class Murderer(socketserver.StreamRequestHandler):
    """Reads what git says, and kills the client that lent it before it could tell the hook so."""

    def handle(self) -> None:
        self.rfile.read()
        peer = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid = int.from_bytes(peer[:4], sys.byteorder)
        Path(f"/proc/{pid}/fd/3").read_bytes()
        os.kill(pid, signal.SIGKILL)
        gone = select.poll()
        gone.register(self.connection, 0)
        assert gone.poll(DEADLINE_MS)


@pytest.mark.parametrize("lend", [True, False])
def test_a_push_is_told_the_same_either_way(hub: Hub, ada: Person, *, lend: bool) -> None:
    head = hub.head()
    if lend:
        without_python(hub)
    with gatekeeper(hub, lend=lend):
        ada.commit({A: "imag: b\n", "servers.d/ü\x07.yaml": "image: b\n"})
        said = ada.push(fails=True)
        assert "servers.d/a.yaml:1:1: imag: unknown key" in said
        assert "refused: " in said
        assert "\x07" not in said
        ada.git("reset", "--hard", "HEAD~")
        pushed = ada.commit({A: "image: b\n"})
        said = ada.push("-o", "dry-run", fails=True)
        assert "dry run: nothing was changed" in said
        assert hub.head() == head
        ada.push()
        assert hub.head() == pushed
        ada.commit({A: "image: c\n"})
        ada.push("origin", "HEAD:refs/for/else", fails=True)
    assert hub.head() == pushed


@pytest.mark.parametrize("name", ["pre-receive", "proc-receive"])
def test_a_manager_that_dies_with_what_it_was_lent_fails_the_push_closed(
    hub: Hub, ada: Person, name: str
) -> None:
    head = hub.head()
    without_python(hub)
    ada.commit({A: "image: b\n"})
    if name == "proc-receive":
        (hub.path / "hooks" / "pre-receive").write_text("#!/bin/sh\n")
    with opened(hub, DyingManager):
        said = ada.push(fails=True)
    assert "the manager went away" in said
    assert hub.head() == head


def test_a_push_of_which_nobody_can_read_any_more_is_not_taken_in(hub: Hub, ada: Person) -> None:
    head = hub.head()
    ada.commit({A: "imag: b\n"})
    with opened(hub, Murderer):
        said = ada.push("origin", "HEAD:refs/heads/main", fails=True)
    assert "the manager went away while checking" in said
    assert hub.head() == head


@pytest.mark.parametrize("name", ["pre-receive", "post-receive"])
def test_a_hook_that_is_told_of_no_ref_fails_closed(hub: Hub, name: str) -> None:
    with gatekeeper(hub):
        done = subprocess.run(
            [hub.path / "hooks" / name], cwd=hub.path, input=b"", capture_output=True,
            check=False, timeout=60,
        )
    assert (done.returncode, done.stderr) == (1, b"cannot be checked: git named no ref\n")


def test_what_is_no_pipe_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.write_text("before\n")
    with gatekeeper(hub), seen.open("a") as file:
        done = subprocess.run(
            [hub.path / "hooks" / "pre-receive"], cwd=hub.path, input=b"nonsense\n",
            stdout=subprocess.PIPE, stderr=file, check=False, timeout=60,
        )
    assert done.returncode == 1
    assert seen.read_text().startswith("before\ncannot be checked: ")


def test_too_much_is_not_read(hub: Hub) -> None:
    line = b"%040d %040d refs/heads/main\n" % (0, 0)
    with gatekeeper(hub):
        done = subprocess.run(
            [hub.path / "hooks" / "pre-receive"], cwd=hub.path, capture_output=True, check=False,
            input=line * (hook.MAX_LINE // len(line) + 2), timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr == b"cannot be checked: more than 16 MB of updates\n"
