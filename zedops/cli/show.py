"""`zedops show`: one server, all that is known."""

from __future__ import annotations

import click

from zedops import document
from zedops.cli.screen import AT, ago, facts, find_server, fleet_at, here, show_json
from zedops.errors import UsageError


@click.command("show")
@click.argument("server")
@AT
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show_command(server: str, at: str | None, as_json: bool) -> None:
    """Show one server: its definition as written, and what zedops knows of it.

    \b
    zedops show rosewood
    zedops show rosewood --json | jq -r .status
    """
    fleet = fleet_at(here(), at)
    try:
        each = find_server(fleet, server)
    except UsageError:
        graves = [grave for grave in fleet.tombstones() if grave.name == server]
        if not graves:
            raise
        each = graves[0]
    if as_json:
        definition = each.definition.model_dump(mode="json") if each.definition else None
        show_json({**facts(fleet, each), "definition": definition})
        return
    click.echo(f"# {each.path}")
    click.echo(document.render(each.head, each.state).decode("utf-8", "replace"), nl=False)
    if each.state:
        click.echo(f"\n{each.name} is {each.state.status}, for {ago(each.state.since)}")
