"""One host for each test, and a registry for those that pull."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import without
from tests.docker.host import Host
from tests.machine import free_port


@pytest.fixture
def host(tmp_path: Path, docker_api: docker.APIClient, image: str) -> Iterator[Host]:
    """Start an agent; remove everything of it afterwards."""
    made = Host(tmp_path, docker_api, image, f"t{uuid.uuid4().hex[:8]}")
    made.start()
    yield made
    made.tear_down()


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a real registry on loopback; returns its `host:port`."""
    binary = shutil.which("docker-registry")
    if binary is None:
        without("docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{free_port()}"
    (folder / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\n"
        f"http: {{addr: {address}}}\nlog: {{level: error}}\n"
    )
    server = subprocess.Popen(
        [str(binary), "serve", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    host, _, port = address.partition(":")
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.05)
    yield address
    server.terminate()
    server.wait(timeout=10)
