"""The stream under a connection to NATS: told of what nats-py does not tell it.

nats-py turns TLS on below a stream that never hears of it. Such a stream answers the other side's
end as a plain one does, for which asyncio warns at each break, and it cannot hold up what comes in
faster than it is read.
"""

from __future__ import annotations

import ssl
from urllib.parse import ParseResult

from nats.aio.transport import TcpTransport


class Stream(TcpTransport):
    """nats-py's own, whose protocol knows its connection."""

    async def connect_tls(
        self, uri: str | ParseResult, ssl_context: ssl.SSLContext, buffer_size: int,
        connect_timeout: int,
    ) -> None:
        """Turn TLS on, and say so to whom it concerns; ConnectionResetError where nobody is left.

        asyncio would wait its time out for a handshake on a connection that has ended, and leave
        what it made for it to the garbage collector.
        """
        if self._io_writer is not None and self._io_writer.is_closing():
            raise ConnectionResetError("the connection was cut off as it was made")
        await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        if self._io_writer is not None:
            transport = self._io_writer.transport
            transport.get_protocol().connection_made(transport)

    def __bool__(self) -> bool:
        """Be there before it is connected, too: else nats-py takes one of its own."""
        return True
