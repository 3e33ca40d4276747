"""`zedops ports`: which host ports are taken, by whom, and which are free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from zedops import document
from zedops.calls import PortsReply, PortsRequest, PortUse
from zedops.cli.ask import call, the_host
from zedops.cli.names import ANY_SERVER, HOST
from zedops.cli.output import show_json, table
from zedops.cli.screen import find_server, here
from zedops.clone import Clone
from zedops.document import Document
from zedops.errors import HostUnavailable, InvalidInput, ZedopsError
from zedops.fleet import Fleet
from zedops.ports import free_ports, free_set, ports_in_use, published, taken_on


@click.command("ports")
@click.option("--free", "count", type=click.IntRange(1, 100), help="Suggest so many in a row.")
@click.option("--for", "wanted", metavar="SERVER|FILE", type=ANY_SERVER,
              help="Suggest a free set for a definition, the distances between its ports kept.")
@click.option("--udp/--tcp", "udp", default=True, help="For --free. Default: udp.")
@click.option("--host", type=HOST, help="Default: the fleet's only host.")
@click.option("--from", "start", default=16261, show_default=True, help="For --free.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def ports_command(
    count: int | None, wanted: str | None, udp: bool, host: str | None, start: int, as_json: bool
) -> None:
    """Show the host ports that are taken, by servers and by anybody else, or free ones.

    What others on a host hold is shown where its manager runs on this machine.

    \b
    zedops ports
    zedops ports --free 2 --udp                 a game port and the one after it
    zedops ports --for servers.d/rosewood.yaml  a free set like the one in there
    """
    clone = here()
    fleet = clone.fleet()
    if wanted is not None:
        _suggest_set(clone, fleet, wanted, host, as_json=as_json)
    elif count is not None:
        taken = taken_by_others(clone, fleet, the_host(fleet, host), None)
        found = free_ports(taken, protocol := "udp" if udp else "tcp", count, start)
        _show_free({str(at): each for at, each in enumerate(found)}, protocol, as_json=as_json)
    else:
        _show_taken(clone, fleet, host, as_json=as_json)


def _show_taken(clone: Clone, fleet: Fleet, host: str | None, *, as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"host": where or "-", "port": number, "protocol": protocol, "server": each.name,
         "key": key, "holder": None}
        for (where, protocol, number), holders in ports_in_use(fleet).items()
        if host in (None, where)
        for each, key in holders
    ]
    for where in [host] if host else fleet.settings.hosts:
        rows += [
            {"host": where, "port": use.port, "protocol": use.protocol, "server": None,
             "key": None, "holder": use.holder}
            for use in _uses(clone, the_host(fleet, where)) if fleet.owner(use.server_id) is None
        ]
    rows.sort(key=lambda row: (row["host"], row["protocol"], row["port"]))
    if as_json:
        show_json(rows)
        return
    table(
        ["HOST", "PORT", "WHO", "KEY"],
        [[row["host"], f"{row['port']}/{row['protocol']}", row["server"] or row["holder"],
          row["key"] or "-"] for row in rows],
        "no host ports in use",
    )


def _suggest_set(
    clone: Clone, fleet: Fleet, wanted: str, host: str | None, *, as_json: bool
) -> None:
    path = Path(wanted)
    each = _read(path) if path.is_file() else find_server(fleet, wanted)
    ports = dict(published(fleet, each))
    where = the_host(fleet, host or fleet.host_of(each))
    found = free_set(taken_by_others(clone, fleet, where, each), ports)
    if as_json:
        show_json(found)
        return
    for key, number in found.items():
        click.echo(f"{key}: {number}/{ports[key].protocol}")
    if not found:
        raise ZedopsError(f"{each.name}: no free set of {len(ports)} ports on {where}")


def _read(path: Path) -> Document:
    each = document.parse(f"servers.d/{path.name}", path.read_bytes())
    if each.definition is None:
        raise InvalidInput(each.problems)
    return each


def taken_by_others(
    clone: Clone, fleet: Fleet, host: str, apart_from: Document | None
) -> set[tuple[str, int]]:
    """Collect what is taken on a host, by the fleet or by anybody else, but for one server."""
    own = apart_from.id if apart_from else None
    others = fleet
    if apart_from is not None:
        name = apart_from.name
        gone = [each.path for each in fleet.servers() if each.name == name]
        others = fleet.with_documents(dict.fromkeys(gone))
        own = own or next((fleet.documents[path].id for path in gone), None)
    uses = {(use.protocol, use.port) for use in _uses(clone, host)
            if own is None or use.server_id != own}
    return taken_on(ports_in_use(others), host) | uses


def _uses(clone: Clone, host: str) -> tuple[PortUse, ...]:
    try:
        return call(clone, host, PortsRequest(), PortsReply).uses
    except HostUnavailable as error:
        click.echo(f"{host}: only the fleet's own ports are known: {error}", err=True)
        return ()


def _show_free(found: dict[str, int], protocol: str, *, as_json: bool) -> None:
    if as_json:
        show_json(list(found.values()))
        return
    if not found:
        raise ZedopsError("no such run of free ports")
    click.echo(" ".join(f"{number}/{protocol}" for number in found.values()))
