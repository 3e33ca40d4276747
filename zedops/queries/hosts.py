"""Queries that combine the fleet with answers of its hosts: ports in use, and orphans.

Pure but for `ask`, which sends a request to a host. The manager answers these queries on its
socket. Without a manager nearby, commands read the fleet and compute the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from zedops.errors import HostUnavailable, UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import ports_in_use
from zedops.protocol.requests import (
    Belonging,
    DataReply,
    DataRequest,
    InventoryReply,
    InventoryRequest,
    PingRequest,
    Pong,
    PortsReply,
    PortsRequest,
    R,
    Reply,
    Request,
    expect,
)
from zedops.queries.output import HostRow, OrphanRow, PortRow, VolumeRow
from zedops.spec.document import Document

#: Sends a request to a host; HostUnavailable if it does not answer.
Ask = Callable[[str, Request], Reply]
#: Hosts that did not answer, with the reason.
Silent = dict[str, str]


def the_host(fleet: Fleet, named: str | None) -> str:
    """Return the named or the default host. UsageError lists the fleet's hosts."""
    hosts = fleet.settings.hosts
    named = named or fleet.default_host
    if named not in hosts:
        problem = "name a host with --host" if named is None else f"no host {named!r}"
        raise UsageError(f"{problem}; the fleet has {', '.join(hosts)}")
    return named


def taken_ports(fleet: Fleet, host: str | None, ask: Ask) -> tuple[list[PortRow], Silent]:
    """List the ports that servers or foreign processes use."""
    rows = [
        PortRow(where or "-", number, protocol, each.name, key, None)
        for (where, protocol, number), holders in ports_in_use(fleet).items()
        if host in (None, where)
        for each, key in holders
    ]
    said, silent = _asked(_hosts(fleet, host), PortsRequest(), PortsReply, ask)
    rows += [
        PortRow(where, use.port, use.protocol, None, None, use.holder)
        for where, reply in said.items()
        for use in reply.uses if fleet.owner(use.server_id) is None
    ]
    return sorted(rows, key=lambda row: (row.host, row.protocol, row.port)), silent


def volumes(fleet: Fleet, each: Document | None, ask: Ask) -> tuple[list[VolumeRow], Silent]:
    """List the data volumes of one server, or of all on every host that answers."""
    names = {one.id: one.name for one in (*fleet.servers(), *fleet.tombstones()) if one.id}
    places = [fleet.place(each)[0] or ""] if each else list(fleet.settings.hosts)
    wanted = DataRequest(server_id=each.id if each else None)
    said, silent = _asked(places, wanted, DataReply, ask)
    return [
        VolumeRow(names.get(one.server_id, one.server_id), where, one.volume, one.path, one.exists,
                  one.size_bytes, one.files)
        for where, reply in said.items() for one in reply.volumes
    ], silent


def hosts(
    fleet: Fleet, joined: Mapping[str, str], quiet_s: Mapping[str, float | None], ask: Ask
) -> list[HostRow]:
    """List the fleet's hosts, and those that joined but are not in its settings.

    `joined` and `quiet_s` are what the manager says of them, by name.
    """
    known = fleet.settings.hosts
    return [
        _host(HostRow(
            name, len(servers_of(fleet, name)), name in known, joined.get(name), quiet_s.get(name),
            answers=False, zedops=None, engine=None,
        ), ask)
        for name in dict.fromkeys([*known, *joined])
    ]


def _host(row: HostRow, ask: Ask) -> HostRow:
    try:
        pong = expect(ask(row.name, PingRequest()), Pong, row.name)
    except ZedopsError:
        return row
    return replace(row, answers=True, zedops=pong.zedops, engine=pong.engine or None)


def servers_of(fleet: Fleet, host: str) -> list[str]:
    """Name the servers on a host."""
    return sorted(each.name for each in fleet.servers() if fleet.place(each)[0] == host)


def orphans(fleet: Fleet, host: str | None, ask: Ask) -> tuple[list[OrphanRow], Silent]:
    """List the containers and data on hosts that no file of the fleet owns."""
    said, silent = _asked(_hosts(fleet, host), InventoryRequest(), InventoryReply, ask)
    found = []
    for where, reply in said.items():
        groups: dict[str, list[Belonging]] = {}
        for each in reply.belongings:
            groups.setdefault(each.server_id, []).append(each)
        found += [
            _orphan(where, server_id, group) for server_id, group in sorted(groups.items())
            if not _is_owned(fleet, where, server_id)
        ]
    return found, silent


def _hosts(fleet: Fleet, named: str | None) -> Iterable[str]:
    return fleet.settings.hosts if named is None else [the_host(fleet, named)]


def _asked(
    hosts: Iterable[str], request: Request, expected: type[R], ask: Ask
) -> tuple[dict[str, R], Silent]:
    said, silent = {}, {}
    for host in hosts:
        try:
            said[host] = expect(ask(host, request), expected, host)
        except HostUnavailable as error:
            silent[host] = str(error)
    return said, silent


def _is_owned(fleet: Fleet, host: str, server_id: str) -> bool:
    each = fleet.owner(server_id)
    if each is None:
        return False
    return host in (fleet.host_of(each), each.state.host if each.state else None)


def _orphan(host: str, server_id: str, group: list[Belonging]) -> OrphanRow:
    container = max(
        (each for each in group if each.container), key=lambda each: each.running, default=None
    )
    folder = next((each for each in group if each.path), None)
    return OrphanRow(
        host, server_id, group[0].server_name,
        container.container if container else None,
        container.image if container else None,
        any(each.running for each in group),
        folder.path if folder else None,
        folder.data_exists if folder else None,
    )
