"""The live output of a server, from its host through the manager.

With a manager on this machine, it imports little.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zedops.cli.output import echo_raw
from zedops.control import client
from zedops.errors import HostUnavailable, ZedopsError


def stream(server: str, wanted: dict[str, Any]) -> None:
    """Ask a server's host for a stream and print it until it ends. Raises the host's error.

    `wanted` is one of `requests.StreamRequest` without the server's id.
    """
    hub, server_id = locate(server)
    request = {"do": "stream", "request": {**wanted, "server_id": server_id}}
    client.ask_hub(hub, request, echo_raw)


def locate(server: str) -> tuple[Path, str]:
    """Find the hub to ask about a server, and the server's id. HostUnavailable without one."""
    hub, server_id = client.near(Path.cwd()), None
    said = client.asked({"do": "show", "server": server})
    if said is not None and said["row"]["deleted_at"] is None:
        server_id = said["row"]["id"]
    if hub is None or server_id is None:
        from zedops.cli.find import here, one_server

        clone = here()
        server_id = one_server(clone, server)[1].id
        hub = clone.origin.hub_path()
    if server_id is None:
        if hub is not None:
            with client.opened(hub):  # raises HostUnavailable without a manager
                pass
        raise ZedopsError(f"zedops has not taken {server} up yet; try again in a moment")
    if hub is None:
        fact = "only the manager can answer this"
        raise HostUnavailable(f"{fact}; run this command on the manager's machine, in a clone")
    return hub, server_id
