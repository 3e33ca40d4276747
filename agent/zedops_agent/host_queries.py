"""Answers the manager's questions about this host: ports, belongings, containers. Only looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import assert_never

from zedops import __version__
from zedops.errors import EngineFailed, EngineUnreachable
from zedops.protocol.backups import BackupsRequest
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
    Question,
    RecipientReply,
    RecipientRequest,
    Reply,
    StatsReply,
    StatsRequest,
    VolumeSize,
)
from zedops.protocol.sync import DesiredDocument, DesiredServer
from zedops.protocol.terminals import TypedReply, TypeRequest
from zedops.spec.volume import VolumeKind
from zedops.system.paths import boot_id
from zedops_agent import diagnostics, holdings
from zedops_agent.backup import checkup, listing, record_file
from zedops_agent.backup.repositories import Repositories
from zedops_agent.coalesce import Joint
from zedops_agent.data_places import DataPlaces
from zedops_agent.engine.engine import Engine
from zedops_agent.host_ports import HostPorts
from zedops_agent.policy_file import PolicyFile


class HostQueries:
    """Surveys this host, also for containers and data without a definition."""

    def __init__(
        self,
        fleet: str,
        engine: Engine,
        root: Path,
        places: DataPlaces,
        policy: PolicyFile,
        recipient: Callable[[], str],
        ports: HostPorts,
        is_ours: Callable[[Mapping[str, str]], bool],
        repositories: Repositories,
        typed: Callable[[TypeRequest], TypedReply],
    ) -> None:
        self._typed, self._repositories = typed, repositories
        self._is_ours = is_ours
        self._policy = policy
        #: One reading for all callers at once: it asks a busy Engine only once.
        self._samples = Joint(lambda: engine.samples(fleet, self._adopted))
        self._adopted: Mapping[str, str] = {}
        self._ports = ports
        self._fleet, self._engine, self._root, self._places = fleet, engine, root, places
        self._recipient = recipient

    def answer(
        self, request: Question, held: DesiredDocument | None, adopted: Mapping[str, str]
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
                results = (*diagnostics.check(site),
                           *checkup.check(self._repositories, servers))
                return CheckupReply(findings=results, at=datetime.now(UTC))
            case RecipientRequest():
                return RecipientReply(recipient=self._recipient())
            case StatsRequest():
                self._adopted = adopted
                return StatsReply(samples=tuple(self._samples()))
            case DataRequest():
                return DataReply(volumes=tuple(self._sizes(request.server_id, held)))
            case PortsRequest():
                return PortsReply(uses=self._ports.taken(adopted))
            case InventoryRequest():
                mine = self._engine.lists.belongings(self._fleet, self._is_ours)
                mine += holdings.belongings(self._root, self._fleet)
                return InventoryReply(belongings=tuple(mine))
            case InspectRequest():
                found = self._engine.inspector.shape(request.container)
                if found is None:
                    fact = f"this host has no container {request.container!r}"
                    raise EngineFailed(f"{fact}; `docker ps -a` there lists them")
                return found[1]
            case BackupsRequest():
                sizes = partial(record_file.sizes, self._root, self._fleet)
                return listing.answer(self._repositories, request, sizes)
            case TypeRequest():
                return self._typed(request)
            case _:
                assert_never(request)

    def _unseen(self, servers: Iterable[DesiredServer]) -> Iterator[tuple[str, str, str]]:
        for want in servers:
            with suppress(EngineFailed):  # only the Engine knows a named volume's place
                for each in self._places.look(want):
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
            away = {each.key for each in self._places.look(want) if each.unmounted}
            for volume, path in self._places.of(want).items():
                if volume in away:  # its driver mounts it only while the server runs
                    yield VolumeSize(server_id=key, volume=volume, path=str(path), exists=None)
                elif want.definition.volumes[volume].kind is VolumeKind.DATA:
                    yield holdings.measure(key, volume, path)
