"""`zedops logs`: what a server says."""

from __future__ import annotations

import click

from zedops.calls import LogsRequest
from zedops.cli.ask import ask
from zedops.cli.names import SERVER
from zedops.cli.output import echo_raw
from zedops.cli.screen import find_server, here
from zedops.errors import ZedopsError


@click.command("logs")
@click.argument("server", type=SERVER)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--tail", default=100, show_default=True, help="How many old lines.")
def logs_command(server: str, follow: bool, tail: int) -> None:
    """Show a server's log.

    \b
    zedops logs rosewood -f
    """
    clone = here()
    each = find_server(clone.fleet(), server)
    if each.id is None:
        raise ZedopsError(f"{server} has not been taken up yet; try again in a moment")
    wanted = LogsRequest(server_id=each.id, follow=follow, tail=tail)
    request = {"do": "stream", "request": wanted.model_dump(mode="json")}
    ask(clone, request, echo_raw)
