"""The Docker Engine, and nothing else: the only package that imports docker.

It uses docker-py's low-level client, because the high-level one inspects every container it lists
(500 containers: 1,113 ms against 73 ms). A method makes one call or one observation, and decides
nothing. `connection` reaches the Engine and translates its errors, `lists` lists containers,
`claims` knows the owners of ports, and `events` subscribes to events. `stopping` is the one way to
stop a container, `streams` reads its output, and `stats` measures its load.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, cast

import docker.errors
import docker.utils

from zedops import failpoints
from zedops.errors import EngineFailed, EngineUnreachable, LookOutdated
from zedops.protocol.requests import Belonging, Sample, Shape
from zedops.spec.model import Stop
from zedops_agent.beyond import Usual
from zedops_agent.coalesce import Joint
from zedops_agent.engine import lists, parse, stats, stopping, streams, users
from zedops_agent.engine.claims import Claimed, Claims
from zedops_agent.engine.connection import EngineConnection, translated
from zedops_agent.engine.events import Subscription
from zedops_agent.observed import FLEET, Ceilings, Container, Image, Network, Phase
from zedops_agent.stops import Stopped, Stopping

#: Refusals of an Engine to remove a container that runs, of old and new Engines.
_RUNS = ("remove a running container", "container is running")
#: Says by its labels whether a container is this fleet's.
IsOurs = Callable[[Mapping[str, str]], bool]

log = logging.getLogger(__name__)

#: The time that the Engine may take after a start to show the ports.
_PORTS_S = 2.0
#: What the Engine says of an update of a container that has just ended, and what runc says.
_ENDED = ("not running", "stopped container")
#: The Engine goes through all containers to list those in a network.
_NETWORK_S = 1.0


class PortsMissing(EngineFailed):
    """A container runs without its ports: the agent must stop it again."""


@dataclass(frozen=True)
class EngineInfo:
    """An Engine's facts about itself."""

    version: str
    api: str
    live_restore: bool
    limits_memory: bool


class Engine:
    """One Docker Engine. Safe to use from several threads."""

    def __init__(self, url: str | None = None) -> None:
        self.connection = EngineConnection(url)
        self._images = cache(lambda reference: Joint(partial(self._image, reference)))
        self._networks = cache(lambda reference: Joint(partial(self._network, reference)))
        self._subscription: Subscription | None = None
        self._closed = False
        self._claims = Claims(self.connection)

    @property
    def _api(self) -> docker.APIClient:
        return self.connection.api

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
        return str(self._api.version()["Version"])

    @translated
    def about(self) -> EngineInfo:
        """Ask the Engine about itself."""
        version, info = self._api.version(), self._api.info()
        return EngineInfo(
            str(version["Version"]), str(version["ApiVersion"]),
            live_restore=bool(info.get("LiveRestoreEnabled")),
            limits_memory=bool(info.get("MemoryLimit")),
        )

    @translated
    def summary(
        self, fleet: str, adopted: Mapping[str, str]
    ) -> dict[str, frozenset[tuple[str, str, str]]]:
        """List a fleet's containers in one call: server id → {(container, state, name)}."""
        return lists.summary(self.connection, fleet, adopted)

    @translated
    def ups(self, fleet: str, adopted: Mapping[str, str]) -> set[str]:
        """List the servers of a fleet with a container that is up."""
        return lists.ups(self.connection, fleet, adopted)

    @translated
    def look(self, fleet: str, server_id: str, adopted: str | None) -> tuple[Container, ...]:
        """Look at every container of one server: those with its label, and an adopted one."""
        return self.inspect([*self.listed(fleet, server_id), *([adopted] if adopted else [])])

    @translated
    def listed(self, fleet: str, server_id: str) -> list[str]:
        """List the containers with a server's label: the Engine goes through all containers."""
        return lists.of_server(self.connection, fleet, server_id)

    @translated
    def all_listed(self, fleet: str) -> dict[str, list[str]]:
        """List the containers with the fleet's label by server, in one call."""
        return lists.by_server(self.connection, fleet)

    @translated
    def inspect(self, containers: Iterable[str]) -> tuple[Container, ...]:
        """Look at containers; leave out missing ones.

        An Engine that shuts down ends all containers: do not trust "exited" then. So this pings
        the Engine before it returns a container that ended.
        """
        found = []
        for each in dict.fromkeys(containers):
            with suppress(docker.errors.NotFound):  # gone since it was listed
                found.append(parse.container(self._api.inspect_container(each)))
        if not all(each.running or each.phase is Phase.CREATED for each in found):
            self.connection.ping()
        return tuple(found)

    @translated
    def shape(self, reference: str) -> tuple[Container, Shape] | None:
        """Look at any container by name or id, in the terms of a definition; None without one."""
        try:
            said = self._api.inspect_container(reference)
            image = self._api.inspect_image(said["Image"])  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            image = {}  # a person removed the image under the container, which runs on
        except docker.errors.NotFound:
            return None
        sources = [each.get("Source", "") for each in said.get("Mounts") or []]
        directories = {each: not Path(each).is_file() for each in sources}
        return parse.container(said), parse.shape(said, image, directories, self._usual)

    @cached_property
    def _usual(self) -> Usual:
        return parse.usual(self._api.info())

    @translated
    def environment(self, container: str) -> dict[str, str]:
        """Read a container's variables, secrets included: they must never leave this host."""
        entries = self._api.inspect_container(container)["Config"].get("Env") or []
        return {key: value for key, _, value in (each.partition("=") for each in entries)}

    @translated
    def user(self, container: str) -> int:
        """Find the number of a container's user."""
        return users.uid_of(self._api, container)

    @translated
    def volume(self, name: str) -> Path | None:
        """Find a named volume's directory; None if there is no such volume."""
        try:
            return parse.volume_place(self._api.inspect_volume(name))
        except docker.errors.NotFound:
            return None

    @translated
    def network(self, reference: str) -> Network | None:
        """Find a network, as it was at most a second ago; None if there is no such network."""
        return self._networks(reference)(time.monotonic() - _NETWORK_S)

    def _network(self, reference: str) -> Network | None:
        try:
            found = self._api.inspect_network(reference)
        except docker.errors.NotFound:
            return None
        # a container that never ran knows its networks by their names alone
        names = [found["Id"], found["Name"]]
        inside = self._api.containers(all=True, filters={"network": names})
        return parse.network(found, inside)

    @translated
    def belongings(self, fleet: str, is_ours: IsOurs) -> list[Belonging]:
        """List every container of the fleet, also those without a server in the document."""
        return lists.belongings(self.connection, fleet, is_ours)

    @translated
    def mounting(self, place: Path) -> list[str]:
        """Name the containers with a mount of a directory of the host, or of one below it."""
        return lists.mounting(self.connection, place)

    @translated
    def network_id(self, name: str) -> str | None:
        """Find a network's id; None if there is no such network."""
        try:
            return str(self._api.inspect_network(name)["Id"])
        except docker.errors.NotFound:
            return None

    @translated
    def join(self, container: str, network: str, place: Mapping[str, Any]) -> None:
        """Connect a container to a network; first leave a deleted network of the same name."""
        with suppress(docker.errors.APIError):  # the container is in none of that name
            self._api.disconnect_container_from_network(container, network, force=True)
        failpoints.point("join.left")
        self._api.connect_container_to_network(container, network, **place)

    @translated
    def claims(self, fleet: str, within_s: float = 0.0) -> Claimed:
        """List the claims to host ports; a list may be `within_s` old, see `claims`."""
        return self._claims.listed(fleet, within_s)

    def forget(self, container: str) -> None:
        """Forget a container that is gone for good."""
        self._claims.forget(container)

    @translated
    def image(self, reference: str, within_s: float = 0.0) -> Image | None:
        """Look at an image on this host; None if it is not here. It may be `within_s` old.

        The Engine takes an unknown name for the beginning of an id; this method does not.
        """
        return self._images(reference)(time.monotonic() - within_s)

    def _image(self, reference: str) -> Image | None:
        try:
            found = self._api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None
        return parse.image(found) if parse.is_called(found, reference) else None

    @translated
    def pull(
        self, reference: str, progress: Callable[[str], None], platform: str | None = None
    ) -> None:
        """Pull an image and tell the progress. Raises the errors in the stream, too."""
        name, tag = docker.utils.parse_repository_tag(reference)
        layers: dict[str, tuple[int, int]] = {}
        for line in self._begin_pull(name, tag or "latest", platform):
            if "error" in line:
                raise EngineFailed(f"cannot pull {reference}: {line['error']}")
            detail = line.get("progressDetail") or {}
            if line.get("status") == "Downloading" and detail.get("total"):
                layers[line["id"]] = detail["current"], detail["total"]
                done, total = (sum(column) for column in zip(*layers.values(), strict=True))
                progress(f"pulling {reference} {100 * done // total} % of {total >> 20} MiB")

    def _begin_pull(
        self, name: str, tag: str, platform: str | None
    ) -> Iterator[dict[str, Any]]:
        """Begin to pull, with the user's login if there is one.

        docker-py raises if a credential helper is missing or fails. Most images need no login; the
        registry refuses the others by itself.
        """
        asked: dict[str, Any] = {"tag": tag, "stream": True, "decode": True}
        asked |= {"platform": platform} if platform else {}
        try:
            return cast(Iterator[dict[str, Any]], self._api.pull(name, **asked))
        except docker.errors.APIError:
            raise
        except docker.errors.DockerException as error:
            log.warning("pulling %s without a login: %s", name, error)
            return cast(Iterator[dict[str, Any]], self._api.pull(name, auth_config={}, **asked))

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
            self._api.inspect_network(each)
        first, *rest = [*networks] or [""]
        host_config = self._api.create_host_config(**host)
        if place := networks.get(first):
            endpoint = self._api.create_endpoint_config(**place)
            config = {**config, "networking_config": {"EndpointsConfig": {first: endpoint}}}
        with self._claims.making(config["name"], host_config) as known:
            made = self._api.create_container(**config, host_config=host_config)["Id"]
            known(made)
        tell(made)
        failpoints.point("create.made")
        for network in rest:
            self._api.connect_container_to_network(made, network, **networks[network])

    @translated
    def start_container(self, container: str) -> None:
        """Start a container and check that the Engine has bound every port it publishes.

        An Engine that shuts down still answers on old connections. So this pings it first, on a
        new one.
        """
        self.connection.ping()
        self._api.start(container)
        deadline = time.monotonic() + _PORTS_S
        while missing := self._unbound(container):
            if time.monotonic() > deadline:
                ports = ", ".join(sorted(missing))
                raise PortsMissing(f"the Engine started it without its ports {ports}")
            time.sleep(0.05)

    def _unbound(self, container: str) -> set[str]:
        said = self._api.inspect_container(container)
        asked = {port for port, binding in (said["HostConfig"]["PortBindings"] or {}).items()
                 if binding}
        bound = {port for port, where in (said["NetworkSettings"]["Ports"] or {}).items() if where}
        return asked - bound if said["State"]["Running"] else set()

    @translated
    def stop_container(
        self, container: str, asked: Callable[[], Stop], begun: Stopping | None = None,
        keep: Callable[[Stopping], None] = lambda _: None,
    ) -> Stopped:
        """Stop a container, see `stopping`; go on with a stop that has begun."""
        return stopping.Halt(self.connection, container, asked, begun, keep).run()

    @translated
    def remove(self, container: str) -> None:
        """Remove a stopped container, never its data (anonymous volumes stay too)."""
        try:
            self._api.remove_container(container, v=False, force=False)
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
        self._api.rename(container, name)

    @translated
    def make_way(self, name: str, container: str | None, is_ours: IsOurs) -> None:
        """Give another container of the fleet that holds `name` a temporary name.

        Two servers that swap names would wait for each other for ever. The own plan of the other
        server gives its container the right name later. Raises EngineFailed if a container of
        another fleet with the same name holds it.
        """
        try:
            said = self._api.inspect_container(name)
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
            self._api.rename(said["Id"], f"{name}-{said['Id'][:6]}")

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
        api: Any = self._api  # the stubs leave out its building blocks
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
        self._api.unpause(container)

    @translated
    def last_lines(self, container: str, lines: int) -> str:
        """Read the end of a container's log as one line of text."""
        raw = self._api.logs(container, tail=lines, stdout=True, stderr=True)
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        return " | ".join(line.strip() for line in text.splitlines() if line.strip())

    @translated
    def samples(self, fleet: str, adopted: Mapping[str, str]) -> list[Sample]:
        """Measure the load of a fleet's running containers."""
        return stats.samples(self.connection, fleet, adopted, lambda: self._closed)

    @translated
    def logs(
        self, container: str, tail: int, *, follow: bool, since: int | None = None
    ) -> streams.EngineStream:
        """Stream a container's log."""
        return streams.logs(self.connection, container, tail, follow=follow, since=since)

    @translated
    def run(self, container: str, command: tuple[str, ...]) -> streams.EngineStream:
        """Run a command in a container and stream its output."""
        return streams.run(self.connection, container, command)

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
