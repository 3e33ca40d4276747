"""`zedops restore`: a deleted server comes back, same id, same data."""

from __future__ import annotations

import click

from zedops.cli.act_plan import preview
from zedops.cli.completion_types import DELETED
from zedops.cli.find import here
from zedops.cli.output import WAIT
from zedops.cli.push import act
from zedops.cli.selection import deleted, selects, wish
from zedops.clone import verbs


@click.command("restore")
@selects(DELETED, "deleted server")
@WAIT
def restore_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool,
) -> None:
    """Bring deleted servers back, with their data, each into the folder that it was in.

    \b
    zedops restore rosewood --wait
    """
    clone = here()
    _, chosen = deleted(clone, wish(servers, every, hosts, labels))
    made = verbs.together(
        "restore", [verbs.restore(each, clone.last_place(each.name)) for each in chosen]
    )
    if dry_run:
        preview(clone, made)
        return
    act(clone, made, *(each.name for each in chosen), wait=wait)
