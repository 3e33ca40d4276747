"""The bus between one manager and its hosts' agents: one protocol, its transports beside it.

The manager's side is handed to `serve`, an agent's to `join`. All messages are whole and
idempotent; whoever calls may repeat. A transport adds no rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from zedops.wire import (
    DesiredDocument,
    Heartbeat,
    HeartbeatReply,
    Hello,
    LogsRequest,
    Progress,
    Reply,
    Report,
    Request,
)


class ManagerSide(Protocol):
    """What agents may ask of the manager. Must return soon: it holds nobody up."""

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

    def logs(self, request: LogsRequest) -> Iterator[bytes]:
        """Stream a server's log."""
        ...


class Bus(Protocol):
    """What the manager holds: the way to every host."""

    def serve(self, manager: ManagerSide) -> None:
        """Answer agents from now on."""
        ...

    def publish(self, document: DesiredDocument) -> None:
        """Push a document to its host. A host that is away gets it when it syncs."""
        ...

    def call(self, host: str, request: Request) -> Reply:
        """Ask a host something, or raise HostUnavailable."""
        ...

    def logs(self, host: str, request: LogsRequest) -> Iterator[bytes]:
        """Stream a log from a host, or raise HostUnavailable."""
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
