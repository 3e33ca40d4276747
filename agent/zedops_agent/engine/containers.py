"""Makes, starts, stops and changes containers: one method is one act, and decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import docker
import docker.errors

from zedops.errors import EngineFailed, LookOutdated
from zedops.spec.model import Stop
from zedops.system import failpoints
from zedops_agent.engine import stopping
from zedops_agent.engine.claims import Claims
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.observed import FLEET, Ceilings
from zedops_agent.stops import Stopped, Stopping

#: Refusals of an Engine to remove a container that runs, of old and new Engines.
_RUNS = ("remove a running container", "container is running")
#: The time that the Engine may take after a start to show the ports.
_PORTS_S = 2.0
#: What the Engine says of an update of a container that has just ended, and what runc says.
_ENDED = ("not running", "stopped container")


class PortsMissing(EngineFailed):
    """A container runs without its ports: the agent must stop it again."""


class Containers:
    """Acts on the containers of one Engine; a new one's ports go to `claims` at once."""

    def __init__(self, connection: EngineConnection, claims: Claims) -> None:
        self.connection = connection
        self._claims = claims

    @translated
    def create(
        self, config: dict[str, Any], host: dict[str, Any],
        networks: Mapping[str, Mapping[str, Any]], tell: Callable[[str], None],
    ) -> None:
        """Create a container and return its id. `config` and `host` are docker-py's arguments.

        `networks` gives its endpoint in each network, the first one is its own. This checks each
        network, because the Engine misses one only at the start, after the stop of the former
        container.
        """
        for each in networks:
            self.connection.api.inspect_network(each)
        first, *rest = [*networks] or [""]
        host_config = self.connection.api.create_host_config(**host)
        if place := networks.get(first):
            endpoint = self.connection.api.create_endpoint_config(**place)
            config = {**config, "networking_config": {"EndpointsConfig": {first: endpoint}}}
        with self._claims.making(config["name"], host_config) as known:
            made = self.connection.api.create_container(**config, host_config=host_config)["Id"]
            known(made)
        tell(made)
        failpoints.point("create.made")
        for network in rest:
            self.connection.api.connect_container_to_network(made, network, **networks[network])

    @translated
    def start(self, container: str) -> None:
        """Start a container and check that the Engine has bound every port it publishes.

        An Engine that shuts down still answers on old connections. So this pings it first, on a
        new one.
        """
        self.connection.ping()
        self.connection.api.start(container)
        deadline = time.monotonic() + _PORTS_S
        while missing := self._unbound(container):
            if time.monotonic() > deadline:
                ports = ", ".join(sorted(missing))
                raise PortsMissing(f"the Engine started it without its ports {ports}")
            time.sleep(0.05)

    def _unbound(self, container: str) -> set[str]:
        said = self.connection.api.inspect_container(container)
        asked = {port for port, binding in (said["HostConfig"]["PortBindings"] or {}).items()
                 if binding}
        bound = {port for port, where in (said["NetworkSettings"]["Ports"] or {}).items() if where}
        return asked - bound if said["State"]["Running"] else set()

    @translated
    def stop(
        self, container: str, asked: Callable[[], Stop], begun: Stopping | None = None,
        keep: Callable[[Stopping], None] = lambda _: None,
    ) -> Stopped:
        """Stop a container, see `stopping`; go on with a stop that has begun."""
        return stopping.Halt(self.connection, container, asked, begun, keep).run()

    @translated
    def remove(self, container: str) -> None:
        """Remove a stopped container, never its data (anonymous volumes stay too)."""
        try:
            self.connection.api.remove_container(container, v=False, force=False)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            said = str(error.explanation)
            if any(words in said for words in _RUNS):  # a person started it after the stop
                raise LookOutdated(said) from error
            if "already in progress" not in said:
                raise

    @translated
    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        self.connection.api.rename(container, name)

    @translated
    def make_way(
        self, name: str, container: str | None, is_ours: Callable[[Mapping[str, str]], bool]
    ) -> None:
        """Give another container of the fleet that holds `name` a temporary name.

        Two servers that swap names would wait for each other for ever. The own plan of the other
        server gives its container the right name later. Raises EngineFailed if a container of
        another fleet with the same name holds it.
        """
        try:
            said = self.connection.api.inspect_container(name)
        except docker.errors.NotFound:
            return
        # the Engine accepts the beginning of an id as a name, too
        if said["Name"] != f"/{name}" or said["Id"] == container:
            return
        labels = said["Config"].get("Labels") or {}
        if not is_ours(labels) and (other := labels.get(FLEET)) is not None:
            fact = f"container {name!r} is of another fleet that is called {other!r}, too"
            remedy = "begin one of the two under another name, or run it with another Engine"
            raise EngineFailed(f"{fact}; {remedy}")
        if is_ours(labels):
            self.connection.api.rename(said["Id"], f"{name}-{said['Id'][:6]}")

    @translated
    def update(self, container: str, ceilings: Ceilings) -> None:
        """Set a container's ceilings while it runs; a ceiling of 0 changes nothing.

        docker-py's own call lacks CPUs and pids (API: ContainerUpdate).
        """
        data: dict[str, Any] = {
            "PidsLimit": ceilings.pids, "RestartPolicy": {"Name": ceilings.restart_policy},
        }
        if ceilings.memory_bytes:
            data |= {"Memory": ceilings.memory_bytes, "MemorySwap": 2 * ceilings.memory_bytes}
        if ceilings.nano_cpus:
            data["NanoCpus"] = ceilings.nano_cpus
        api: Any = self.connection.api  # the stubs leave out its building blocks
        try:
            done = api._post_json(api._url("/containers/{0}/update", container), data)
            api._raise_for_status(done)
        except docker.errors.APIError as error:
            if not any(words in str(error.explanation) for words in _ENDED):
                raise
            raise LookOutdated("the container ended meanwhile") from error

    @translated
    def unpause(self, container: str) -> None:
        """Let a paused container go on."""
        self.connection.api.unpause(container)
