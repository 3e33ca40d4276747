"""`zedops restore`: a deleted server comes back, same id, same data."""

from __future__ import annotations

import click

from zedops.cli.completion_types import DELETED
from zedops.cli.find import here
from zedops.cli.output import WAIT
from zedops.cli.push import act
from zedops.clone import verbs
from zedops.errors import UsageError


@click.command("restore")
@click.argument("server", type=DELETED)
@WAIT
def restore_command(server: str, wait: bool) -> None:
    """Bring a deleted server back, with its data, into the folder that it was in.

    \b
    zedops restore rosewood --wait
    """
    clone = here()
    grave = next(clone.read_server(server).tombstones(), None)
    if grave is None:
        fleet = clone.fleet()
        names = ", ".join(sorted(each.name for each in fleet.tombstones())) or "none"
        raise UsageError(f"no deleted server {server!r}; deleted and still kept: {names}")
    act(clone, verbs.restore(grave, clone.last_place(server)), server, wait=wait)
