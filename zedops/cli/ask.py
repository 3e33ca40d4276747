"""What commands ask of the running manager and, through it, of hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zedops.calls import R, Reply, Request, expect, read_reply
from zedops.cli import door
from zedops.clone import Clone
from zedops.errors import DoorClosed, HostUnavailable
from zedops.looks import Ask


def call(asker: Clone | Path, host: str, request: Request, expected: type[R]) -> R:
    """Ask a host something. HostUnavailable where nobody answers."""
    return expect(asking(asker)(host, request), expected, host)


def asking(asker: Clone | Path) -> Ask:
    """Give the way to ask hosts, through the manager of a clone or of a hub's path."""

    def ask_host(host: str, request: Request) -> Reply:
        wanted = {"do": "call", "host": host, "request": request.model_dump(mode="json")}
        return read_reply(ask(asker, wanted)["reply"])

    return ask_host


def ask(
    asker: Clone | Path, request: dict[str, Any], say: Callable[[str], object] = print
) -> dict[str, Any]:
    """Ask the manager of a clone or of a hub's path; what it says on the way goes to `say`."""
    hub = asker if isinstance(asker, Path) else asker.hub_path()
    return door.ask_hub(hub, request, say)


def is_managed(asker: Clone | Path) -> bool:
    """Say whether a manager runs; where that cannot be seen: yes.

    It cannot be seen of a hub on another machine, or of another user.
    """
    hub = asker if isinstance(asker, Path) else asker.hub_path()
    try:
        if hub is not None:
            with door.opened(hub):
                pass
    except DoorClosed:
        return True
    except HostUnavailable:
        return False
    return True
