"""The bus within one process: manager and agent on the same machine, nothing to install."""

from __future__ import annotations

from collections.abc import Generator

from zedops.bus.interfaces import AgentSide, ManagerSide
from zedops.bus.pulse import with_pulse
from zedops.errors import HostUnavailable
from zedops.protocol.requests import Reply, Request, StreamRequest
from zedops.protocol.sync import DesiredDocument, Heartbeat, HeartbeatReply, Hello, Progress, Report


class LocalBus:
    """Connects the two sides by direct calls. Messages are frozen, so the sides share no state."""

    def __init__(self) -> None:
        self._manager: ManagerSide | None = None
        self._agents: dict[str, AgentSide] = {}

    def serve(self, manager: ManagerSide) -> None:
        """Answer agents from now on, and greet those of this process."""
        self._manager = manager
        for agent in self._agents.values():
            agent.greet()

    def join(self, host: str, agent: AgentSide) -> LocalLink:
        """Connect an agent; returns its link to the manager."""
        self._agents[host] = agent
        return LocalLink(self)

    def unserve(self) -> None:
        """Answer agents no longer."""
        self._manager = None

    def has(self, host: str) -> bool:
        """Say whether a host's agent runs in this process."""
        return host in self._agents

    def publish(self, document: DesiredDocument) -> None:
        """Push a document to its host, if its agent runs here."""
        agent = self._agents.get(document.host)
        if agent is not None:
            agent.desired(document)

    def call(self, host: str, request: Request) -> Reply:
        """Ask a host something."""
        return self._agent(host).call(request)

    def stream(self, host: str, request: StreamRequest) -> Generator[bytes, None, None]:
        """Stream something from a host."""
        source = self._agent(host).stream(request)
        try:
            yield from with_pulse(source)
        finally:
            source.abort()

    def _agent(self, host: str) -> AgentSide:
        agent = self._agents.get(host)
        if agent is None:
            raise HostUnavailable(f"host {host!r} has no agent here; start one with `zedops up`")
        return agent

    def manager(self) -> ManagerSide:
        """Find the manager, or raise HostUnavailable."""
        if self._manager is None:
            raise HostUnavailable("no manager answers")
        return self._manager


class LocalLink:
    """An agent's way to the manager in the same process."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus

    def sync(self, hello: Hello) -> DesiredDocument:
        """Ask for the host's whole document."""
        return self._bus.manager().sync(hello)

    def report(self, report: Report) -> None:
        """Send a report of observed facts."""
        self._bus.manager().report(report)

    def progress(self, progress: Progress) -> None:
        """Send the progress of long work."""
        self._bus.manager().progress(progress)

    def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatReply:
        """Say that this host is alive."""
        return self._bus.manager().heartbeat(heartbeat)
