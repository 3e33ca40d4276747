"""`zedops move`: a server to another host. A person copies its data, and the new host waits."""

from __future__ import annotations

from collections.abc import Iterator

import click

from zedops.cli.completion_types import HOST, SERVER
from zedops.cli.find import here, one_server
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.control.hosts import call
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.protocol.requests import DataReply, DataRequest, InventoryReply, InventoryRequest
from zedops.spec import document, state_block
from zedops.spec.document import Document
from zedops.spec.edit import set_field


@click.command("move")
@click.argument("server", type=SERVER)
@click.option("--host", type=HOST, required=True, help="The new host.")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def move_command(server: str, host: str, wait: bool, yes: bool) -> None:
    """Move a server to another host. The old host removes its container first, and keeps its data.

    You copy the data. Until all of it is on the new host, the server is missing and does not
    start; then it starts by itself.

    \b
    zedops move rosewood --host cellar
    """
    clone = here()
    fleet, each = one_server(clone, server)
    if each.definition is None:
        raise ZedopsError("\n".join(str(problem) for problem in each.problems))
    if host not in fleet.settings.hosts:
        raise UsageError(f"no host {host!r}; the fleet has {', '.join(fleet.settings.hosts)}")
    if fleet.host_of(each) == host:
        click.echo(f"{server} is on {host} already, by its definition")
        return
    made = _set(each, "host", host)
    old = each.state.host if each.state else None
    if each.state and old not in (None, host) and each.state.has_world:
        for line in _places(clone, fleet, each, old or ""):
            click.echo(line)
        click.echo(_arrival(clone, each, host))
        ask(f"Let {server} leave {old}, without its data?", yes=yes)
        made = _set(made, "moved_from", old or "")
    moved = Act(f"{server}: move to {host}", {each.path: state_block.render(made.head, each.state)})
    act(clone, moved, server, wait=wait)


def _set(each: Document, key: str, value: str) -> Document:
    return document.parse(each.path, state_block.render(set_field(each, key, value), each.state))


def _arrival(clone: Clone, each: Document, host: str) -> str:
    """Name the folder that the new host waits for, or its data there, perhaps an old world."""
    try:
        found = call(clone, host, InventoryRequest(), InventoryReply).belongings
    except ZedopsError as error:
        unseen = f"Could not ask {host} whether it has data of it: it would start with that data"
        return f"{unseen}: {error}"
    there = next((one.path for one in found if one.server_id == each.id and one.path), None)
    if there is not None:
        return f"{host} HAS DATA OF IT ALREADY, in {there}: it is started with that."
    return f"It is not started on {host} before servers/{each.id} is under its data root."


def _places(clone: Clone, fleet: Fleet, each: Document, host: str) -> Iterator[str]:
    """List the paths of the data to copy, if its host answers."""
    yield f"The data of {each.name} stays on {host}:"
    if host not in fleet.settings.hosts:
        yield "  (no host of this fleet any more)"
        return
    try:
        found = call(clone, host, DataRequest(server_id=each.id), DataReply).volumes
    except ZedopsError as error:
        yield f"  (could not look: {error})"
        return
    for volume in found:
        yield f"  {volume.volume}: {volume.path}"
