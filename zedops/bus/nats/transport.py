"""The stream under a connection to NATS, with a repair of nats-py's change to TLS.

nats-py turns TLS on without telling the stream's protocol. The protocol then answers the other
side's end as without TLS, so asyncio warns at each break. It also cannot slow a sender that is
faster than its reader.
"""

from __future__ import annotations

import ssl
from urllib.parse import ParseResult

from nats.aio.transport import TcpTransport


class NatsTransport(TcpTransport):
    """nats-py's own stream, with a protocol that knows its transport."""

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int,
        connect_timeout: int,
    ) -> None:
        """Turn TLS on, and tell the protocol; ConnectionResetError if the connection has ended.

        On an ended connection asyncio would wait for a handshake until its timeout, and leave its
        objects to the garbage collector.
        """
        if self._io_writer is not None and self._io_writer.is_closing():
            raise ConnectionResetError("the connection was cut off as it was made")
        await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        if self._io_writer is not None:
            transport = self._io_writer.transport
            transport.get_protocol().connection_made(transport)

    def __bool__(self) -> bool:
        """Be true before the connection, too: else nats-py makes a stream of its own."""
        return True
