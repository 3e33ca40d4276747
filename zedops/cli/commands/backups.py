"""`zedops backups`: the snapshots of worlds, in every repository of the fleet."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli.backup_queries import list_snapshots
from zedops.cli.completion_types import ANY_SERVER
from zedops.cli.find import find_any, here
from zedops.cli.output import show_json, table, tell_silent
from zedops.errors import HostUnavailable, UsageError
from zedops.queries.backups import Listed
from zedops.queries.output import SnapshotRow
from zedops.spec.quantities import format_size
from zedops.spec.state_block import format_time


@click.command("backups")
@click.argument("server", required=False, type=ANY_SERVER)
@click.option("--repository", metavar="ADDRESS",
              help="Read a repository itself, as for `restic -r`: no host has to answer.")
@click.option("--password-file", type=click.Path(path_type=Path),
              help="The file with its password.")
@click.option("--recover", is_flag=True,
              help="Write the definitions of its servers into this clone, to restore them all.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backups_command(
    server: str | None, repository: str | None, password_file: Path | None, recover: bool,
    as_json: bool,
) -> None:
    """List the snapshots of a server, or of all; also of servers that are gone.

    \b
    zedops backups rosewood
    zedops backup rosewood --wait       makes one
    zedops backups --repository /mnt/usb/repository --password-file word --recover
    """
    if repository is not None:
        _read(repository, password_file, recover=recover)
        return
    if recover or password_file is not None:
        raise UsageError("--recover and --password-file need --repository ADDRESS")
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


def _read(address: str, password_file: Path | None, *, recover: bool) -> None:
    """Show the servers of a repository, or write their definitions into this clone."""
    from zedops.cli import recovery

    if password_file is None:
        raise UsageError("name the file with its password: --password-file FILE")
    found = recovery.look(address, password_file)
    if not recover:
        table(
            ["SERVER", "SNAPSHOT", "AT", "ID"],
            [[each.name, each.snapshot.short, format_time(each.snapshot.at), each.server_id]
             for each in found],
            "this repository has no snapshots of zedops",
        )
        return
    clone = here()
    for path in recovery.write(clone.root, address, found):
        click.echo(f"wrote {path.relative_to(clone.root)}")
    click.echo(
        "look at the files: values of `secrets:` are not in them. Then allow the repository on each"
        f" host (`backups: [\"{address}\"]` in /etc/zedops/agent.yaml), put its password into"
        " secrets/FLEET/backups.recovered/PASSWORD of the data root, commit and push", err=True,
    )


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

