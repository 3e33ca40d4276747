"""`zedops ports`: which host ports the fleet uses, and which are free."""

from __future__ import annotations

import click

from zedops.cli.screen import here, show_json, table
from zedops.fleet import Fleet, free_ports, ports_in_use


@click.command("ports")
@click.option("--free", "count", type=click.IntRange(1, 100), help="Suggest so many in a row.")
@click.option("--udp/--tcp", "udp", default=True, help="For --free. Default: udp.")
@click.option("--host", help="For --free. Default: the fleet's only host.")
@click.option("--from", "start", default=16261, show_default=True, help="For --free.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def ports_command(
    count: int | None, udp: bool, host: str | None, start: int, as_json: bool
) -> None:
    """Show the host ports that the fleet's servers take, or free ones for the next.

    \b
    zedops ports
    zedops ports --free 2 --udp     a game port and the one after it
    """
    fleet = here().fleet()
    if count is not None:
        _suggest(fleet, count, "udp" if udp else "tcp", host, start, as_json=as_json)
        return
    rows = [
        {"host": where or "-", "port": number, "protocol": protocol, "server": server, "key": key}
        for (where, protocol, number), holders in ports_in_use(fleet).items()
        for server, key in ((each.name, key) for each, key in holders)
    ]
    rows.sort(key=lambda row: (str(row["host"]), str(row["protocol"]), int(str(row["port"]))))
    if as_json:
        show_json(rows)
        return
    table(
        ["HOST", "PORT", "SERVER", "KEY"],
        [[str(row["host"]), f"{row['port']}/{row['protocol']}", str(row["server"]),
          str(row["key"])] for row in rows],
        "no host ports in use",
    )


def _suggest(
    fleet: Fleet, count: int, protocol: str, host: str | None, start: int, *, as_json: bool
) -> None:
    only = fleet.settings.hosts[0] if len(fleet.settings.hosts) == 1 else None
    found = free_ports(fleet, host or only, protocol, count, start)
    if as_json:
        show_json(found)
    else:
        click.echo(" ".join(f"{number}/{protocol}" for number in found))
