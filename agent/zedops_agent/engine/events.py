"""Listens to the events of a fleet's containers. Names the server of each, and judges nothing.

Source: Docker Engine API v1.41, `SystemEvents`. The Engine keeps 256 events, and loses them at its
restart. The stream ends silently when the Engine stops. So the agent looks at everything after
each subscription.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import docker.errors
import requests

from zedops_agent.engine.connection import AWAY, EngineConnection
from zedops_agent.observed import FLEET, SERVER_ID

#: Events that call for another look at a container, without the noise of exec and health checks.
_TELLING = ["create", "start", "die", "destroy", "pause", "unpause", "rename", "update", "oom",
    "health_status",
]


@dataclass(frozen=True)
class EngineEvent:
    """One event of a server's container, with its time (ns since 1970)."""

    server_id: str
    container: str
    action: str
    at_ns: int
    exit_code: str = ""  #: of an end

    @property
    def is_new(self) -> bool:
        """Say whether the Engine has made the container."""
        return self.action == "create"

    @property
    def is_end(self) -> bool:
        """Say whether the container's process ended."""
        return self.action == "die"

    @property
    def is_gone(self) -> bool:
        """Say whether the Engine has removed the container."""
        return self.action == "destroy"


class Subscription:
    """One stream of events; it misses no event after its creation.

    `since_ns` asks for the events after an earlier moment, too. The default is the creation of the
    subscription, because the Engine answers before it listens itself. `adopted` gives the servers
    of containers without the fleet's label: the Engine's filters cannot know them.
    """

    def __init__(
        self,
        connection: EngineConnection,
        fleet: str,
        since_ns: int | None,
        adopted: Callable[[], Mapping[str, str]],
    ) -> None:
        self._connection, self._fleet, self._adopted = connection, fleet, adopted
        seconds, ns = divmod(time.time_ns() if since_ns is None else since_ns + 1, 10**9)
        since = f"{seconds}.{ns:09d}"
        filters: dict[str, Any] = {"type": "container", "event": _TELLING}
        api: Any = connection.api  # it takes `since` as text, too; the stubs do not know that
        self._stream = api.events(since=since, filters=filters, decode=True)

    def __iter__(self) -> Iterator[EngineEvent]:
        try:
            for raw in self._stream:
                labels = raw["Actor"]["Attributes"]
                mine = labels.get(SERVER_ID, "") if labels.get(FLEET) == self._fleet else None
                server_id = self._adopted().get(raw["Actor"]["ID"], mine)
                if server_id is not None:
                    code = labels.get("exitCode", "")
                    at_ns = int(raw["timeNano"])
                    yield EngineEvent(server_id, raw["Actor"]["ID"], raw["Action"], at_ns, code)
        except (docker.errors.DockerException, *AWAY) as error:
            raise self._connection.gone(error) from error
        finally:
            response: requests.Response = self._stream._response
            response.close()

    def close(self) -> None:
        """End the stream, and wake the thread that listens."""
        with suppress(OSError, AttributeError, docker.errors.DockerException):
            self._stream.close()
