"""The machine under chaos: a private Engine, one fleet, and a sampler that never stops looking."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import requests

from tests.docker.private_engine import PrivateEngine
from tests.machine import Machine

#: Between two looks of the sampler.
SAMPLE_S = 0.1


class LocalEngine(PrivateEngine):
    """A private Engine in the network namespace of this process, so that ports can be tried."""

    def __init__(self) -> None:
        super().__init__()
        subprocess.run(["umount", str(self.network)], check=True)
        self.network = Path("/proc/self/ns/net")


class Site(Machine):
    """A fleet that ends and starts in any way, and what people pushed to it."""

    def __init__(self, folder: Path, engine: LocalEngine, image: str) -> None:
        super().__init__(folder, engine.connect(), image)
        self.engine = engine
        #: Commits that the hub took: each must be in main for ever.
        self.accepted: list[str] = []

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

    def of(self, name: str) -> list[dict[str, Any]]:
        """List every container that has a server's name, also the one before an update.

        A label keeps the name that the server had when the container was made.
        """
        names = rf"^/{self.fleet}-{name}(\.next|-previous|-superseded)?$"
        return self.api.containers(all=True, filters={"name": names})  # type: ignore[no-any-return]


class Sampler:
    """Looks at the Engine ten times a second and keeps what must never be."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._api = site.engine.connect()
        self._ended = threading.Event()
        self.broken: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()
        self._api.close()

    def _run(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
                self._look()

    def _look(self) -> None:
        running = self._api.containers(
            filters={"label": f"zedops.fleet={self._site.fleet}", "status": "running"}
        )
        by_server: dict[str, list[str]] = defaultdict(list)
        for each in running:
            by_server[each["Labels"]["zedops.server.id"]].append(each["Id"])
        for server, ids in by_server.items():
            if len(ids) > 1 and len(self._alive(ids)) > 1:
                self.broken.append(f"two containers of {server} run: {ids}")

    def _alive(self, ids: list[str]) -> list[str]:
        """Look once more, one by one: a list is not of one moment."""
        found = []
        for each in ids:
            with contextlib.suppress(docker.errors.NotFound):
                if self._api.inspect_container(each)["State"]["Running"]:
                    found.append(each)
        return found


@contextlib.contextmanager
def made(folder: Path, image: str, images: list[str]) -> Iterator[Site]:
    """Set up an Engine with the images, and a fleet that runs; remove all of it afterwards."""
    engine = LocalEngine()
    try:
        engine.start()
        with contextlib.closing(docker.APIClient(base_url=_outside(), timeout=120)) as other:
            packed = {each: b"".join(other.get_image(each)) for each in images}
        site = Site(folder, engine, image)
        for each in packed.values():
            site.api.load_image(each)  # type: ignore[no-untyped-call]
        os.environ["DOCKER_HOST"] = engine.url
        site.init()
        site.up()
        try:
            yield site
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(site.pid, signal.SIGCONT)
            site.tear_down()
            site.api.close()
    finally:
        engine.remove()


def _outside() -> str:
    """Name the Engine in which the images were built."""
    return os.environ.get("ZEDOPS_CHAOS_IMAGES", "unix:///var/run/docker.sock")
