"""An Engine is killed between the start of a container and its note of it.

It comes back and shows the container as one that never ran. The process goes on and writes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.docker.host import Host, host_on
from tests.docker.private_engine import PrivateEngine, running
from tests.relay import Relay
from zedops.protocol.sync import Goal
from zedops_agent import astray

pytestmark = pytest.mark.docker

#: Writes a number a line, one more than the last, and one line at its end.
COUNT = """\
volumes: {world: /data}
stop: {grace: 5s}
command:
- /bin/busybox
- sh
- -c
- |
  n=$(/bin/busybox tail -n 1 /data/log 2>/dev/null || echo 0)
  trap 'echo saved > /data/saved; exit 0' TERM
  while :; do n=$((n + 1)); echo $n >> /data/log; /bin/busybox sleep 0.1 & wait $!; done
"""


@pytest.fixture(scope="module")
def engine(docker_api: docker.APIClient, image: str) -> Iterator[PrivateEngine]:
    """Run an Engine that has the image of the tests."""
    with running(image, docker_api) as made:
        yield made


@pytest.fixture
def host(tmp_path: Path, engine: PrivateEngine, image: str) -> Iterator[Host]:
    """Start an agent on that Engine; no process outlives it."""
    with host_on(engine, tmp_path, image) as made:
        try:
            yield made
        finally:
            for each in made.api.containers(all=True):
                for process in astray.processes(each["Id"]):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)


def lose_track(engine: PrivateEngine, container: str) -> None:
    """Kill the Engine and take back what it wrote down of a start, then start it."""
    engine.kill()
    kept = engine.folder / "data/containers" / container / "config.v2.json"
    facts = json.loads(kept.read_text())
    facts["State"].update(Running=False, Pid=0, StartedAt="0001-01-01T00:00:00Z")
    kept.write_text(json.dumps(facts))
    engine.start()


def log(host: Host, server: str) -> list[int]:
    """Read the numbers that the server wrote."""
    path = host.world(server) / "log"
    return [int(each) for each in path.read_text().splitlines()] if path.exists() else []


def test_a_process_that_the_engine_lost_is_ended_before_its_server_starts_again(
    host: Host, engine: PrivateEngine
) -> None:
    server = host.want("rosewood", COUNT)
    host.wait_running(server)
    host.until(lambda: len(log(host, server)) > 3)
    container = host.api.containers()[0]["Id"]
    host.stop()

    lose_track(engine, container)
    assert astray.processes(container), "the process outlives the Engine"
    assert not host.api.containers(), "the Engine does not know it"
    seen = len(host.reports)
    host.start()
    host.wait(server, lambda each: "the Engine had lost track of" in str(each.note), seen)
    host.wait_running(server, seen)
    assert (host.world(server) / "saved").exists(), "it had its signal, and its time"
    reached = len(log(host, server))
    host.until(lambda: len(log(host, server)) > reached + 5)
    numbers = log(host, server)
    assert all(two == one + 1 for one, two in itertools.pairwise(numbers)), numbers
    assert len(astray.processes(host.api.containers()[0]["Id"])) > 0  # the tree is the right one


def test_a_deleted_server_leaves_no_process_that_the_engine_lost(
    host: Host, engine: PrivateEngine
) -> None:
    server = host.want("muldraugh", COUNT)
    host.wait_running(server)
    container = host.api.containers()[0]["Id"]
    host.stop()
    lose_track(engine, container)
    seen = len(host.reports)
    host.want("muldraugh", COUNT, goal=Goal.DELETED)
    host.start()
    host.wait(server, lambda each: each.container is None and each.activity is None, seen)
    assert astray.processes(container) == ()
    assert host.containers() == []


def test_a_container_with_a_task_that_the_engine_cannot_end_is_made_again(
    engine: PrivateEngine, tmp_path: Path, image: str
) -> None:
    wire = Relay(f"{engine.folder}/sock", tmp_path / "sock")
    fleet = f"t{uuid.uuid4().hex[:8]}"
    with contextlib.closing(wire), contextlib.closing(engine.connect()) as api:
        host = Host(tmp_path, api, image, fleet, f"unix://{wire.address}")
        host.start()
        try:
            server = host.want("rosewood", COUNT)
            host.wait_running(server)
            before = host.container("rosewood")["Id"]
            start = f"/containers/{before}/start".encode()
            with wire.refusing(start, f"task {before}: already exists"):
                seen = len(host.reports)
                api.kill(before)
                wire.wait_met(1)
                host.wait_running(server, seen + 1)
                host.until(lambda: host.container("rosewood")["Id"] != before)
            reached = len(log(host, server))
            host.until(lambda: len(log(host, server)) > reached + 3)
            numbers = log(host, server)
            assert all(two == one + 1 for one, two in itertools.pairwise(numbers)), numbers
        finally:
            host.tear_down()
