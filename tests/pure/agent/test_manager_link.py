"""How an agent's reports travel: together, in order, and over a manager's absence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.pure.fleets import NOW, server_id
from zedops.errors import HostUnavailable, NewerDefinition
from zedops.protocol.sync import (
    DesiredDocument,
    Heartbeat,
    HeartbeatReply,
    Hello,
    Progress,
    Report,
    ServerReport,
)
from zedops_agent.manager_link import Contact
from zedops_agent.store import Store

MANY = 200


class Way:
    """A link whose manager takes each report when it is let, unless it is away."""

    def __init__(self) -> None:
        self.came: list[list[str]] = []
        self.taken = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)
        self.is_away = False

    def sync(self, hello: Hello) -> DesiredDocument:
        if self.is_away:
            raise HostUnavailable("the manager is away")
        return DesiredDocument(fleet="f", host=hello.host, epoch=1, rev=1, servers={})

    def report(self, report: Report) -> None:
        self.came.append([each.id for each in report.servers])
        self.asked.release()
        assert self.taken.acquire(timeout=30)
        if self.is_away:
            self.came.pop()
            raise HostUnavailable("the manager is away")

    def progress(self, progress: Progress) -> None:
        raise AssertionError("nobody told any")

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        return HeartbeatReply(epoch=heartbeat.epoch, rev=heartbeat.rev)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, "f")
    yield made
    made.close()


@contextmanager
def keeping(store: Store, way: Way) -> Iterator[Contact]:
    """Have a contact that runs, and ends once it was told to."""
    made = Contact("h", store, lambda: (1, 1), lambda _: None)
    made.link = way
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield made
    finally:
        made.stop_sending()
        way.taken.release(2 * MANY)
        thread.join(30)
        assert not thread.is_alive()


def said(number: int) -> ServerReport:
    return ServerReport(id=server_id(number), at=NOW, about="abc")


def test_what_comes_while_the_manager_is_at_work_travels_together_and_in_order(
    store: Store, tmp_path: Path,
) -> None:
    way = Way()
    with keeping(store, way) as contact:
        contact.report(said(0))
        assert way.asked.acquire(timeout=30)
        for number in range(1, MANY):
            contact.report(said(number))
        way.taken.release()
        assert way.asked.acquire(timeout=30)
        # nothing is kept on disk for a manager that answers
        assert not list(tmp_path.rglob("unsent.jsonl*"))
    first, *rest = way.came
    assert first == [server_id(0)]
    assert rest == [[server_id(number) for number in range(1, MANY)]]
    assert contact.unsent == 0


def test_what_cannot_be_told_is_on_disk_and_is_told_by_the_next_one(store: Store) -> None:
    way = Way()
    with keeping(store, way) as contact:
        contact.report(said(0))
        assert way.asked.acquire(timeout=30)
        way.is_away = True
        contact.report(said(1))
    assert way.came == []
    assert [each.id for each in store.load_unsent()] == [server_id(0), server_id(1)]
    back = Way()
    with keeping(store, back):
        assert back.asked.acquire(timeout=30)
    assert back.came == [[server_id(0), server_id(1)]]
    assert store.load_unsent() == []


class Newer(Way):
    """A link whose manager asks for a definition that this host does not understand."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Progress] = []
        self.said = threading.Event()

    def sync(self, hello: Hello) -> DesiredDocument:
        error = NewerDefinition("the host's zedops does not understand `shields`")
        error.servers = (server_id(1),)
        raise error

    def progress(self, progress: Progress) -> None:
        self.told.append(progress)
        self.said.set()


def test_a_host_that_does_not_understand_a_definition_says_so_and_still_reports(
    store: Store,
) -> None:
    way = Newer()
    way.taken.release(MANY)
    with keeping(store, way) as contact:
        contact.report(ServerReport(id=server_id(2), at=NOW, about="c"))
        assert way.asked.acquire(timeout=30)
        assert way.said.wait(30)
    assert way.came[0] == [server_id(2)]
    assert (way.told[0].id, way.told[0].host) == (server_id(1), "h")
    assert "does not understand `shields`" in way.told[0].text
