"""Answers the manager's questions about this host: ports, belongings, containers. Only looks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

import psutil

from zedops import __version__
from zedops.errors import EngineFailed, EngineUnreachable
from zedops.protocol.requests import (
    CheckupReply,
    CheckupRequest,
    DataReply,
    DataRequest,
    InspectRequest,
    InventoryReply,
    InventoryRequest,
    PingRequest,
    Pong,
    PortsReply,
    PortsRequest,
    PortUse,
    RecipientReply,
    RecipientRequest,
    Reply,
    Request,
    StatsReply,
    StatsRequest,
    VolumeSize,
)
from zedops.protocol.sync import DesiredDocument, DesiredServer
from zedops.spec.model import VolumeKind
from zedops.system.paths import boot_id
from zedops_agent import diagnostics, holdings, port_probe, volumes
from zedops_agent.coalesce import Joint
from zedops_agent.engine.engine import Engine
from zedops_agent.markers import Owner
from zedops_agent.policy import PolicyFile

_PROTOCOLS = {socket.SOCK_STREAM: "tcp", socket.SOCK_DGRAM: "udp"}
#: The greatest age of a list of claims before a start, because a list of many containers is slow.
#: The start itself fails on a newer claim.
_CLAIMS_S = 10.0


class HostQueries:
    """Surveys this host, also for containers and data without a definition."""

    def __init__(
        self,
        fleet: str,
        engine: Engine,
        root: Path,
        places: Callable[[DesiredServer], volumes.Places],
        policy: PolicyFile,
        recipient: Callable[[], str],
        is_ours: Callable[[Mapping[str, str]], bool],
    ) -> None:
        self._is_ours = is_ours
        self._policy = policy
        #: One reading for all callers at once: it asks a busy Engine only once.
        self._samples = Joint(lambda: engine.samples(fleet, self._adopted))
        self._adopted: Mapping[str, str] = {}
        self._fleet, self._engine, self._root, self._places = fleet, engine, root, places
        self._recipient = recipient

    def answer(
        self, request: Request, held: DesiredDocument | None, adopted: Mapping[str, str]
    ) -> Reply:
        """Answer one question, by the agent's document and its adopted containers."""
        match request:
            case PingRequest():
                epoch, rev = held.stamp if held else (0, 0)
                return Pong(
                    zedops=__version__, engine=self._version(), epoch=epoch, rev=rev,
                    data_root=str(self._root), boot_id=boot_id(),
                )
            case CheckupRequest():
                servers = held.servers.values() if held else ()
                site = diagnostics.Site(
                    self._fleet, self._root, self._policy, self._engine.about,
                    tuple(each.definition for each in servers if not each.goal.ends),
                    tuple(self._unseen(servers)),
                )
                return CheckupReply(findings=tuple(diagnostics.check(site)), at=datetime.now(UTC))
            case RecipientRequest():
                return RecipientReply(recipient=self._recipient())
            case StatsRequest():
                self._adopted = adopted
                return StatsReply(samples=tuple(self._samples()))
            case DataRequest():
                return DataReply(volumes=tuple(self._sizes(request.server_id, held)))
            case PortsRequest():
                return PortsReply(uses=self.ports(adopted))
            case InventoryRequest():
                mine = self._engine.belongings(self._fleet, self._is_ours)
                mine += holdings.belongings(self._root, self._fleet)
                return InventoryReply(belongings=tuple(mine))
            case InspectRequest():
                found = self._engine.shape(request.container)
                if found is None:
                    fact = f"this host has no container {request.container!r}"
                    raise EngineFailed(f"{fact}; `docker ps -a` there lists them")
                return found[1]
            case _:
                assert_never(request)

    def _unseen(self, servers: Iterable[DesiredServer]) -> Iterator[tuple[str, str, str]]:
        for want in servers:
            owner = Owner(want.id, self._fleet, want.name)
            with suppress(EngineFailed):  # only the Engine knows a named volume's place
                for each in volumes.look(self._root, self._places(want), owner, want.definition):
                    if each.trouble:
                        yield want.name, each.key, each.trouble

    def _version(self) -> str:
        try:
            return self._engine.version()
        except EngineUnreachable:
            return ""

    def _sizes(
        self, server_id: str | None, held: DesiredDocument | None
    ) -> Iterator[VolumeSize]:
        for key, want in (held.servers if held else {}).items():
            if server_id not in (None, key):
                continue
            for volume, path in self._places(want).items():
                if want.definition.volumes[volume].kind is VolumeKind.DATA:
                    yield holdings.measure(key, volume, path)

    def ports(self, adopted: Mapping[str, str]) -> tuple[PortUse, ...]:
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
        claims = self._engine.claims(self._fleet, _CLAIMS_S)
        for port in wanted:
            for each in claims.by_port.get(port, ()):
                if adopted.get(each.container, each.server_id) != server_id:
                    return False
                if each.running:
                    bound.discard(port)
        return not port_probe.any_at(bound)

    def _claimed(self, adopted: Mapping[str, str]) -> Iterator[PortUse]:
        for each in self._engine.claims(self._fleet).all:
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
        return f"process {psutil.Process(pid).name()!r} ({pid})"
    except psutil.Error:
        return f"process {pid}"
