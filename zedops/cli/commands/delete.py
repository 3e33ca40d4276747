"""`zedops delete`: the container goes, the data stays."""

from __future__ import annotations

import click

from zedops.cli.completion_types import SERVER
from zedops.cli.find import here, one_server
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.clone import verbs
from zedops.spec.quantities import format_duration


@click.command("delete")
@click.argument("server", type=SERVER)
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete_command(server: str, wait: bool, yes: bool) -> None:
    """Delete a server: its container is stopped and removed, its data is kept.

    \b
    zedops delete rosewood
    zedops restore rosewood     brings it back, with its data
    """
    clone = here()
    fleet, each = one_server(clone, server)
    kept = format_duration(fleet.settings.retention)
    ask(f"Delete {server}? Its data stays; it can be restored for {kept}.", yes=yes)
    act(clone, verbs.delete(each), server, wait=wait, ends=True)
