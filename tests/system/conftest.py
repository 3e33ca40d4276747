"""One running fleet for the tests of a module that leave each other alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import docker
import pytest

from tests.machine import Machine
from tests.relay import Address, Relay


@pytest.fixture(scope="module")
def wire(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient
) -> Iterator[Relay]:
    """Stand between zedops and its Engine."""
    assert docker_api.ping()
    url = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    target: Address = url.path if url.scheme == "unix" else (str(url.hostname), url.port or 2375)
    made = Relay(target, tmp_path_factory.mktemp("wire") / "sock")
    yield made
    made.close()


@pytest.fixture(scope="module")
def fleet(
    tmp_path_factory: pytest.TempPathFactory, docker_api: docker.APIClient, image: str, wire: Relay
) -> Iterator[Machine]:
    """Run a fleet whose Engine is at the end of the wire; each test has servers of its own."""
    made = Machine(tmp_path_factory.mktemp("fleet"), docker_api, image)
    try:
        made.init()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{wire.address}")
            made.up()
        yield made
    finally:
        made.tear_down()
