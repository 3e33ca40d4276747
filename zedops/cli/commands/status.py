"""`zedops status`: `list` for the fleet, `show` for one server."""

from __future__ import annotations

import click

from zedops.cli.commands.list_servers import list_command
from zedops.cli.commands.show import show_command
from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.output import AT


@click.command("status")
@click.argument("server", required=False, type=ANY_SERVER)
@AT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status_command(
    context: click.Context, server: str | None, at: str | None, as_json: bool
) -> None:
    """Show the status of the fleet, as `list` does, or of one server, as `show` does.

    \b
    zedops status
    zedops status rosewood --at 2026-11-23T10:00
    """
    if server is None:
        context.invoke(list_command, everything=False, at=at, as_json=as_json)
    else:
        context.invoke(show_command, server=server, resolved=False, at=at, as_json=as_json)
