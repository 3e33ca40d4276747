"""An Engine that is replaced under its containers, and one whose disk is full."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.docker.host import Host, host_on
from tests.docker.private_engine import PrivateEngine, running

pytestmark = [
    pytest.mark.docker, pytest.mark.timeout(120),
    # docker-py forgets the socket of each connection that is refused
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WORLD = "volumes: {world: /data}\nstop: {grace: 5s}\n"
#: Room for an image and some containers, not more.
SIZE = "64m"


@pytest.fixture
def engine(docker_api: docker.APIClient, image: str) -> Iterator[PrivateEngine]:
    """Run an Engine that lets its containers live, on a small disk, and has the tests' image."""
    with running(image, docker_api, "--live-restore", room=SIZE) as made:
        yield made


@pytest.fixture
def host(tmp_path: Path, engine: PrivateEngine, image: str) -> Iterator[Host]:
    """Start an agent on that Engine."""
    with host_on(engine, tmp_path, image) as made:
        yield made


def test_an_engine_that_is_replaced_under_its_containers_touches_none(
    host: Host, engine: PrivateEngine
) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    before = host.container("rosewood")["State"]
    seen = len(host.reports)
    engine.stop()
    engine.start()
    host.wait_running(host.want("another", commit="after"), seen)
    assert host.container("rosewood")["State"] == before
    assert (host.world(server) / "world.txt").read_text().count("started") == 1
    told = [each for each in host.reports[seen:] if each.id == server]
    assert all(each.container and each.container.running and not each.failure for each in told)


def test_an_engine_without_room_is_said_and_what_runs_goes_on(
    host: Host, engine: PrivateEngine
) -> None:
    server = host.want("rosewood", WORLD)
    host.wait_running(server)
    before = host.container("rosewood")["State"]
    filler = engine.folder / "data" / "filler"
    with contextlib.suppress(OSError), filler.open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
    another = host.want("another", WORLD)
    report = host.wait(another, lambda each: each.failure)
    assert "no space left on device" in str(report.failure)
    assert host.container("rosewood")["State"] == before
    filler.unlink()
    host.wait_running(another, len(host.reports))
    assert host.container("rosewood")["State"] == before
