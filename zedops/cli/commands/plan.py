"""`zedops plan`: a preview of a push of the working copy."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli.act_plan import show
from zedops.cli.completion_types import SERVER
from zedops.cli.output import show_json
from zedops.control import client
from zedops.queries import conversion
from zedops.queries.output import Planned


@click.command("plan")
@click.argument("server", required=False, type=SERVER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan_command(server: str | None, as_json: bool) -> None:
    """Preview a push of the working copy: its effect on each server. Changes nothing.

    Effects: nothing, in place, restart, recreate, create, start, stop, move, delete, refused.
    A push prints the same; `git push -o dry-run` prints it and changes nothing.

    \b
    zedops plan
    zedops plan rosewood --json
    """
    asked = client.asked_of_edits({"do": "plan", "server": server}, Path.cwd())
    said = read(server) if asked is None else conversion.read(Planned, asked)
    if as_json:
        show_json(said)
        return
    show(said)


def read(server: str | None) -> Planned:
    """Plan here, if no manager on this machine has the fleet in memory."""
    from zedops.cli.find import here
    from zedops.queries import changes

    clone = here()
    return changes.plan(*clone.proposed_fleet(), server, clone.suspects())
