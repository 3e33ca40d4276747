"""`zedops logs`: what a server says."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import click

from zedops import hook
from zedops.cli.screen import find_server, here
from zedops.errors import HostUnavailable, ZedopsError


@click.command("logs")
@click.argument("server")
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--tail", default=100, show_default=True, help="How many old lines.")
def logs_command(server: str, follow: bool, tail: int) -> None:
    """Show a server's log.

    \b
    zedops logs rosewood -f
    """
    clone = here()
    each = find_server(clone.fleet(), server)
    hub = clone.origin_path()
    if hub is None:
        raise HostUnavailable("logs come from the manager; run this on the manager's machine")
    if each.id is None:
        raise ZedopsError(f"{server} has not been taken up yet; try again in a moment")
    request = {"do": "logs", "id": each.id, "follow": follow, "tail": tail}
    answer = _stream(hub, request)
    if answer.get("error"):
        raise ZedopsError(str(answer["error"]))


def _stream(hub: Path, request: dict[str, object]) -> dict[str, object]:
    folder = os.open(hub, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            try:
                link.connect(f"/proc/self/fd/{folder}/{hook.SOCKET}")
            except OSError as error:
                remedy = "start it with `zedops up`"
                raise HostUnavailable(f"no manager is running on {hub}; {remedy}") from error
            with link.makefile("rwb") as stream:
                stream.write(json.dumps(request).encode() + b"\n")
                stream.flush()
                for line in stream:
                    reply = json.loads(line)
                    if "say" in reply:
                        sys.stdout.write(reply["say"])
                        sys.stdout.flush()
                    if "answer" in reply:
                        return dict(reply["answer"])
    finally:
        os.close(folder)
    raise HostUnavailable("the manager went away; the server goes on")
