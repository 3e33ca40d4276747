"""`zedops show`: one server, its definition and its state."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.output import AT, ago, echo_raw, show_json
from zedops.control import client


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
    row = said["row"] if said is not None else _read(server, at)
    text = row.pop("text")
    if as_json:
        show_json(row)
    else:
        click.echo(f"# {row['path']}")
        echo_raw(text)
        since = row["since"]
        since = datetime.fromisoformat(since) if isinstance(since, str) else since
        click.echo(f"\n{row['name']} is {row['status']}, for {ago(since)}")
    if said is None and at is None:
        from zedops.cli.caveat import warn

        warn(Path.cwd())


def _show_resolved(server: str, at: str | None, *, as_json: bool) -> None:
    from zedops.cli.find import find_any, fleet_at, here
    from zedops.fleet import provenance

    fleet = fleet_at(here(), at)
    each = find_any(fleet, server)
    found = provenance.values(fleet, each)
    if as_json:
        show_json(provenance.as_json(found))
    else:
        click.echo(f"# {each.path}")
        echo_raw(provenance.write(found))


def _read(server: str, at: str | None) -> dict[str, Any]:
    """Read the fleet here, if no manager on this machine has it in memory."""
    from zedops.cli.find import find_any, fleet_at, here
    from zedops.queries import servers

    fleet = fleet_at(here(), at)
    return servers.detail(fleet, find_any(fleet, server))
