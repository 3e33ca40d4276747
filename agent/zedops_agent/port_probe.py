"""Says whether a socket on this host holds a port: it asks the kernel to bind there.

That takes microseconds. A list of every socket takes 9 ms, and a walk over all processes, to find
the owners, 30 ms and more. zedops closes each bound socket at once, and never listens on it.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def any_at(ports: Iterable[tuple[str, int]]) -> bool:
    """Say whether any of some (protocol, port) may be taken; yes where the kernel cannot tell."""
    return any(not _is_free(protocol, port) for protocol, port in ports)


def _is_free(protocol: str, port: int) -> bool:
    """Bind at every address. A port that this user may not bind may be taken."""
    if (kind := _KINDS.get(protocol)) is None:
        return False
    try:
        with _probe(kind) as probe:
            if kind == socket.SOCK_STREAM:
                # connections that ended a minute ago must not count; listeners do (socket(7))
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
    except OSError:
        return False
    return True


def _probe(kind: socket.SocketKind) -> socket.socket:
    """Make a socket for IPv4 and IPv6 at once (ipv6(7)), if the host has IPv6."""
    try:
        probe = socket.socket(socket.AF_INET6, kind)
    except OSError:
        return socket.socket(socket.AF_INET, kind)
    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return probe
