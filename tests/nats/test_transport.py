"""What is under a connection to NATS, where the other side does not behave."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import struct
from urllib.parse import urlparse

import pytest

from tests.nats.clients import run
from zedops.bus.nats.transport import NatsTransport

#: Of SO_LINGER: an end that is no goodbye (socket(7)).
CUT_OFF = struct.pack("ii", 1, 0)


def test_tls_is_not_begun_on_a_connection_that_was_cut_off() -> None:
    stream = NatsTransport()  # type: ignore[no-untyped-call]

    async def connect() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"tls://127.0.0.1:{server.getsockname()[1]}"
            await stream.connect(urlparse(address), 1024, 10)
            peer, _ = server.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT_OFF)
            peer.close()
            with contextlib.suppress(ConnectionResetError):
                await stream.read(1)  # until it is known here
        with pytest.raises(ConnectionResetError):
            await stream.connect_tls(urlparse(address), ssl.create_default_context(), 1024, 1)

    run(connect())
    gc.collect()  # would tell of what was left to it
