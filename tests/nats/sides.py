"""The two sides of a bus, which remember what they were told. For tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from zedops.errors import CommandFailed, EngineFailed, HostUnavailable
from zedops.protocol.requests import ExecRequest, Pong, Reply, Request, StreamRequest
from zedops.protocol.sync import (
    DesiredDocument,
    Heartbeat,
    HeartbeatReply,
    Hello,
    Progress,
    Report,
    ServerReport,
)

DEADLINE_S = 15.0


def wait_for(look: Callable[[], object], deadline_s: float = DEADLINE_S) -> None:
    """Look until there is something to see."""
    deadline = time.monotonic() + deadline_s
    while not look():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class Chunks(Iterator[bytes]):
    """A source of numbered chunks; says how many were taken and whether it was aborted."""

    def __init__(self, count: int | None, size: int = 1000, fails: bool = False) -> None:
        self._count, self._size, self._fails = count, size, fails
        self.taken = 0
        self.asked, self.aborted = threading.Event(), threading.Event()

    def __next__(self) -> bytes:
        self.asked.set()
        if self.taken == self._count:
            if self._fails:
                raise CommandFailed("it ended with code 3")
            if self._count == 0:  # says nothing, until it is aborted
                self.aborted.wait(60)
            raise StopIteration
        self.taken += 1
        return f"{self.taken:08d}".encode() * (self._size // 8)

    def abort(self) -> None:
        """End it."""
        self.aborted.set()


@dataclass
class ManagerEnd:
    """Answers agents."""

    document: DesiredDocument
    away: bool = False
    speaks: bool = True
    hellos: list[Hello] = field(default_factory=list)
    reports: list[ServerReport] = field(default_factory=list)
    told: list[Progress] = field(default_factory=list)
    beats: list[Heartbeat] = field(default_factory=list)

    def sync(self, hello: Hello) -> DesiredDocument:
        """Hand out the document."""
        self.hellos.append(hello)
        if self.away:
            raise HostUnavailable("the manager has not committed its newest changes yet")
        return self.document

    def report(self, report: Report) -> None:
        """Remember."""
        self.reports += report.servers

    def progress(self, progress: Progress) -> None:
        """Remember."""
        self.told.append(progress)

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Answer with the document's stamp."""
        self.beats.append(heartbeat)
        epoch, rev = self.document.stamp
        return HeartbeatReply(epoch=epoch, rev=rev, want_report=True)


@dataclass
class AgentEnd:
    """Answers the manager."""

    source: Chunks = field(default_factory=lambda: Chunks(3))
    documents: list[DesiredDocument] = field(default_factory=list)
    greeted: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    asked: list[Request] = field(default_factory=list)

    def desired(self, document: DesiredDocument) -> None:
        """Remember."""
        self.documents.append(document)

    def call(self, request: Request) -> Reply:
        """Answer a ping; what a question's kind says otherwise."""
        self.asked.append(request)
        match request.kind:
            case "ping":
                return Pong(zedops="1", engine="2", epoch=3, rev=4)
            case "ports":
                raise EngineFailed("the Engine says no")
            case "inventory":
                raise RuntimeError("a bug")
            case _:
                self.held.wait(DEADLINE_S)
                return Pong(zedops="late", engine="", epoch=0, rev=0)

    def stream(self, request: StreamRequest) -> Chunks:
        """Stream what this side has."""
        if isinstance(request, ExecRequest) and request.command == ("none",):
            raise HostUnavailable("it has no container on its host")
        return self.source

    def greet(self) -> None:
        """Count."""
        self.greeted += 1
