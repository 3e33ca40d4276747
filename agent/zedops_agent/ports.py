"""Finds conflicts between a definition's ports and their holders on a host. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from zedops.protocol.requests import PortUse
from zedops.protocol.sync import DesiredServer
from zedops.spec.model import Definition
from zedops.spec.port import Port, Publish
from zedops_agent.observed import Binding

#: Finds the newest definition of a server.
Newest = Callable[[str], DesiredServer | None]

_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
#: The Engine's text if a container has the port: `Bind for 0.0.0.0:25000 failed: port is already
#: allocated`; the kernel's if a process has it: `listen tcp4 …: bind: address already in use`.
_TAKEN = re.compile(r":(\d+)(?: failed)?: (port is already allocated|bind: address already in use)")
_GHOST = "the Engine, for no container that runs"
_FIRST, _LAST = 1024, 65535


def address(port: Port) -> str:
    """Give the host's address of a published port; "": every address."""
    return "127.0.0.1" if port.publish is Publish.LOOPBACK else port.address or ""


def bindings(definition: Definition) -> frozenset[Binding]:
    """List the host ports of a definition."""
    return frozenset(
        (address(port), port.host, port.container, port.protocol)
        for port in definition.ports.values()
        if port.publish is not Publish.NONE
    )


def conflict(
    definition: Definition, uses: Iterable[PortUse], server_id: str, *, stopped_too: bool
) -> str | None:
    """Name a port of a definition with another holder, that holder, and a free port.

    `stopped_too` counts containers that do not run now but will want their port back.
    """
    taken: dict[tuple[str, int], list[PortUse]] = {}
    for use in uses:
        taken.setdefault((use.protocol, use.port), []).append(use)
    for key, port in definition.ports.items():
        if port.publish is Publish.NONE:
            continue
        for use in taken.get((port.protocol, port.host), []):
            if use.server_id == server_id or not (use.active or stopped_too):
                continue
            if _meet(address(port), use.address):
                own = {(each.protocol, each.host) for each in definition.ports.values()}
                free = _next_free(port.protocol, port.host, taken.keys() | own)
                fact = f"ports.{key}: host port {port.host}/{port.protocol} is taken by"
                return f"{fact} {use.holder}; {_remedy(use.holder)}, or choose another, e.g. {free}"
    return None


def is_leaving(use: PortUse, newest: Newest) -> bool:
    """Say whether a server of this fleet has a port that its newest definition lacks."""
    holder = newest(use.server_id) if use.server_id else None
    if holder is None:
        return False
    wanted = {(protocol, port) for _, port, _, protocol in bindings(holder.definition)}
    return holder.goal.ends or (use.protocol, use.port) not in wanted


def waits_for(want: DesiredServer, uses: Iterable[PortUse], newest: Newest) -> set[str]:
    """Name the servers that still have ports of this one, and will leave them."""
    ports = {(protocol, host): at for at, host, _, protocol in bindings(want.definition)}
    return {
        use.server_id for use in uses
        if use.server_id not in (None, want.id) and use.active
        and (use.protocol, use.port) in ports
        and _meet(ports[use.protocol, use.port], use.address) and is_leaving(use, newest)
    }


def gives_way(want: DesiredServer, uses: Iterable[PortUse], newest: Newest) -> bool:
    """Say whether a server stops first, in a ring of servers that wait for each other."""
    every = tuple(uses)

    def reach(start: str) -> set[str]:
        found: set[str] = set()
        ahead = [start]
        while ahead:
            each = newest(ahead.pop())
            more = waits_for(each, every, newest) - found if each else set()
            found |= more
            ahead += more
        return found

    ring = {each for each in reach(want.id) if want.id in reach(each)}
    return bool(ring) and want.id == min(ring)


def who_has(said: str, uses: Iterable[PortUse], server_id: str) -> str:
    """Name the holder of the port in an Engine's refusal; empty if the text names no port.

    A killed Engine may hold a port for a container that is gone, until the Engine's next start.
    """
    found = _TAKEN.search(said)
    if found is None:
        return ""
    port, allocated = int(found[1]), "allocated" in found[2]
    holders = [
        each.holder for each in uses
        if each.port == port and each.active and each.server_id != server_id
    ]
    if holders:
        holder = holders[0]
        return f"host port {port} is taken by {holder}; {_remedy(holder)}, or choose another"
    if not allocated:
        return ""
    ghost = f"no container and no process has host port {port}, the Engine holds it for one gone"
    return f"{ghost}; restart the Engine: `systemctl restart docker`"


def ghost(process: int) -> str:
    """Name the Engine as a port's holder: its proxy listens, and no container that runs has it.

    An Engine that was killed in the midst of a start comes back with such ports (moby/moby#20486).
    """
    return f"{_GHOST} (docker-proxy, process {process})"


def _remedy(holder: str) -> str:
    if holder.startswith(_GHOST):
        return "restart the Engine to free it (`systemctl restart docker`)"
    return "free it"


def _meet(one: str, other: str) -> bool:
    return one == other or one in _ANY or other in _ANY


def _next_free(protocol: str, after: int, taken: Iterable[tuple[str, int]]) -> int:
    numbers = {number for each, number in taken if each == protocol}
    span = _LAST - _FIRST + 1
    candidates = (_FIRST + (after + step - _FIRST) % span for step in range(1, span))
    return next((each for each in candidates if each not in numbers), after)
