"""The Docker Engine, and nothing else: the only module that imports docker.

docker-py's low-level client, because the high-level one inspects every container it lists (500
containers: 1,113 ms against 73 ms). Holds no decisions. Foreign errors become EngineFailed, or
EngineUnreachable where nothing could be seen. Longer than most modules because it is the one place
that knows docker-py, whole.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import docker
import docker.errors
import docker.utils
import requests.exceptions

from zedops.errors import EngineFailed, EngineUnreachable, LookOutdated
from zedops.model import Stop
from zedops.wire import Belonging, Shape
from zedops_agent import facts
from zedops_agent.observed import FLEET, SERVER_ID, SERVER_NAME, Ceilings, Container, Image

#: Events after which a container is worth another look; exec and health noise is left out.
_TELLING = ["create", "start", "die", "destroy", "pause", "unpause", "rename", "update", "oom"]
_TIMEOUT_S = 120
#: An Engine that is there answers a new connection within this time, a busy one too.
_KNOCK_S = 10
_STOP_COMMAND_S = 30.0
#: How long after a start the Engine may take to show the ports.
_PORTS_S = 2.0

#: What the Engine says of a container that somebody else is removing.
_GONE_WORDS = ("No such container", "marked for removal", "removal of container")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Stopped:
    """How a container ended. Killed means that the grace ran out: progress may be lost."""

    exit_code: int
    took_s: float
    killed: bool


@dataclass(frozen=True)
class Bound:
    """A container's claim to host ports; one that does not run has it, too."""

    container: str
    name: str
    running: bool
    server_id: str | None
    ports: tuple[facts.Binding, ...]


@dataclass(frozen=True)
class Event:
    """Something happened to a server's container at a time (ns since 1970)."""

    server_id: str
    action: str
    at_ns: int

    @property
    def is_end(self) -> bool:
        """Say whether a process ended."""
        return self.action == "die"


def _translated(call: F) -> F:
    """Turn docker-py's errors into ours, the Engine's own words kept."""

    @functools.wraps(call)
    def wrapped(self: Engine, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(self, *args, **kwargs)
        except docker.errors.APIError as error:
            said = " ".join(str(error.explanation or error).split())
            if error.is_server_error():
                self._knock()  # what a step meets in an Engine that shuts down is no failure of it
            kind = LookOutdated if any(word in said for word in _GONE_WORDS) else EngineFailed
            raise kind(said) from error
        except (requests.exceptions.RequestException, docker.errors.DockerException) as error:
            raise self._gone(error) from error

    return cast(F, wrapped)


class Engine:
    """One Docker Engine. Safe to use from several threads."""

    def __init__(self, url: str | None = None) -> None:
        kwargs = docker.utils.kwargs_from_env() if url is None else {"base_url": url}
        self._url = kwargs.get("base_url", "unix:///var/run/docker.sock")
        self._connect = functools.partial(docker.APIClient, **kwargs)
        self._stream: Any = None
        self._bindings: dict[str, tuple[facts.Binding, ...]] = {}
        try:
            self._api = self._connect(version="auto", timeout=_TIMEOUT_S, max_pool_size=32)
        except docker.errors.DockerException as error:
            remedy = "start it, or name another one in DOCKER_HOST"
            raise EngineUnreachable(f"{self._gone(error)}; {remedy}") from error

    def _gone(self, error: Exception) -> EngineUnreachable:
        return EngineUnreachable(f"the Docker Engine at {self._url} does not answer: {_why(error)}")

    def _knock(self) -> None:
        """See that the Engine takes new connections; EngineUnreachable if it does not.

        One that shuts down closes its door first and then ends every container, while it still
        answers on the connections that it has: what is seen there is nobody's doing.
        """
        try:
            with closing(self._connect(version=self._api.api_version, timeout=_KNOCK_S)) as fresh:
                fresh.ping()
        except (requests.exceptions.RequestException, docker.errors.DockerException) as error:
            raise self._gone(error) from error

    @_translated
    def version(self) -> str:
        """Name the Engine's version."""
        return str(self._api.version()["Version"])

    @_translated
    def summary(
        self, fleet: str, adopted: Mapping[str, str]
    ) -> dict[str, frozenset[tuple[str, str, str]]]:
        """List a fleet's containers in one call: server id → {(container, state, name)}."""
        found: dict[str, set[tuple[str, str, str]]] = {}
        for each in self._api.containers(all=True):
            labels = each["Labels"]
            mine = labels.get(SERVER_ID, "") if labels.get(FLEET) == fleet else None
            key = adopted.get(each["Id"], mine)
            if key is not None:
                found.setdefault(key, set()).add((each["Id"], each["State"], each["Names"][0]))
        return {key: frozenset(each) for key, each in found.items()}

    @_translated
    def look(
        self, fleet: str, server_id: str, adopted: str | None = None
    ) -> tuple[Container, ...]:
        """Look at every container of one server: those with its label, and an adopted one.

        One that does not run counts only if the Engine is not about to go, which ends them all.
        """
        labels = [f"{FLEET}={fleet}", f"{SERVER_ID}={server_id}"]
        listed = [each["Id"] for each in self._api.containers(all=True, filters={"label": labels})]
        found = []
        for each in dict.fromkeys([*listed, *([adopted] if adopted else [])]):
            with suppress(docker.errors.NotFound):  # gone between the two calls
                found.append(facts.container(self._api.inspect_container(each)))
        if not all(each.running for each in found):
            self._knock()
        return tuple(found)

    @_translated
    def shape(self, reference: str) -> tuple[Container, Shape] | None:
        """Look at any container by name or id, in the terms of a definition; None without one."""
        try:
            said = self._api.inspect_container(reference)
            image = self._api.inspect_image(said["Image"])  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            image = {}  # it was removed under the container, which runs on
        except docker.errors.NotFound:
            return None
        sources = [each.get("Source", "") for each in said.get("Mounts") or []]
        directories = {each: not Path(each).is_file() for each in sources}
        return facts.container(said), facts.shape(said, image, directories)

    @_translated
    def environment(self, container: str) -> dict[str, str]:
        """Read a container's variables, secrets included: never to leave this host."""
        entries = self._api.inspect_container(container)["Config"].get("Env") or []
        return {key: value for key, _, value in (each.partition("=") for each in entries)}

    @_translated
    def volume(self, name: str) -> Path | None:
        """Find a named volume's directory; None if there is no such volume."""
        try:
            return Path(self._api.inspect_volume(name)["Mountpoint"])
        except docker.errors.NotFound:
            return None

    @_translated
    def belongings(self, fleet: str) -> list[Belonging]:
        """List every container that carries the fleet's label, whoever knows of it."""
        listed = self._api.containers(all=True, filters={"label": f"{FLEET}={fleet}"})
        return [
            Belonging(
                server_id=each["Labels"].get(SERVER_ID, ""),
                server_name=each["Labels"].get(SERVER_NAME, ""),
                container=each["Names"][0].removeprefix("/"),
                running=each["State"] == "running",
                image=each["Image"],
            )
            for each in listed
        ]

    @_translated
    def claims(self, fleet: str) -> list[Bound]:
        """List who is to have which host ports; what a container was given never changes."""
        listed = {each["Id"]: each for each in self._api.containers(all=True)}
        self._bindings = {key: each for key, each in self._bindings.items() if key in listed}
        found = []
        for key, each in listed.items():
            if key not in self._bindings:
                try:
                    said = self._api.inspect_container(key)
                except docker.errors.NotFound:
                    continue
                self._bindings[key] = facts.bindings(said)
            name = each["Names"][0].removeprefix("/")
            running = each["State"] not in ("exited", "created", "dead")
            mine = each["Labels"].get(FLEET) == fleet
            owner = each["Labels"].get(SERVER_ID) if mine else None
            found.append(Bound(key, name, running, owner, self._bindings[key]))
        return found

    @_translated
    def image(self, reference: str) -> Image | None:
        """Look at an image on this host; None if it is not here."""
        try:
            found = self._api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None
        return facts.image(found)

    @_translated
    def pull(self, reference: str, progress: Callable[[str], None]) -> None:
        """Pull an image, telling how far it is. The stream's own errors are raised."""
        name, tag = docker.utils.parse_repository_tag(reference)
        layers: dict[str, tuple[int, int]] = {}
        for line in self._api.pull(name, tag=tag or "latest", stream=True, decode=True):
            if "error" in line:
                raise EngineFailed(f"cannot pull {reference}: {line['error']}")
            detail = line.get("progressDetail") or {}
            if line.get("status") == "Downloading" and detail.get("total"):
                layers[line["id"]] = detail["current"], detail["total"]
                done, total = (sum(column) for column in zip(*layers.values(), strict=True))
                progress(f"pulling {reference} {100 * done // total} % of {total >> 20} MiB")

    @_translated
    def create(self, config: dict[str, Any], host: dict[str, Any], networks: list[str]) -> str:
        """Create a container. `config` and `host` are docker-py's arguments; returns its id."""
        host_config = self._api.create_host_config(**host)
        made = self._api.create_container(**config, host_config=host_config)["Id"]
        for network in networks:
            self._api.connect_container_to_network(made, network)
        return str(made)

    @_translated
    def start(self, container: str) -> None:
        """Start a container and see that every port it publishes is really bound."""
        self._api.start(container)
        deadline = time.monotonic() + _PORTS_S
        while missing := self._unbound(container):
            if time.monotonic() > deadline:
                self._api.stop(container, timeout=1)
                ports = ", ".join(sorted(missing))
                raise EngineFailed(f"the Engine started it without its ports {ports}")
            time.sleep(0.05)

    def _unbound(self, container: str) -> set[str]:
        said = self._api.inspect_container(container)
        asked = {port for port, binding in (said["HostConfig"]["PortBindings"] or {}).items()
                 if binding}
        bound = {port for port, where in (said["NetworkSettings"]["Ports"] or {}).items() if where}
        return asked - bound if said["State"]["Running"] else set()

    @_translated
    def stop(self, container: str, stop: Stop) -> Stopped:
        """Stop a container the one way there is: commands, signal, grace, kill."""
        begun = time.monotonic()
        for command in stop.commands:
            self._run_stop_command(container, list(command))
        killed = False
        with suppress(docker.errors.APIError):  # 409: it is not running any more
            self._api.kill(container, stop.signal)
        try:
            code = self._wait(container, max(stop.grace - (time.monotonic() - begun), 0.1))
        except (requests.exceptions.ReadTimeout, requests.exceptions.ConnectionError):
            killed = True
            with suppress(docker.errors.APIError):
                self._api.kill(container, "SIGKILL")
            code = self._wait(container, _TIMEOUT_S)
        return Stopped(code, time.monotonic() - begun, killed)

    def _wait(self, container: str, timeout_s: float) -> int:
        answer = self._api.wait(container, timeout=timeout_s, condition="not-running")  # type: ignore[arg-type]
        return int(answer["StatusCode"])

    def _run_stop_command(self, container: str, command: list[str]) -> None:
        """Run one announced command; one that fails must not keep the server from stopping."""
        with suppress(docker.errors.APIError, requests.exceptions.RequestException):
            made = self._api.exec_create(container, command)
            self._api.exec_start(made["Id"], detach=True)
            deadline = time.monotonic() + _STOP_COMMAND_S
            while self._api.exec_inspect(made["Id"])["Running"] and time.monotonic() < deadline:
                time.sleep(0.05)

    @_translated
    def remove(self, container: str) -> None:
        """Remove a stopped container, never its data (anonymous volumes stay too)."""
        try:
            self._api.remove_container(container, v=False, force=False)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if "already in progress" not in str(error.explanation):
                raise

    @_translated
    def rename(self, container: str, name: str) -> None:
        """Give a container another name."""
        self._api.rename(container, name)

    @_translated
    def make_way(self, fleet: str, name: str, container: str | None) -> None:
        """Give another container of the fleet that holds a name a passing one.

        Two servers that swap names would wait for each other for ever; whoever loses its name
        this way is given its right one by its own plan.
        """
        for each in self._api.containers(all=True, filters={"label": f"{FLEET}={fleet}"}):
            if each["Names"][0] == f"/{name}" and each["Id"] != container:
                self._api.rename(each["Id"], f"{name}-{each['Id'][:6]}")

    @_translated
    def update(self, container: str, ceilings: Ceilings) -> None:
        """Set a container's ceilings while it runs; those that are 0 stay as they are.

        docker-py's own call knows neither CPUs nor pids (API: ContainerUpdate).
        """
        data: dict[str, Any] = {
            "PidsLimit": ceilings.pids, "RestartPolicy": {"Name": ceilings.restart_policy},
        }
        if ceilings.memory_bytes:
            data |= {"Memory": ceilings.memory_bytes, "MemorySwap": 2 * ceilings.memory_bytes}
        if ceilings.nano_cpus:
            data["NanoCpus"] = ceilings.nano_cpus
        api: Any = self._api  # its own building blocks, which the stubs leave out
        api._raise_for_status(api._post_json(api._url("/containers/{0}/update", container), data))

    @_translated
    def unpause(self, container: str) -> None:
        """Let a paused container go on."""
        self._api.unpause(container)

    @_translated
    def last_lines(self, container: str, lines: int) -> str:
        """Read the end of a container's log as one line of text."""
        raw = self._api.logs(container, tail=lines, stdout=True, stderr=True)
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        return " | ".join(line.strip() for line in text.splitlines() if line.strip())

    def logs(self, container: str, tail: int, *, follow: bool) -> Iterator[bytes]:
        """Stream a container's log."""
        try:
            yield from self._api.logs(container, stream=True, follow=follow, tail=tail)
        except docker.errors.APIError as error:
            raise EngineFailed(str(error.explanation or error)) from error
        except requests.exceptions.RequestException as error:
            raise EngineUnreachable(f"the log ended: {error}") from error

    @_translated
    def events(
        self, fleet: str, since_ns: int | None, adopted: Callable[[], Mapping[str, str]]
    ) -> Iterator[Event]:
        """Subscribe to what happens to a fleet's containers; nothing after the call is missed.

        `since_ns` asks for what happened after that moment as well (the Engine keeps 256 events).
        `adopted` says which containers without the fleet's label are whose: the Engine's filters
        cannot. The stream ends silently when the Engine goes.
        """
        since = None if since_ns is None else f"{since_ns // 10**9}.{since_ns % 10**9 + 1:09d}"
        filters: dict[str, Any] = {"type": "container", "event": _TELLING}
        api: Any = self._api  # takes `since` as text, too, which the stubs do not know
        self._stream = api.events(since=since, filters=filters, decode=True)
        return self._told(self._stream, fleet, adopted)

    def _told(
        self, stream: Any, fleet: str, adopted: Callable[[], Mapping[str, str]]
    ) -> Iterator[Event]:
        try:
            for raw in stream:
                labels = raw["Actor"]["Attributes"]
                mine = labels.get(SERVER_ID, "") if labels.get(FLEET) == fleet else None
                server_id = adopted().get(raw["Actor"]["ID"], mine)
                if server_id is not None:
                    yield Event(server_id, raw["Action"], int(raw["timeNano"]))
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise self._gone(error) from error
        finally:
            response: requests.Response = stream._response
            response.close()

    def close(self) -> None:
        """Let go of the Engine's connections; whoever listens to events is woken by that."""
        if self._stream is not None:
            with suppress(OSError, AttributeError, docker.errors.DockerException):
                self._stream.close()
        self._api.close()


def _why(error: BaseException) -> str:
    """Find the system's own words below those of three libraries."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            return below.strerror
        below = below.__context__
    return str(error)
