"""One host for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.docker.host import Host


@pytest.fixture
def host(tmp_path: Path, docker_api: docker.APIClient, image: str) -> Iterator[Host]:
    """Start an agent; remove everything of it afterwards."""
    made = Host(tmp_path, docker_api, image, f"t{uuid.uuid4().hex[:8]}")
    made.start()
    yield made
    made.tear_down()
