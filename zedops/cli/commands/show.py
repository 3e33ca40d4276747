"""`zedops show`: one server, its definition and its state."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.output import AT, ago, echo_raw, show_json
from zedops.control import client
from zedops.queries import conversion
from zedops.queries.rows import ServerDetail


@click.command("show")
@click.argument("server", type=ANY_SERVER)
@click.option("--resolved", is_flag=True,
              help="Show every value that its host gets, and its source: file, defaults or preset.")
@AT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_command(server: str, resolved: bool, at: str | None, as_json: bool) -> None:
    """Show one server: its definition as written, and its state.

    \b
    zedops show rosewood
    zedops show rosewood --resolved
    zedops show rosewood --json | jq -r .status
    """
    if resolved:
        _show_resolved(server, at, as_json=as_json)
        return
    said = client.asked({"do": "show", "server": server}) if at is None else None
    if said is not None:
        row, text = conversion.read(ServerDetail, said["row"]), said["row"]["text"]
    else:
        row, text = _read(server, at)
    if as_json:
        show_json(row)
    else:
        click.echo(f"# {row.path}")
        echo_raw(text)
        since = datetime.fromisoformat(row.since) if row.since else None
        click.echo(f"\n{row.name} is {row.shown}, for {ago(since)}")
        if row.backup_at is not None:
            made = ago(datetime.fromisoformat(row.backup_at))
            click.echo(f"its last backup is {made} old: {row.backup_snapshot}")
        if row.backup_proven_at is not None:
            proven = ago(datetime.fromisoformat(row.backup_proven_at))
            click.echo(f"snapshot {row.backup_proven} started {proven} ago, in a proof")
    if said is None and at is None:
        from zedops.cli.caveat import warn

        warn(Path.cwd())


def _show_resolved(server: str, at: str | None, *, as_json: bool) -> None:
    from zedops.cli.find import find_any, fleet_at, here
    from zedops.fleet import provenance
    from zedops.queries import servers

    fleet = fleet_at(here(), at)
    each = find_any(fleet, server)
    if as_json:
        show_json(servers.resolved(fleet, each))
    else:
        click.echo(f"# {each.path}")
        echo_raw(provenance.write(provenance.values(fleet, each)))


def _read(server: str, at: str | None) -> tuple[ServerDetail, str]:
    """Read the fleet here, if no manager on this machine has it in memory."""
    from zedops.cli.find import find_any, fleet_at, here
    from zedops.queries import servers

    fleet = fleet_at(here(), at)
    each = find_any(fleet, server)
    return servers.detail(fleet, each), servers.text(each)
