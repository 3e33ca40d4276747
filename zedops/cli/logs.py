"""`zedops logs`: what a server says."""

from __future__ import annotations

import click

from zedops.cli.names import SERVER
from zedops.cli.stream import stream


@click.command("logs")
@click.argument("server", type=SERVER)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--tail", default=100, show_default=True, help="How many old lines.")
def logs_command(server: str, follow: bool, tail: int) -> None:
    """Show a server's log.

    \b
    zedops logs rosewood -f
    """
    stream(server, {"kind": "logs", "follow": follow, "tail": tail})
