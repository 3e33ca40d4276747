"""A port is taken if anybody on this host has a socket there, at whatever address."""

from __future__ import annotations

import socket

import pytest

from zedops_agent import port_probe

HOSTS = [("127.0.0.1", socket.AF_INET), ("", socket.AF_INET)]
HOSTS += [("::1", socket.AF_INET6)] if socket.has_ipv6 else []


@pytest.mark.parametrize(("address", "family"), HOSTS)
@pytest.mark.parametrize(("protocol", "kind"), [
    ("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM),
])
def test_a_socket_is_seen_at_whatever_address_it_is(
    address: str, family: socket.AddressFamily, protocol: str, kind: socket.SocketKind
) -> None:
    other = {"tcp": "udp", "udp": "tcp"}[protocol]
    with socket.socket(family, kind) as held:
        held.bind((address, 0))
        if protocol == "tcp":
            held.listen()
        port = held.getsockname()[1]
        assert port_probe.any_at({(protocol, port)})
        assert port_probe.any_at({(protocol, port), (other, port)})


def test_what_cannot_be_seen_may_be_taken() -> None:
    assert port_probe.any_at({("sctp", 1)})
    assert not port_probe.any_at(set())
