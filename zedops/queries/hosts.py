"""Queries that combine the fleet with answers of its hosts: ports in use, and orphans.

Pure but for `ask`, which sends a request to a host. The manager answers these queries on its
socket. Without a manager nearby, commands read the fleet and compute the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from zedops.errors import HostUnavailable, UsageError
from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import ports_in_use
from zedops.protocol.requests import (
    Belonging,
    InventoryReply,
    InventoryRequest,
    PortsReply,
    PortsRequest,
    R,
    Reply,
    Request,
    expect,
)

#: Sends a request to a host; HostUnavailable if it does not answer.
Ask = Callable[[str, Request], Reply]
#: Hosts that did not answer, with the reason.
Silent = dict[str, str]


@dataclass(frozen=True)
class Orphan:
    """A server that the fleet does not have, but its host has a container or data of."""

    host: str
    id: str
    name: str
    container: str | None
    image: str | None
    running: bool
    path: str | None
    data_exists: bool | None


def the_host(fleet: Fleet, named: str | None) -> str:
    """Return the named or the default host. UsageError lists the fleet's hosts."""
    hosts = fleet.settings.hosts
    named = named or fleet.default_host
    if named not in hosts:
        problem = "name a host with --host" if named is None else f"no host {named!r}"
        raise UsageError(f"{problem}; the fleet has {', '.join(hosts)}")
    return named


def taken_ports(fleet: Fleet, host: str | None, ask: Ask) -> tuple[list[dict[str, Any]], Silent]:
    """List the ports that servers or foreign processes use: rows of `ports --json`."""
    rows: list[dict[str, Any]] = [
        {"host": where or "-", "port": number, "protocol": protocol, "server": each.name,
         "key": key, "holder": None}
        for (where, protocol, number), holders in ports_in_use(fleet).items()
        if host in (None, where)
        for each, key in holders
    ]
    said, silent = _asked(_hosts(fleet, host), PortsRequest(), PortsReply, ask)
    rows += [
        {"host": where, "port": use.port, "protocol": use.protocol, "server": None,
         "key": None, "holder": use.holder}
        for where, reply in said.items()
        for use in reply.uses if fleet.owner(use.server_id) is None
    ]
    return sorted(rows, key=lambda row: (row["host"], row["protocol"], row["port"])), silent


def orphans(fleet: Fleet, host: str | None, ask: Ask) -> tuple[list[Orphan], Silent]:
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


def _orphan(host: str, server_id: str, group: list[Belonging]) -> Orphan:
    container = max(
        (each for each in group if each.container), key=lambda each: each.running, default=None
    )
    folder = next((each for each in group if each.path), None)
    return Orphan(
        host, server_id, group[0].server_name,
        container.container if container else None,
        container.image if container else None,
        any(each.running for each in group),
        folder.path if folder else None,
        folder.data_exists if folder else None,
    )
