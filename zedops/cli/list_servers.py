"""`zedops list`: every server and how it is."""

from __future__ import annotations

import click

from zedops.cli.screen import AT, ago, facts, fleet_at, here, show_json, table


@click.command("list")
@click.option("-a", "--all", "everything", is_flag=True, help="Deleted servers, too.")
@AT
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_command(everything: bool, at: str | None, as_json: bool) -> None:
    """List the servers of the fleet you are in, as the hub knows them now.

    \b
    zedops list --at 2026-11-23T10:00       how everything was then
    zedops list --json | jq '.[] | select(.status == "failed")'
    """
    fleet = fleet_at(here(), at)
    shown = [*fleet.servers(), *(fleet.tombstones() if everything or as_json else ())]
    rows = [facts(fleet, each) for each in sorted(shown, key=lambda each: each.name)]
    if as_json:
        show_json(rows)
        return
    table(
        ["NAME", "STATUS", "SINCE", "HOST", "IMAGE", "PORTS", "MESSAGE"],
        [
            [
                row["name"], row["status"], ago(row["since"]), row["host"] or "-",
                row["image"] or "-", " ".join(row["ports"]) or "-", row["message"] or "",
            ]
            for row in rows
        ],
        "no servers yet; `zedops new NAME --image IMAGE` writes the first",
    )
