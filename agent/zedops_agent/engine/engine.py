"""One Docker Engine: the only package that imports docker.

It uses docker-py's low-level client, because the high-level one inspects every container it lists
(500 containers: 1,113 ms against 73 ms). A method makes one call or one observation, and decides
nothing. `Engine` joins the parts; a caller takes the parts it needs: `lists` lists containers,
`inspection` looks at one, `containers` acts on one, with `stopping` as the one way to stop it.
`images`, `networks` and `volumes` are those of the Engine, `claims` knows the owners of ports,
`streams` reads output. `connection` reaches the Engine and translates its errors for all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zedops.errors import EngineUnreachable
from zedops.protocol.requests import Sample
from zedops_agent.engine import stats
from zedops_agent.engine.claims import Claims
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.engine.containers import Containers
from zedops_agent.engine.events import Subscription
from zedops_agent.engine.images import EngineImages
from zedops_agent.engine.inspection import Inspector
from zedops_agent.engine.lists import ContainerLists
from zedops_agent.engine.networks import EngineNetworks
from zedops_agent.engine.streams import Streams
from zedops_agent.engine.volumes import EngineVolumes
from zedops_agent.observed import Container

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineInfo:
    """An Engine's facts about itself."""

    version: str
    api: str
    live_restore: bool
    limits_memory: bool


class Engine:
    """One Docker Engine and its parts. Safe to use from several threads."""

    def __init__(self, url: str | None = None) -> None:
        self.connection = connection = EngineConnection(url)
        self.lists = ContainerLists(connection)
        self.inspector = Inspector(connection)
        self.claims = Claims(connection)
        self.containers = Containers(connection, self.claims)
        self.images = EngineImages(connection)
        self.networks = EngineNetworks(connection)
        self.volumes = EngineVolumes(connection)
        self.streams = Streams(connection)
        self._subscription: Subscription | None = None
        self._closed = False

    def greeting(self) -> str:
        """Name the Engine for people, also one that does not answer yet: other code tries again.

        Raises EngineUnreachable if this user may not use it.
        """
        try:
            return f"Docker Engine {self.version()}"
        except EngineUnreachable as error:
            if not self.connection.may_answer(error):
                raise
            log.warning("%s; trying on", error)
            return "its Docker Engine does not answer yet"

    @translated
    def version(self) -> str:
        """Name the Engine's version."""
        return str(self.connection.api.version()["Version"])

    @translated
    def about(self) -> EngineInfo:
        """Ask the Engine about itself."""
        version, info = self.connection.api.version(), self.connection.api.info()
        return EngineInfo(
            str(version["Version"]), str(version["ApiVersion"]),
            live_restore=bool(info.get("LiveRestoreEnabled")),
            limits_memory=bool(info.get("MemoryLimit")),
        )

    def look(self, fleet: str, server_id: str, adopted: str | None) -> tuple[Container, ...]:
        """Look at every container of one server: those with its label, and an adopted one."""
        listed = self.lists.of_server(fleet, server_id)
        return self.inspector.inspect([*listed, *([adopted] if adopted else [])])

    @translated
    def samples(self, fleet: str, adopted: Mapping[str, str]) -> list[Sample]:
        """Measure the load of a fleet's running containers."""
        return stats.samples(self.connection, fleet, adopted, lambda: self._closed)

    @translated
    def events(
        self, fleet: str, since_ns: int | None, adopted: Callable[[], Mapping[str, str]]
    ) -> Subscription:
        """Subscribe to the events of a fleet's containers, and of adopted ones."""
        self._subscription = made = Subscription(self.connection, fleet, since_ns, adopted)
        if self._closed:  # `close` came before this stream was known: no other code would end it
            made.close()
        return made

    def close(self) -> None:
        """Close the Engine's connections; that wakes each thread that listens to events."""
        self._closed = True
        if self._subscription is not None:
            self._subscription.close()
        self.connection.close()
