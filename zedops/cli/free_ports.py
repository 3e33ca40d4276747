"""The suggestions of `zedops ports`: free host ports, in a row or for a definition."""

from __future__ import annotations

from pathlib import Path

import click

from zedops.cli.find import find_server, here
from zedops.cli.output import show_json
from zedops.clone.clone import Clone
from zedops.control.hosts import call
from zedops.errors import HostUnavailable, InvalidInput, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.fleet.ports import free_ports, free_set, ports_in_use, published, taken_on
from zedops.protocol.requests import PortsReply, PortsRequest, PortUse
from zedops.queries.hosts import the_host
from zedops.spec import document
from zedops.spec.document import Document


def suggest(count: int, protocol: str, host: str | None, start: int, *, as_json: bool) -> None:
    """Show `count` free ports in a row."""
    clone = here()
    fleet = clone.fleet()
    taken = taken_by_others(clone, fleet, the_host(fleet, host), None)
    found = free_ports(taken, protocol, count, start)
    if as_json:
        show_json(found)
        return
    if not found:
        raise ZedopsError(f"no {count} free ports in a row; try a lower --free, or another --from")
    click.echo(" ".join(f"{number}/{protocol}" for number in found))


def suggest_set(wanted: str, host: str | None, *, as_json: bool) -> None:
    """Show a free set like the ports of a server or of a definition in a file."""
    clone = here()
    fleet = clone.fleet()
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
        remedy = "`zedops ports` shows who has them"
        raise ZedopsError(f"{each.name}: no free set of {len(ports)} ports on {where}; {remedy}")


def _read(path: Path) -> Document:
    each = document.parse(f"servers.d/{path.name}", path.read_bytes())
    if each.definition is None:
        raise InvalidInput(each.problems)
    return each


def taken_by_others(
    clone: Clone, fleet: Fleet, host: str, apart_from: Document | None
) -> set[tuple[str, int]]:
    """Collect a host's taken ports, of the fleet and of other programs, except one server's."""
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
