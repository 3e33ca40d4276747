"""Whether anybody on this host has a socket at a port, whoever it is: the kernel is asked to bind.

That takes microseconds; to list every socket 9 ms, and to find whose each is, a walk over every
process, 30 ms and more. What was bound is let go at once; nothing ever listens here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def any_at(ports: Iterable[tuple[str, int]]) -> bool:
    """Say whether any of some (protocol, port) may be taken; yes where that cannot be seen."""
    return any(not _is_free(protocol, port) for protocol, port in ports)


def _is_free(protocol: str, port: int) -> bool:
    """Bind at every address. A port that this user may not bind may be taken."""
    if (kind := _KINDS.get(protocol)) is None:
        return False
    try:
        with _probe(kind) as probe:
            if kind == socket.SOCK_STREAM:
                # so that connections that ended a minute ago do not count; listeners do (socket(7))
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
    except OSError:
        return False
    return True


def _probe(kind: socket.SocketKind) -> socket.socket:
    """Make a socket that is for IPv4 and IPv6 at once (ipv6(7)), where a host has that."""
    try:
        probe = socket.socket(socket.AF_INET6, kind)
    except OSError:
        return socket.socket(socket.AF_INET, kind)
    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return probe
