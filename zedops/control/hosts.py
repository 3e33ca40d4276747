"""Requests of commands to the running manager and, through it, to hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zedops.clone.clone import Clone
from zedops.control import client
from zedops.errors import DoorClosed, HostUnavailable
from zedops.protocol.requests import R, Reply, Request, expect, read_reply
from zedops.queries.hosts import Ask


def call(asker: Clone | Path, host: str, request: Request, expected: type[R]) -> R:
    """Send a request to a host and return its reply. HostUnavailable if no reply comes."""
    return expect(asking(asker)(host, request), expected, host)


def asking(asker: Clone | Path) -> Ask:
    """Return a function that asks hosts, through the manager of a clone or of a hub's path."""

    def ask_host(host: str, request: Request) -> Reply:
        wanted = {"do": "call", "host": host, "request": request.model_dump(mode="json")}
        return read_reply(ask(asker, wanted)["reply"])

    return ask_host


def ask(
    asker: Clone | Path, request: dict[str, Any], say: Callable[[str], object] = print
) -> dict[str, Any]:
    """Ask the manager of a clone or of a hub's path; its progress lines go to `say`."""
    hub = asker if isinstance(asker, Path) else asker.origin.hub_path()
    return client.ask_hub(hub, request, say)


def is_managed(asker: Clone | Path) -> bool:
    """Say whether a manager runs; True if this process cannot find out.

    It cannot for a hub on another machine, or of another user.
    """
    hub = asker if isinstance(asker, Path) else asker.origin.hub_path()
    try:
        if hub is not None:
            with client.opened(hub):
                pass
    except DoorClosed:
        return True
    except HostUnavailable:
        return False
    return True
