"""Makes and ends one client of nats-py; it and `transport` alone touch the library's private parts.

It never reconnects; `connection` makes a new client after every break.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client, RawCredentials

from zedops.bus.nats.transport import NatsTransport

CONNECT_S = 10
_CLOSE_S = 2.0


@dataclass(frozen=True)
class Address:
    """A server's URLs, and how to connect to them."""

    urls: tuple[str, ...]
    inbox: str  #: prefix of the subjects for answers
    name: str  #: this connection's name in the server's own tools
    credentials: str | None = field(default=None, repr=False)  #: text of a `.creds` file
    tls: ssl.SSLContext | None = None
    #: Begin TLS before the server's INFO. zedops' own servers require it; others may not know it.
    tls_first: bool = True


async def connect(
    client: Client, address: Address, noted: Callable[[Exception], None], closed: Callable[[], None]
) -> None:
    """Connect a client; `noted` hears of its errors, `closed` of its end."""

    async def on_error(error: Exception) -> None:
        noted(error)

    async def on_close() -> None:
        closed()

    extra: dict[str, Any] = {}
    if address.tls is not None:
        extra |= {"tls": address.tls, "tls_handshake_first": address.tls_first}
        client._transport = NatsTransport()  # type: ignore[no-untyped-call]
    if address.credentials is not None:
        extra["user_credentials"] = RawCredentials(address.credentials)
    await client.connect(
        list(address.urls), name=address.name, inbox_prefix=address.inbox,
        allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0,
        connect_timeout=CONNECT_S, ping_interval=3600, pending_size=0,
        error_cb=on_error, closed_cb=on_close, disconnected_cb=on_close, **extra,
    )


async def drop(client: Client) -> None:
    """Close a client and everything that it leaves behind."""
    if client.is_connected:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(client.close(), _CLOSE_S)
    # nats-py leaves refused, cut and hanging connections to the garbage collector
    left: Any = client
    for subscription in left._subs.values():
        subscription._stop_processing()
    if left._reading_task is not None:
        left._reading_task.add_done_callback(_take_error)
    transport = left._transport
    for writer in (transport._io_writer, transport._bare_io_writer) if transport else ():
        if writer is not None:
            writer.transport.abort()


def _take_error(task: asyncio.Task[Any]) -> None:
    """Take the error of a task that nats-py ends with a broken connection."""
    if not task.cancelled():
        task.exception()
