"""`zedops show`: one server, all that is known."""

from __future__ import annotations

import click

from zedops import document, origin
from zedops.cli.screen import AT, ago, facts, find_server, fleet_at, here, show_json
from zedops.errors import UsageError


@click.command("show")
@click.argument("server")
@click.option("--resolved", is_flag=True,
              help="What its host gets, preset and defaults included, and where it came from.")
@AT
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show_command(server: str, resolved: bool, at: str | None, as_json: bool) -> None:
    """Show one server: its definition as written, and what zedops knows of it.

    \b
    zedops show rosewood
    zedops show rosewood --resolved
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
    if resolved:
        found = origin.values(fleet, each)
        if as_json:
            show_json(origin.as_json(found))
        else:
            click.echo(f"# {each.path}")
            click.echo(origin.write(found), nl=False)
        return
    if as_json:
        made = fleet.resolve(each)[0] or each.definition
        definition = made.model_dump(mode="json") if made else None
        show_json({**facts(fleet, each), "definition": definition})
        return
    click.echo(f"# {each.path}")
    click.echo(document.render(each.head, each.state).decode("utf-8", "replace"), nl=False)
    if each.state:
        click.echo(f"\n{each.name} is {each.state.status}, for {ago(each.state.since)}")
