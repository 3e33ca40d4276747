"""`zedops orphans`: containers and data on hosts that no definition owns."""

from __future__ import annotations

import click

from zedops.cli.completion_types import HOST
from zedops.cli.output import WAIT, show_json, table, tell_silent
from zedops.control import client
from zedops.errors import UsageError
from zedops.queries.conversion import read_all
from zedops.queries.output import OrphanRow


@click.command("orphans")
@click.option("--host", type=HOST, help="Default: every host of the fleet.")
@click.option("--adopt", metavar="ID|NAME", help="Bring an orphan back, with its data.")
@click.option("--name", help="For --adopt: its new name. Default: its former name.")
@click.option("--remove", metavar="ID|NAME", help="Remove an orphan's container.")
@click.option("--data", is_flag=True, help="For --remove: remove its data, too. No way back.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def orphans_command(
    host: str | None, adopt: str | None, name: str | None, remove: str | None, data: bool,
    as_json: bool, wait: bool, yes: bool,
) -> None:
    """Show containers and data directories of this fleet that no definition owns.

    \b
    zedops orphans
    zedops orphans --adopt rosewood
    zedops orphans --remove 01JD… --data
    """
    if adopt and remove:
        raise UsageError("--adopt and --remove contradict each other; choose one")
    if adopt or remove:
        from zedops.cli import orphan_actions

        if adopt:
            orphan_actions.adopt(host, adopt, name, wait=wait, yes=yes)
        elif remove:
            orphan_actions.remove(host, remove, data=data, wait=wait, yes=yes)
        return
    said = client.asked({"do": "orphans", "host": host}, None)
    rows, silent = (read_all(OrphanRow, said["rows"]), said["silent"]) if said else read(host)
    tell_silent(silent)
    if as_json:
        show_json(rows)
        return
    table(
        ["HOST", "NAME", "CONTAINER", "DATA", "ID"],
        [[each.host, each.name or "-", _container(each), _data(each), each.id] for each in rows],
        "no orphans",
    )


def read(host: str | None) -> tuple[list[OrphanRow], dict[str, str]]:
    """Read the fleet here, if no manager on this machine has it in memory."""
    from zedops.cli.find import here
    from zedops.control.hosts import asking
    from zedops.queries import hosts

    clone = here()
    return hosts.orphans(clone.fleet(), host, asking(clone))


def _container(each: OrphanRow) -> str:
    if each.container is None:
        return "-"
    return f"{each.container} ({'running' if each.running else 'stopped'})"


def _data(each: OrphanRow) -> str:
    if each.path is None:
        return "-"
    return each.path + {True: "", False: " (empty)", None: " (?)"}[each.data_exists]
