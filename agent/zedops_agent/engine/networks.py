"""Finds networks, and connects containers to them; makes and removes no network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any

import docker
import docker.errors

from zedops.system import failpoints
from zedops_agent.coalesce import Joint
from zedops_agent.engine import parse
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.observed import Network

#: The Engine goes through all containers to list those in a network.
_NETWORK_S = 1.0


class EngineNetworks:
    """The networks of one Engine."""

    def __init__(self, connection: EngineConnection) -> None:
        self.connection = connection
        self._found = cache(lambda reference: Joint(partial(self._inspect, reference)))

    @translated
    def find(self, reference: str) -> Network | None:
        """Find a network, as it was at most a second ago; None if there is no such network."""
        return self._found(reference)(time.monotonic() - _NETWORK_S)

    def _inspect(self, reference: str) -> Network | None:
        try:
            found = self.connection.api.inspect_network(reference)
        except docker.errors.NotFound:
            return None
        # a container that never ran knows its networks by their names alone
        names = [found["Id"], found["Name"]]
        inside = self.connection.api.containers(all=True, filters={"network": names})
        return parse.network(found, inside)

    @translated
    def id_of(self, name: str) -> str | None:
        """Find a network's id; None if there is no such network."""
        try:
            return str(self.connection.api.inspect_network(name)["Id"])
        except docker.errors.NotFound:
            return None

    @translated
    def join(self, container: str, network: str, place: Mapping[str, Any]) -> None:
        """Connect a container to a network; first leave a deleted network of the same name."""
        with suppress(docker.errors.APIError):  # the container is in none of that name
            self.connection.api.disconnect_container_from_network(container, network, force=True)
        failpoints.point("join.left")
        self.connection.api.connect_container_to_network(container, network, **place)
