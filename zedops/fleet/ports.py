"""Which host ports the servers of a fleet take, and which are free for the next. Pure.

Only the host knows which ports other programs use; callers can pass those as `taken`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document
from zedops.spec.port import Port, Publish
from zedops.spec.state import Status

#: The range for suggested ports; lower ports belong to the system and its services.
_FIRST_FREE, _LAST = 1024, 65535

#: (host, protocol, number) → the servers that take it, with the port's key
PortUsers = Mapping[tuple[str | None, str, int], list[tuple[Document, str]]]
#: (protocol, number)
Taken = Collection[tuple[str, int]]


def ports_in_use(fleet: Fleet, hosts: Collection[str | None] | None = None) -> PortUsers:
    """Index the host ports that servers take, on all hosts or some:
    (host, protocol, number) → (document, key).
    """
    users: dict[tuple[str | None, str, int], list[tuple[Document, str]]] = defaultdict(list)
    for each in _holding_ports(fleet, hosts):
        host = fleet.host_of(each)
        for key, port in published(fleet, each):
            users[host, port.protocol, port.host].append((each, key))
    return users


def taken_on(users: PortUsers, host: str | None) -> set[tuple[str, int]]:
    """List the ports taken on one host."""
    return {(protocol, number) for where, protocol, number in users if where == host}


def free_ports(taken: Taken, protocol: str, count: int, start: int) -> list[int]:
    """Find the next `count` consecutive ports from `start` on; empty if there are none."""
    return _free_shifted(taken, [(protocol, start + step) for step in range(count)])


def free_set(taken: Taken, ports: Mapping[str, Port]) -> dict[str, int]:
    """Find the nearest free host ports for a definition; the distances between them stay.

    Some games derive their second port from the first, so the whole set moves together. Return an
    empty mapping if no free set exists.
    """
    wanted = {key: each for key, each in ports.items() if each.publish is not Publish.NONE}
    numbers = _free_shifted(taken, [(each.protocol, each.host) for each in wanted.values()])
    return dict(zip(wanted, numbers, strict=False))


def _free_shifted(taken: Taken, wanted: Sequence[tuple[str, int]]) -> list[int]:
    """Shift a set of ports as a whole until all are free; after the last port, go on below."""
    if not wanted:
        return []
    low, high = min(number for _, number in wanted), max(number for _, number in wanted)
    span = _LAST - _FIRST_FREE + 1 - (high - low)
    base = low if _FIRST_FREE <= low <= _LAST - (high - low) else _FIRST_FREE
    for step in range(max(span, 0)):
        first = _FIRST_FREE + (base - _FIRST_FREE + step) % span
        moved = [(protocol, number - low + first) for protocol, number in wanted]
        if not any(each in taken for each in moved):
            return [number for _, number in moved]
    return []


def _holding_ports(fleet: Fleet, hosts: Collection[str | None] | None) -> Iterator[Document]:
    yield from fleet.servers() if hosts is None else fleet.on(hosts)
    for grave in fleet.tombstones():
        if grave.state and grave.state.status is not Status.DELETED and (
            hosts is None or fleet.host_of(grave) in hosts
        ):
            yield grave


def published(fleet: Fleet, document: Document) -> list[tuple[str, Port]]:
    """List the published ports of a server, with those from its preset and the defaults."""
    if document.definition and ("ports" in fleet.settings.defaults or fleet.game(document)):
        definition, _ = fleet.resolve(document)
        document = replace(document, definition=definition)
    return published_ports(document)


def published_ports(document: Document) -> list[tuple[str, Port]]:
    """List the ports of a server that occupy a host port."""
    ports = document.definition.ports if document.definition else {}
    return [(key, port) for key, port in ports.items() if port.publish is not Publish.NONE]
