"""Knows the ports that containers and processes of this host hold; takes and frees none."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping

import psutil

from zedops.protocol.requests import PortUse
from zedops_agent import port_probe
from zedops_agent.engine.claims import Claims
from zedops_agent.ports import ghost

_PROTOCOLS = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
#: The Engine's process that listens on a published port.
_PROXY = "docker-proxy"
#: The greatest age of a list of claims before a start, because a list of many containers is slow.
#: The start itself fails on a newer claim.
_CLAIMS_S = 10.0


class HostPorts:
    """The ports of this host, by the Engine's claims and the system's sockets."""

    def __init__(self, fleet: str, claims: Claims) -> None:
        self._fleet, self._claims = fleet, claims

    def taken(self, adopted: Mapping[str, str]) -> tuple[PortUse, ...]:
        """List every taken port: of containers, stopped ones too, and of processes."""
        uses = list(self._claimed(adopted))
        known = {(each.protocol, each.port) for each in uses if each.active}
        uses += [each for each in _listening() if (each.protocol, each.port) not in known]
        return tuple(sorted(set(uses), key=lambda each: (each.port, each.protocol, each.holder)))

    def are_free(
        self, wanted: Collection[tuple[str, int]], server_id: str, adopted: Mapping[str, str]
    ) -> bool:
        """Say whether all of some ports are surely free for a server. False: look closer.

        This does not search for the process of a socket: that takes a walk over all processes, 35
        ms with 200 of them.
        """
        bound = set(wanted)
        claims = self._claims.listed(self._fleet, _CLAIMS_S)
        for port in wanted:
            for each in claims.by_port.get(port, ()):
                if adopted.get(each.container, each.server_id) != server_id:
                    return False
                if each.running:
                    bound.discard(port)
        return not port_probe.any_at(bound)

    def _claimed(self, adopted: Mapping[str, str]) -> Iterator[PortUse]:
        for each in self._claims.listed(self._fleet).all:
            holder = f"container {each.name!r}{'' if each.running else ' (stopped)'}"
            server_id = adopted.get(each.container, each.server_id)
            for address, host, _, protocol in each.ports:
                if host:
                    yield PortUse(
                        protocol=protocol, port=host, address=address, holder=holder,
                        server_id=server_id, active=each.running,
                    )


def _listening() -> Iterator[PortUse]:
    """List the ports that processes listen on; names a process only if this user may see it."""
    for each in psutil.net_connections(kind="inet"):
        protocol = _PROTOCOLS.get(each.type)
        listens = each.status == psutil.CONN_LISTEN if protocol == "tcp" else not each.raddr
        if protocol is None or not listens or not each.laddr:
            continue
        yield PortUse(
            protocol=protocol, port=each.laddr.port, address=each.laddr.ip,
            holder=_process(each.pid), active=True,
        )


def _process(pid: int | None) -> str:
    if pid is None:
        return "a process"
    try:
        name = psutil.Process(pid).name()
        return ghost(pid) if name == _PROXY else f"process {name!r} ({pid})"
    except psutil.Error:
        return f"process {pid}"
