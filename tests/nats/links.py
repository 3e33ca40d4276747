"""Both ends of the bus over one real nats-server. For tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.nats.clients import new_host
from tests.nats.sides import AgentEnd
from zedops.bus.nats import subjects
from zedops.bus.nats.agent import NatsLink
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.certificates import ssl_context
from zedops.bus.nats.client import Address
from zedops.bus.nats.jwt import Credentials
from zedops.bus.nats.manager import NatsBus
from zedops.bus.nats.server import NatsServer


def address(
    server: NatsServer, authority: Authority, credentials: Credentials, inbox: str
) -> Address:
    """Say where the server is for somebody."""
    tls = ssl_context(authority.ca_pem)
    return Address((server.url,), inbox, inbox, credentials.text, tls)


@contextlib.contextmanager
def manager_bus(server: NatsServer, authority: Authority) -> Iterator[NatsBus]:
    """Connect the manager."""
    credentials = authority.manager_credentials()
    bus = NatsBus(address(server, authority, credentials, subjects.MANAGER_INBOX))
    try:
        assert bus.connection.wait_up(15), bus.connection.trouble
        yield bus
    finally:
        bus.close()


@contextlib.contextmanager
def new_link(
    server: NatsServer, authority: Authority, host: str, agent: AgentEnd
) -> Iterator[NatsLink]:
    """Let a host in and connect it."""
    credentials = new_host(authority, host)
    link = NatsLink(host, agent, address(server, authority, credentials, subjects.inbox(host)))
    try:
        assert link.wait_up(15), link.trouble
        yield link
    finally:
        link.close()
