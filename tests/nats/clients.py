"""Raw clients of the server, as a host that means harm could write them. For tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import nats
from nats.aio.client import Client as NatsClient
from nats.aio.client import RawCredentials
from nats.aio.msg import Msg

from zedops.bus.nats import jwt
from zedops.bus.nats.authority import Authority
from zedops.bus.nats.certificates import ssl_context
from zedops.bus.nats.jwt import Credentials, Role
from zedops.bus.nats.server import NatsServer

DEADLINE_S = 30.0


@dataclass
class Client:
    """A connection, and everything that it was told."""

    nc: NatsClient
    errors: list[str] = field(default_factory=list)
    heard: list[Msg] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, subject: str, queue: str = "") -> None:
        """Subscribe, and know the server's answer when this returns."""
        await self.nc.subscribe(subject, queue=queue, cb=self._note)
        await self.settle()

    async def say(self, subject: str, body: bytes = b"", reply: str = "") -> None:
        """Publish, and know the server's answer when this returns."""
        await self.nc.publish(subject, body, reply=reply)
        await self.settle()

    async def settle(self) -> None:
        """Wait until the server has dealt with all that was sent."""
        # nats-py 2.16 writes flush's PING at once, before commands that still wait to be written:
        # only the answer to a second one comes after them
        await self.nc.flush()
        await self.nc.flush()

    async def wait_for(self, look: Callable[[], object]) -> None:
        """Wait until what this client was told makes `look` true."""
        async with asyncio.timeout(DEADLINE_S):
            while not look():
                self.told.clear()
                await self.told.wait()

    async def wait_for_errors(self, count: int) -> None:
        """Wait until the server complained this often."""
        await self.wait_for(lambda: len(self.errors) >= count)

    @property
    def subjects(self) -> list[str]:
        """What was heard, by subject."""
        return [each.subject for each in self.heard]

    async def _note(self, message: Msg) -> None:
        self.heard.append(message)
        self.told.set()

    async def _fail(self, error: Exception) -> None:
        self.errors.append(str(error).lower())
        self.told.set()

    async def _wake(self) -> None:
        self.told.set()


@contextlib.asynccontextmanager
async def connected(
    server: NatsServer, ca_pem: str, credentials: Credentials, inbox: str = "_INBOX", **more: Any
) -> AsyncIterator[Client]:
    """Connect once, without a second try; close afterwards."""
    client = Client(NatsClient())
    options: dict[str, Any] = {
        "tls": ssl_context(ca_pem), "tls_handshake_first": True, "allow_reconnect": False,
        "user_credentials": RawCredentials(credentials.text), "inbox_prefix": inbox,
        "error_cb": client._fail, "disconnected_cb": client._wake, "closed_cb": client._wake,
        "pending_size": 0, "connect_timeout": 20,
    }
    try:
        await client.nc.connect(server.url, **{**options, **more})
        yield client
    finally:
        if client.nc.is_connected:
            await client.nc.close()
        _close_sockets(client.nc)


def _close_sockets(nc: NatsClient) -> None:
    """Close what nats-py leaves to the garbage collector where a server refused or cut it off."""
    transport: Any = nc._transport
    for writer in (transport._io_writer, transport._bare_io_writer) if transport else ():
        if writer is not None:
            # at once: what was refused has nothing left to say, and nothing here waits for its end
            writer.transport.abort()


def new_host(authority: Authority, name: str) -> Credentials:
    """Let a host in that made its own key."""
    seed = jwt.new_seed(Role.USER)
    user_jwt = authority.issue(name, jwt.public_key(seed), datetime.now(UTC))
    return Credentials(user_jwt, seed)


def as_manager(server: NatsServer, authority: Authority) -> contextlib.AbstractAsyncContextManager[
    Client
]:
    """Connect as the manager."""
    return connected(server, authority.ca_pem, authority.manager_credentials())


def as_host(
    server: NatsServer, authority: Authority, name: str, credentials: Credentials | None = None
) -> contextlib.AbstractAsyncContextManager[Client]:
    """Connect as a host; lets it in before, unless it has credentials."""
    credentials = credentials or new_host(authority, name)
    return connected(server, authority.ca_pem, credentials, f"_INBOX_{name}")


async def refused(attempt: contextlib.AbstractAsyncContextManager[Client]) -> str:
    """Check that a connection is refused; returns why."""
    try:
        async with attempt:
            raise AssertionError("the server let it in")
    except (nats.errors.Error, OSError) as error:
        return str(error).lower()


def run(job: Awaitable[None]) -> None:
    """Run a test's coroutine."""

    async def within() -> None:
        async with asyncio.timeout(120):
            await job

    asyncio.run(within())
