"""The bus between one manager and its hosts' agents: one protocol, its transports beside it.

The manager's side is handed to `serve`, an agent's to `join`. All messages are whole and
idempotent; whoever calls may repeat. A transport adds no rules.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from zedops.calls import Reply, Request, StreamRequest
from zedops.wire import DesiredDocument, Heartbeat, HeartbeatReply, Hello, Progress, Report


class Stream(Iterator[bytes], Protocol):
    """Chunks as they come; whoever waits for the next one is woken by `abort`."""

    def abort(self) -> None:
        """End it, from any thread."""
        ...


class ManagerSide(Protocol):
    """What agents may ask of the manager. Must return soon: it holds nobody up."""

    @property
    def speaks(self) -> bool:
        """Say whether to answer at all: among several managers only the one that leads does."""
        ...

    def sync(self, hello: Hello) -> DesiredDocument:
        """Hand a host its whole document."""
        ...

    def report(self, report: Report) -> None:
        """Take what an agent observed."""
        ...

    def progress(self, progress: Progress) -> None:
        """Take how far long work has come."""
        ...

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Note that a host is alive; answer what it should hold."""
        ...


class AgentSide(Protocol):
    """What the manager may ask of an agent."""

    def desired(self, document: DesiredDocument) -> None:
        """Take a document, if it is newer than the one held."""
        ...

    def call(self, request: Request) -> Reply:
        """Answer a question about the host. Raises what the command line is to say."""
        ...

    def stream(self, request: StreamRequest) -> Stream:
        """Stream a server's log, or what a command says. Errors may be raised on the way."""
        ...

    def greet(self) -> None:
        """Take note that a manager began, or is reached again: ask it for the document soon."""
        ...


class Bus(Protocol):
    """What the manager holds: the way to every host."""

    def serve(self, manager: ManagerSide) -> None:
        """Answer agents from now on, and let all of them know."""
        ...

    def unserve(self) -> None:
        """Leave the agents to another manager."""
        ...

    def publish(self, document: DesiredDocument) -> None:
        """Push a document to its host; never raises. A host that is away gets it when it syncs."""
        ...

    def call(self, host: str, request: Request) -> Reply:
        """Ask a host something, or raise HostUnavailable."""
        ...

    def stream(self, host: str, request: StreamRequest) -> Generator[bytes, None, None]:
        """Stream something from a host; closing the generator ends it there, too.

        Raises HostUnavailable, also in the middle, and whatever the host raised.
        """
        ...


class Link(Protocol):
    """What an agent holds: the way to the manager. Calls raise HostUnavailable without one."""

    def sync(self, hello: Hello) -> DesiredDocument:
        """Ask for the host's whole document."""
        ...

    def report(self, report: Report) -> None:
        """Tell what was observed."""
        ...

    def progress(self, progress: Progress) -> None:
        """Tell how far long work has come."""
        ...

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Say that this host is alive."""
        ...


class Enrolment(Protocol):
    """Who may join a fleet of many hosts, where its bus has anything to say about that."""

    def invite(self, host: str, ttl_s: float) -> str:
        """Make a token with which a host may join, once, within `ttl_s`."""
        ...

    def expel(self, host: str) -> bool:
        """Put a host out at once, and void its unused token. False if there was neither."""
        ...

    def members(self) -> Mapping[str, datetime]:
        """Name the hosts that joined, and when."""
        ...
