"""A host to measure on: the same real things as in the tests, removed afterwards."""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.utils

from benchmarks.git import DEADLINE_S, isolate
from tests.machine import Machine
from tests.relay import Relay

R = TypeVar("R", bound=Relay)
_SOCKET = "/var/run/docker.sock"

#: Writes its world, then does nothing and ends at once when told to: what is measured is everything
#: around it.
_IDLE = ["/bin/busybox", "sh", "-c", """\
trap 'exit 0' TERM
if [ -d /data ]; then echo begun > /data/world.txt; fi
/bin/busybox sleep 1000000 & wait"""]


@contextlib.contextmanager
def machine(*, start: bool = True) -> Iterator[Machine]:
    """Set up a fleet with `zedops up` running (or not yet), on the Engine that answers."""
    api = docker.APIClient(version="auto", timeout=60, **docker.utils.kwargs_from_env())
    image = f"zedops-bench-{uuid.uuid4().hex[:8]}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add("/bin/busybox", arcname="bin/busybox")
    api.import_image_from_data(
        packed.getvalue(), repository=image, tag="1", changes=[f"CMD {json.dumps(_IDLE)}"]
    )
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as folder:
        isolate(Path(folder))
        made = Machine(Path(folder), api, f"{image}:1")
        made.verbose = False  # as people run it
        try:
            made.init()
            if start:
                made.up()
            yield made
        finally:
            made.tear_down()
            api.remove_image(f"{image}:1", force=True)
            api.close()


def events(api: docker.APIClient, event: str, **filters: str) -> Iterator[dict[str, Any]]:
    """Listen to events of one kind from now on; the Engine may answer before it listens itself."""
    wanted = {"type": "container", "event": event, **filters}
    since: Any = f"{time.time():.9f}"  # it takes text, which the stubs do not know
    stream: Iterator[dict[str, Any]] = api.events(since=since, filters=wanted, decode=True)
    return stream


class Events:
    """The Engine's events of one kind from now on, with the moment each one tells."""

    def __init__(self, api: docker.APIClient, event: str) -> None:
        self._stream = events(api, event)
        self._arrived: dict[str, float] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for event in self._stream:
            with self._changed:
                about = event["Actor"]["Attributes"]
                name = about.get("com.docker.swarm.service.name") or about["name"]
                self._arrived[name] = event["timeNano"] / 1e9
                self._changed.notify_all()

    def time_of(self, name: str) -> float:
        """Wait for a container's (or a swarm's service's) event; returns the time it says."""
        with self._changed:
            if not self._changed.wait_for(lambda: name in self._arrived, DEADLINE_S):
                sys.exit(f"no event for {name}")
            return self._arrived.pop(name)


def pushed(host: Machine, events: Events, name: str) -> tuple[float, float, float]:
    """Push what is committed, wait until a server runs, and pull.

    Returns when the push began and ended, and the time of the server's event.
    """
    begun = time.time()
    host.git("push", "--quiet", "-o", "no-wait")
    ended = time.time()
    started = events.time_of(f"{host.fleet}-{name}")
    host.wait_for(lambda: host.state(name).get("status") == "running")
    host.pull()
    return begun, ended, started


@contextlib.contextmanager
def through(kind: type[R]) -> Iterator[R]:
    """Let every later client of the Engine reach it through a relay."""
    with tempfile.TemporaryDirectory(prefix="zedops-bench-") as folder:
        relay = kind(_SOCKET, Path(folder) / "engine.sock")
        os.environ["DOCKER_HOST"] = f"unix://{relay.address}"
        try:
            yield relay
        finally:
            del os.environ["DOCKER_HOST"]
            relay.close()


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile, the slowest, in milliseconds, and how many there were."""
    ordered = sorted(values)
    return {
        "p50_ms": round(statistics.median(ordered) * 1e3, 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] * 1e3, 1),
        "max_ms": round(ordered[-1] * 1e3, 1),
        "n": len(ordered),
    }
