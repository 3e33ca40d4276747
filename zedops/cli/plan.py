"""`zedops plan`: what a push of the working copy would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zedops.cli import door
from zedops.cli.names import SERVER
from zedops.cli.output import show_json, table


@click.command("plan")
@click.argument("server", required=False, type=SERVER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan_command(server: str | None, as_json: bool) -> None:
    """Say what a push of the working copy would do to each server, and change nothing.

    Nothing, in place, restart, recreate, create, start, stop, move, delete, or refused. A push
    says the same, and `git push -o dry-run` says it without being taken in.

    \b
    zedops plan
    zedops plan rosewood --json
    """
    asked = {"do": "plan", "server": server}
    said = door.asked_of_edits(asked, Path.cwd()) or read(server)
    if as_json:
        show_json({key: said[key] for key in ("servers", "problems", "warnings")})
        return
    table(
        ["SERVER", "EFFECT", "DATA", "BECAUSE"],
        [[each["server"], each["effect"], each["data"] or "-", "; ".join(each["because"]) or "-"]
         for each in said["servers"] if each["effect"] != "nothing"],
        "nothing changes",
    )
    for problem in said["problems"]:
        click.echo(f"refused: {problem}")
    for warning in said["warnings"]:
        click.echo(f"warning: {warning}")


def read(server: str | None) -> dict[str, Any]:
    """Work it out here, where no manager is near that has the fleet in memory."""
    from zedops import proposals
    from zedops.cli.screen import here

    clone = here()
    return proposals.plan(*clone.proposed_fleet(), server, clone.suspects())
