"""`zedops delete`: the container goes, the data stays."""

from __future__ import annotations

import click

from zedops.cli.act_plan import preview
from zedops.cli.completion_types import SELECTED
from zedops.cli.find import here
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.cli.selection import listed, living, selects, wish
from zedops.clone import verbs
from zedops.spec.quantities import format_duration


@click.command("delete")
@selects(SELECTED, "server")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def delete_command(
    servers: tuple[str, ...], every: bool, hosts: tuple[str, ...], labels: tuple[str, ...],
    dry_run: bool, wait: bool, yes: bool,
) -> None:
    """Delete servers: their containers are stopped and removed, their data is kept.

    \b
    zedops delete rosewood
    zedops delete attic/
    zedops restore rosewood     brings it back, with its data
    """
    clone = here()
    fleet, chosen = living(clone, wish(servers, every, hosts, labels))
    made = verbs.together("delete", [verbs.delete(each) for each in chosen])
    if dry_run:
        preview(clone, made)
        return
    kept = format_duration(fleet.settings.retention)
    whose = "Its data stays; it" if len(chosen) == 1 else "Their data stays; they"
    count = "" if len(chosen) == 1 else f"{len(chosen)} servers: "
    ask(f"Delete {count}{listed(chosen)}? {whose} can be restored for {kept}.", yes=yes)
    act(clone, made, *(each.name for each in chosen), wait=wait, ends=True)
