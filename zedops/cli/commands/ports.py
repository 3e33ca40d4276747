"""`zedops ports`: which host ports are taken, by whom, and which are free."""

from __future__ import annotations

import click

from zedops.cli.completion_types import ANY_SERVER, HOST
from zedops.cli.output import show_json, table
from zedops.control import client
from zedops.queries.conversion import read_all
from zedops.queries.output import PortRow


@click.command("ports")
@click.option("--free", "count", type=click.IntRange(1, 100), help="Suggest that many in a row.")
@click.option("--for", "wanted", metavar="SERVER|FILE", type=ANY_SERVER,
              help="Suggest a free set for a definition; keeps the distances between its ports.")
@click.option("--udp/--tcp", "udp", default=True, help="For --free. Default: udp.")
@click.option("--host", type=HOST, help="Default: `defaults.host`, or the only host.")
@click.option("--from", "start", default=16261, show_default=True, help="For --free.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ports_command(
    count: int | None, wanted: str | None, udp: bool, host: str | None, start: int, as_json: bool
) -> None:
    """Show taken host ports and their holders, or suggest free ports.

    Ports of other programs are known only on the manager's machine.

    \b
    zedops ports
    zedops ports --free 2 --udp                 a game port and the one after it
    zedops ports --for servers.d/rosewood.yaml  a free set for its ports
    """
    if wanted is None and count is None:
        _show_taken(host, as_json=as_json)
        return
    from zedops.cli import free_ports

    if wanted is not None:
        free_ports.suggest_set(wanted, host, as_json=as_json)
    elif count is not None:
        free_ports.suggest(count, "udp" if udp else "tcp", host, start, as_json=as_json)


def _show_taken(host: str | None, *, as_json: bool) -> None:
    said = client.asked({"do": "ports", "host": host}, None)
    rows, silent = (read_all(PortRow, said["rows"]), said["silent"]) if said else read(host)
    for where, why in silent.items():
        click.echo(f"{where}: only the fleet's own ports are known: {why}", err=True)
    if as_json:
        show_json(rows)
        return
    table(
        ["HOST", "PORT", "WHO", "KEY"],
        [[row.host, f"{row.port}/{row.protocol}", row.server or row.holder or "-", row.key or "-"]
         for row in rows],
        "no host ports in use",
    )


def read(host: str | None) -> tuple[list[PortRow], dict[str, str]]:
    """Read the fleet here, if no manager on this machine has it in memory."""
    from zedops.cli.find import here
    from zedops.control.hosts import asking
    from zedops.queries import hosts

    clone = here()
    return hosts.taken_ports(clone.fleet(), host, asking(clone))
