"""`zedops backups`: the snapshots of worlds, in every repository of the fleet."""

from __future__ import annotations

import click

from zedops.cli.backup_queries import Listed, list_snapshots
from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.find import find_any, here
from zedops.cli.output import show_json, table, tell_silent
from zedops.errors import HostUnavailable
from zedops.queries.output import SnapshotRow
from zedops.spec.quantities import format_size


@click.command("backups")
@click.argument("server", required=False, type=ANY_SERVER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backups_command(server: str | None, as_json: bool) -> None:
    """List the snapshots of a server, or of all; also of servers that are gone.

    \b
    zedops backups rosewood
    zedops backup rosewood --wait       makes one
    """
    clone = here()
    fleet = clone.fleet()
    found = list_snapshots(clone, fleet)
    rows = found.rows
    if server is not None:
        rows = [each for each in rows if server in (each.server, each.server_id)]
        if not rows and not found.silent:
            find_any(fleet, server)  # UsageError for a name that never was
    if as_json:
        show_json([vars(each) for each in rows])
    else:
        _show(rows)
    tell_silent(found.silent)
    _tell_passwords(found)
    if found.silent and not rows:
        raise HostUnavailable("not every repository could be read, so there may be snapshots")


def _show(rows: list[SnapshotRow]) -> None:
    table(
        ["SNAPSHOT", "SERVER", "AT", "WHY", "SIZE", "REPOSITORY"],
        [[each.id, each.server, each.at, each.reason, _size(each), _place(each)] for each in rows],
        "no snapshots; `zedops backup NAME` makes one",
    )


def _size(row: SnapshotRow) -> str:
    return format_size(row.size_bytes) if row.size_bytes is not None else "-"


def _place(row: SnapshotRow) -> str:
    return f"{row.repository} ({row.host})"


def _tell_passwords(found: Listed) -> None:
    """Say where the passwords are: without them, no snapshot can be read elsewhere."""
    for host, path in found.passwords.items():
        fact = f"{host}: save the repository and its password elsewhere, too: {path}"
        click.echo(fact, err=True)

