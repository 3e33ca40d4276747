"""Commits in zedops' own name are not taken from a push: history tells who really did it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.git.people import Person
from tests.git.test_intake import Pair, pair
from tests.pure.fleets import NOW, running
from zedops.fleet.audit import transition, write_message
from zedops.fleet.authorship import poses
from zedops.fleet.trailers import EMAIL, OWN
from zedops.hub.hub import Hub
from zedops.spec.state import Status

__all__ = ["pair"]
A = "servers.d/a.yaml"


@pytest.fixture
def eve(hub: Hub, tmp_path: Path) -> Person:
    eve = Person(hub, tmp_path / "eve", "Eve")
    eve.begin({"zedops.yaml": "name: fleet\n", A: "image: a\n"})
    return eve


@pytest.mark.parametrize("arguments", [
    ["-c", "user.name=zedops", "-c", f"user.email={EMAIL}"],
    ["-c", "user.name=ZedOps ", "-c", "user.email=eve@example.org"],
    ["-c", "user.email=ZEDOPS@localhost"],
])  # fmt: skip
def test_a_commit_in_the_name_of_zedops_is_refused(
    hub: Hub, eve: Person, arguments: list[str]
) -> None:
    head = hub.head()
    eve.commit({A: "image: b\n"})
    eve.git(*arguments, "commit", "-q", "--amend", "--no-edit", "--reset-author")
    commit = eve.git("rev-parse", "HEAD")[:7]
    assert f"commit {commit}: says that zedops made it" in eve.push(fails=True)
    eve.git("commit", "-q", "--amend", "--no-edit", "--reset-author")
    eve.push()
    assert hub.head() != head


def test_neither_as_author_nor_by_what_state_commits_say_to_machines(
    hub: Hub, eve: Person
) -> None:
    head = hub.head()
    for more in (["--author", f"zedops <{EMAIL}>"], ["-m", "Zedops-Server: a 01"],
                 ["-m", "zedops-transition: running → failed"]):
        eve.write(A, f"image: b\n# {more[-1]}\n")
        eve.git("commit", "-qam", "edit", *more)
        assert "says that zedops made it" in eve.push(fails=True)
        eve.commit({A: "image: c\n"})  # another commit on top hides nothing
        assert "says that zedops made it" in eve.push(fails=True)
        eve.git("reset", "-q", "--hard", "origin/main")
    assert hub.head() == head
    eve.git("commit", "-q", "--allow-empty", "-m", "x\n\nZedops-Allow-Delete: a")
    eve.push()


def test_a_merge_hides_no_such_commit(hub: Hub, eve: Person) -> None:
    head = hub.head()
    eve.git("checkout", "-q", "-b", "side")
    eve.commit({A: "image: b\n"})
    eve.git("commit", "-q", "--amend", "--no-edit", "--author", f"zedops <{EMAIL}>")
    eve.git("checkout", "-q", "main")
    eve.commit({"README.md": "x\n"})
    eve.git("merge", "-q", "--no-edit", "side")
    assert "says that zedops made it" in eve.push(fails=True)
    assert hub.head() == head


def test_commits_of_the_hub_itself_may_come_back(hub: Hub, eve: Person) -> None:
    head = hub.head()
    assert head is not None
    hub.refs.commit(head, {A: b"image: a\n\n# --- state: written by zedops\n"}, "states\n")
    eve.git("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
    eve.commit({"README.md": "x\n"})
    eve.push()


def test_on_an_upstream_such_a_commit_is_told(pair: Pair) -> None:
    pair.push({"README.md": "x\n"}, "edit\n\nZedops-Server: a 01")
    assert "says that zedops made it" in pair.take()


@pytest.mark.parametrize("line", ["zedops-drain: a unit", "Zedops-Drain: a unit", "zedops-bot: x"])
def test_a_line_that_zedops_never_writes_is_no_claim(line: str) -> None:
    raw = b"tree 1\nauthor Ada <a@x> 1 +0000\ncommitter Ada <a@x> 1 +0000\n\nsubject\n\n"
    assert not poses(raw + f"{line}\n".encode())
    for key in OWN:
        assert poses(raw + f"zedops-{key}: x\n".encode())


def test_the_trailers_of_zedops_are_all_known() -> None:
    moves = (Status.CREATING, Status.RUNNING)
    message = write_message([transition("a", moves, running(1), times=(NOW,))])
    written = {line.split(":")[0] for line in message.splitlines() if line.startswith("Zedops-")}
    assert len(written) == 5
    assert written <= {f"Zedops-{key}" for key in OWN}


def test_a_name_is_compared_as_it_is_seen() -> None:
    raw = b"tree 1\nauthor %s <x@y> 1 +0000\ncommitter Ada <ada@x> 1 +0000\n\nsubject\n"
    assert poses(raw % b"zed\xe2\x80\x8bops")
    assert not poses(raw % b"zedops admin")
