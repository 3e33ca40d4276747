"""The bus between one manager and its hosts' agents: one protocol, its transports beside it.

A manager passes itself to `serve`, an agent passes itself to `join`. All messages are whole and
idempotent, so a caller may repeat them. A transport adds no rules.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from zedops.protocol.requests import Reply, Request, StreamRequest
from zedops.protocol.sync import DesiredDocument, Heartbeat, HeartbeatReply, Hello, Progress, Report


class Stream(Iterator[bytes], Protocol):
    """Chunks as they arrive; `abort` wakes a reader that waits for the next one."""

    def abort(self) -> None:
        """End it, from any thread."""
        ...


class ManagerSide(Protocol):
    """The calls that agents may make to the manager. Each must return soon."""

    @property
    def speaks(self) -> bool:
        """Say whether to answer at all: of several managers only the leader answers."""
        ...

    def sync(self, hello: Hello) -> DesiredDocument:
        """Hand a host its whole document."""
        ...

    def report(self, report: Report) -> None:
        """Take an agent's report."""
        ...

    def progress(self, progress: Progress) -> None:
        """Take the progress of long work."""
        ...

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Note that a host is alive; answer with the stamp of the document it should hold."""
        ...


class AgentSide(Protocol):
    """The calls that the manager may make to an agent."""

    def desired(self, document: DesiredDocument) -> None:
        """Take a document, if it is newer than the one held."""
        ...

    def call(self, request: Request) -> Reply:
        """Answer a question about the host. Errors go on to the command line."""
        ...

    def stream(self, request: StreamRequest) -> Stream:
        """Stream a server's log or a command's output. Errors may come in the middle."""
        ...

    def greet(self) -> None:
        """Note that a manager began or is reachable again: ask it for the document soon."""
        ...


class Bus(Protocol):
    """The manager's way to every host."""

    def serve(self, manager: ManagerSide) -> None:
        """Answer agents from now on, and greet all of them."""
        ...

    def unserve(self) -> None:
        """Leave the agents to another manager."""
        ...

    def publish(self, document: DesiredDocument) -> None:
        """Push a document to its host; never raises. An absent host gets it when it syncs."""
        ...

    def call(self, host: str, request: Request) -> Reply:
        """Ask a host something, or raise HostUnavailable."""
        ...

    def stream(self, host: str, request: StreamRequest) -> Generator[bytes, None, None]:
        """Stream something from a host; closing the generator ends it there, too.

        An empty chunk now and then means silence, so that the reader can look for its own caller.
        Raises HostUnavailable or the host's own error, also in the middle.
        """
        ...


class Link(Protocol):
    """An agent's way to the manager. Calls raise HostUnavailable without one."""

    def sync(self, hello: Hello) -> DesiredDocument:
        """Ask for the host's whole document."""
        ...

    def report(self, report: Report) -> None:
        """Send a report of observed facts."""
        ...

    def progress(self, progress: Progress) -> None:
        """Send the progress of long work."""
        ...

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Say that this host is alive."""
        ...


class Enrolment(Protocol):
    """Admits hosts to a fleet, on a bus that checks admission."""

    def invite(self, host: str, ttl_s: float) -> str:
        """Make a token with which a host may join, once, within `ttl_s`."""
        ...

    def revoke(self, host: str) -> bool:
        """Remove a host at once, and void its unused token. False if there was neither."""
        ...

    def members(self) -> Mapping[str, datetime]:
        """Map each host that joined to the time when it joined."""
        ...
