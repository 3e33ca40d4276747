"""Which of a host's ports are taken, by whom, and what that means for a definition. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zedops.calls import PortUse
from zedops.model import Definition, Port, Publish
from zedops_agent.observed import Binding

_ANY = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
_FIRST, _LAST = 1024, 65535


def address(port: Port) -> str:
    """Say at which of the host's addresses a port is published; "": at every one."""
    return "127.0.0.1" if port.publish is Publish.LOOPBACK else ""


def bindings(definition: Definition) -> frozenset[Binding]:
    """Say which host ports a definition asks for."""
    return frozenset(
        (address(port), port.host, port.container, port.protocol)
        for port in definition.ports.values()
        if port.publish is not Publish.NONE
    )


def conflict(
    definition: Definition, uses: Iterable[PortUse], server_id: str, *, stopped_too: bool
) -> str | None:
    """Say which port of a definition somebody else holds, who, and which one is free.

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
                return f"{fact} {use.holder}; free it, or choose another, e.g. {free}"
    return None


def _meet(one: str, other: str) -> bool:
    return one == other or one in _ANY or other in _ANY


def _next_free(protocol: str, after: int, taken: Iterable[tuple[str, int]]) -> int:
    numbers = {number for each, number in taken if each == protocol}
    span = _LAST - _FIRST + 1
    candidates = (_FIRST + (after + step - _FIRST) % span for step in range(1, span))
    return next((each for each in candidates if each not in numbers), after)
