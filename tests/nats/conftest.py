"""A real nats-server for each test, over an authority of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import without
from tests.machine import free_port
from zedops.bus.nats import executable
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.server import NatsServer
from zedops.errors import ServerFailed


@pytest.fixture(scope="session", autouse=True)
def _nats_server() -> None:
    """See that there is one."""
    try:
        executable.find()
    except ServerFailed:
        without("nats-server")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Make a fleet's keys."""
    return Authority.open(tmp_path / "nats")


@pytest.fixture
def server(authority: Authority) -> Iterator[NatsServer]:
    """Run the fleet's server."""
    port = free_port()
    made = NatsServer(authority, [f"tls://localhost:{port}"], "127.0.0.1", port)
    made.start()
    yield made
    made.stop_server()
