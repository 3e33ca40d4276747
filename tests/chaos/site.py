"""The machines under chaos: private Engines, one fleet, and a sampler that never stops looking."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import docker
import requests

from tests.docker.private_engine import PrivateEngine
from tests.machine import Machine
from tests.system.many import Many

#: Between two looks of the sampler.
SAMPLE_S = 0.1


class LocalEngine(PrivateEngine):
    """A private Engine in the network namespace of this process, so that ports can be tried."""

    def __init__(self) -> None:
        super().__init__()
        subprocess.run(["umount", str(self.network)], check=True)
        self.network = Path("/proc/self/ns/net")


@dataclass(frozen=True)
class Place:
    """One host: its Engine, its worlds, and where its ports are reached."""

    engine: PrivateEngine
    api: docker.APIClient
    data_root: Path
    address: str


class Site(Machine):
    """A fleet that ends and starts in any way, and what people pushed to it."""

    #: Names of the hosts that a definition must choose from; empty: it names none.
    names: tuple[str, ...] = ()

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        #: Commits that the hub took: each must be in main for ever.
        self.accepted: list[str] = []

    def places(self) -> list[Place]:
        """List the hosts."""
        raise NotImplementedError

    def processes(self) -> dict[str, Process]:
        """List the parts of zedops that may end at any time, by name."""
        return {"zedops": self}

    def logs(self) -> list[Path]:
        """List what the parts of zedops said."""
        return [self.log]

    def run(self) -> None:
        """Start what `down` ended."""
        self.up()

    def push_all(self, message: str, *, refused_ok: bool = False) -> bool:
        """Commit all edits and push; says whether the hub took them. A refused edit is dropped."""
        self.git("add", "--all")
        if not self.git("status", "--porcelain"):
            return True
        self.git("commit", "--quiet", "-m", message)
        commit = self.git("rev-parse", "HEAD").strip()
        said = self.git("push", "-o", "no-wait", code=None)
        if commit in self.git("rev-list", "main", cwd=self.hub, code=None):
            self.accepted.append(commit)
            self.git("pull", "--quiet", "--rebase", code=None)
            return True
        assert refused_ok or "Traceback" not in said, said
        self.git("fetch", "--quiet", code=None)
        self.git("reset", "--quiet", "--hard", "origin/main")
        return False

    def pause_zedops(self, seconds: float) -> None:
        """Stop the process as a machine that swaps does, then let it go on."""
        os.kill(self.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(self.pid, signal.SIGCONT)

    def named(self, name: str) -> list[tuple[Place, dict[str, Any]]]:
        """List every container that has a server's name, also the one before an update.

        A label keeps the name that the server had when the container was made.
        """
        names = rf"^/{self.fleet}-{name}(\.next|-previous|-superseded)?$"
        return [(place, each) for place in self.places()
                for each in place.api.containers(all=True, filters={"name": names})]

    def worlds(self, pattern: str) -> list[Path]:
        """Find paths below the worlds of all hosts."""
        return sorted(each for place in self.places()
                      for each in (place.data_root / "servers").glob(f"*/world{pattern}"))


class Process(Protocol):
    """A part of zedops."""

    def down(self, *, kill: bool = False) -> None:
        """End it."""

    def run(self) -> None:
        """Start it again."""


class OneHost(Site):
    """Manager and agent in one process."""

    def __init__(self, folder: Path, engine: LocalEngine, image: str) -> None:
        super().__init__(folder, engine.connect(), image)
        self._place = Place(engine, self.api, self.data_root, "127.0.0.1")

    def places(self) -> list[Place]:
        """List the one host."""
        return [self._place]


class ManyHosts(Site, Many):
    """A manager, and hosts on machines of their own, over NATS."""

    def places(self) -> list[Place]:
        """List the hosts."""
        return [Place(each.engine, each.api, each.data_root, each.address)
                for each in self.hosts.values()]

    def processes(self) -> dict[str, Process]:
        """List the manager and each agent."""
        return {"manager": self, **self.hosts}

    def logs(self) -> list[Path]:
        """List what manager and agents said."""
        return [self.log, *(each.log for each in self.hosts.values())]

    def begin(self) -> None:
        """Make the fleet; from then on a definition names its host."""
        super().begin()
        self.names = tuple(self.hosts)


class Sampler:
    """Looks at the Engine ten times a second and keeps what must never be."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._apis = [each.engine.connect() for each in site.places()]
        self._ended = threading.Event()
        self.broken: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()
        for each in self._apis:
            each.close()

    def _run(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            by_server: dict[str, list[Callable[[], bool]]] = defaultdict(list)
            for api in self._apis:
                with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
                    self._look(api, by_server)
            for server, running in by_server.items():
                # look once more, one by one: a list is not of one moment
                if len(running) > 1 and sum(alive() for alive in running) > 1:
                    self.broken.append(f"two containers of {server} run")

    def _look(self, api: docker.APIClient, found: dict[str, list[Callable[[], bool]]]) -> None:
        filters = {"label": f"zedops.fleet={self._site.fleet}", "status": "running"}
        for each in api.containers(filters=filters):
            found[each["Labels"]["zedops.server.id"]].append(partial(_alive, api, each["Id"]))


def _alive(api: docker.APIClient, container: str) -> bool:
    with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
        return bool(api.inspect_container(container)["State"]["Running"])
    return False


@contextlib.contextmanager
def made(folder: Path, image: str, images: list[str], hosts: int) -> Iterator[Site]:
    """Set up one host (0) or several over NATS, with the images, and a fleet that runs."""
    with contextlib.ExitStack() as stack:
        outside = stack.enter_context(
            contextlib.closing(docker.APIClient(base_url=_outside(), timeout=120))
        )
        packed = {each: b"".join(outside.get_image(each)) for each in images}
        site = _many(folder, image, outside, hosts, stack) if hosts else _one(folder, image, stack)
        for place in site.places():
            for each in packed.values():
                place.api.load_image(each)  # type: ignore[no-untyped-call]
        if isinstance(site, ManyHosts):
            site.begin()
        else:
            site.init()
            site.up()
        yield site


def _one(folder: Path, image: str, stack: contextlib.ExitStack) -> Site:
    engine = LocalEngine()
    stack.callback(engine.remove)
    engine.start()
    site = OneHost(folder, engine, image)
    os.environ["DOCKER_HOST"] = engine.url
    stack.callback(site.api.close)
    stack.callback(_end, site)
    return site


def _many(
    folder: Path, image: str, outside: docker.APIClient, hosts: int, stack: contextlib.ExitStack
) -> Site:
    names = tuple(f"host{number + 1}" for number in range(hosts))
    packed = b"".join(outside.get_image(image))
    site = ManyHosts(folder, outside, image, packed, names)
    stack.callback(_end, site)
    return site


def _end(site: Site) -> None:
    with contextlib.suppress(ProcessLookupError, AssertionError):
        os.kill(site.pid, signal.SIGCONT)
    site.tear_down()


def _outside() -> str:
    """Name the Engine in which the images were built."""
    return os.environ.get("ZEDOPS_CHAOS_IMAGES", "unix:///var/run/docker.sock")
