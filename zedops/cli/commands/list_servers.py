"""`zedops list`: every server and its status."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from zedops.cli.output import AT, ago, show_json, table
from zedops.clone import checkout
from zedops.control import client
from zedops.queries.conversion import read_all
from zedops.queries.rows import ServerRow


@click.command("list")
@click.option("-a", "--all", "everything", is_flag=True, help="List deleted servers, too.")
@AT
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(everything: bool, at: str | None, as_json: bool) -> None:
    """List the servers of the fleet you are in, as the hub knows them now.

    \b
    zedops list --at 2026-11-23T10:00       the fleet at that time
    zedops list --json | jq '.[] | select(.status == "failed")'
    """
    found, is_watched = _rows(at, include_deleted=everything)
    if as_json:
        show_json(found)
    else:
        _show(found)
    if not is_watched:
        from zedops.cli.caveat import warn

        warn(Path.cwd())


def _show(found: list[ServerRow]) -> None:
    has_backups = any(row.backup_at or row.backup_late_at for row in found)
    table(
        ["NAME", "STATUS", "SINCE", "HOST", "IMAGE", "PORTS", *(["BACKUP"] if has_backups else []),
         "MESSAGE"],
        [
            [
                row.name, row.shown, ago(_time(row.since)), row.host or "-", row.image or "-",
                " ".join(row.ports) or "-", *([_backup(row)] if has_backups else []),
                row.message or "",
            ]
            for row in found
        ],
        "no servers yet; `zedops new NAME --image IMAGE` writes the first",
    )


def _backup(row: ServerRow) -> str:
    """Write the age of the last backup, and whether its schedule asks for a newer one."""
    late = _time(row.backup_late_at)
    is_late = late is not None and late < datetime.now(UTC)
    return f"{ago(_time(row.backup_at))}{' overdue' if is_late else ''}"


def _rows(at: str | None, *, include_deleted: bool) -> tuple[list[ServerRow], bool]:
    """Ask the manager, which has the fleet in memory; read the fleet if none answers here.

    Returns the rows, and False if a caveat is due because no manager answered.
    """
    asked: dict[str, Any] = {"do": "list", "buried": include_deleted}
    if at is not None:
        repository = checkout.find_clone(Path.cwd())
        checkout.fetch(repository)
        asked |= {"do": "list-at", "at": checkout.at(repository, at)}
    said = client.asked(asked)
    if said is not None:
        return read_all(ServerRow, said["rows"]), True
    from zedops.cli.find import here
    from zedops.clone.clone import Clone
    from zedops.queries import servers

    fleet = here().fleet() if at is None else Clone.find(Path.cwd()).fleet(asked["at"])
    return servers.rows(fleet, include_deleted=include_deleted), at is not None


def _time(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at) if at else None
