"""What commands ask of the running manager and, through it, of hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from zedops.calls import Reply, Request, read_reply
from zedops.cli import door
from zedops.clone import Clone
from zedops.errors import HostUnavailable, UsageError, ZedopsError
from zedops.fleet import Fleet

R = TypeVar("R", bound=Reply)


def call(asker: Clone | Path, host: str, request: Request, expected: type[R]) -> R:
    """Ask a host something. HostUnavailable where nobody answers."""
    wanted = {"do": "call", "host": host, "request": request.model_dump(mode="json")}
    reply = read_reply(ask(asker, wanted)["reply"])
    if not isinstance(reply, expected):
        raise ZedopsError(f"host {host} answered {reply.kind} to {request.kind}; this is a bug")
    return reply


def ask(
    asker: Clone | Path, request: dict[str, Any], say: Callable[[str], object] = print
) -> dict[str, Any]:
    """Ask the manager of a clone or of a hub's path; what it says on the way goes to `say`."""
    hub = asker if isinstance(asker, Path) else asker.hub_path()
    return door.ask_hub(hub, request, say)


def is_managed(asker: Clone | Path) -> bool:
    """Say whether a manager runs; of a hub on another machine that cannot be seen: yes."""
    hub = asker if isinstance(asker, Path) else asker.hub_path()
    try:
        if hub is not None:
            with door.opened(hub):
                pass
    except HostUnavailable:
        return False
    return True


def the_host(fleet: Fleet, named: str | None) -> str:
    """Choose the host that a command is about. UsageError names those that there are."""
    hosts = fleet.settings.hosts
    if named is None and len(hosts) == 1:
        return hosts[0]
    if named not in hosts:
        problem = "say which host with --host" if named is None else f"no host {named!r}"
        raise UsageError(f"{problem}; the fleet has {', '.join(hosts)}")
    return named
