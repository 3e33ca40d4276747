"""`zedops move`: a server to another host, with its world."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import click

from zedops.cli.completion_types import HOST, SERVER
from zedops.cli.find import find_server, here, one_server
from zedops.cli.output import WAIT
from zedops.cli.push import act, ask
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.control.hosts import call, is_managed
from zedops.errors import DoorClosed, HostUnavailable, UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.protocol.requests import (
    DataReply,
    DataRequest,
    InventoryReply,
    InventoryRequest,
    PingRequest,
    Pong,
)
from zedops.spec import backup, document, edit, state_block
from zedops.spec.document import Document
from zedops.spec.edit import set_field


@click.command("move")
@click.argument("server", type=SERVER)
@click.option("--host", type=HOST, required=True, help="The new host.")
@click.option("--without-world", is_flag=True, help="Leave the world; you copy it yourself.")
@WAIT
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def move_command(server: str, host: str, without_world: bool, wait: bool, yes: bool) -> None:
    """Move a server to another host, with its world.

    The world is copied while the server runs. Then the server stops, the difference follows, and it
    starts on the new host. If anything fails on the way, it runs on where it was. The old host
    keeps its copy of the world.

    With --without-world the old host removes the container first, and keeps the data. The server
    starts on the new host once you have copied all of its data there.

    \b
    zedops move rosewood --host cellar --wait
    """
    clone = here()
    fleet, each = one_server(clone, server)
    if each.definition is None:
        raise ZedopsError("\n".join(str(problem) for problem in each.problems))
    if host not in fleet.settings.hosts:
        raise UsageError(f"no host {host!r}; the fleet has {', '.join(fleet.settings.hosts)}")
    old = each.state.host if each.state else None
    has_world = each.state is not None and each.state.has_world and old not in (None, host)
    if fleet.host_of(each) == host and not has_world:
        click.echo(f"{server} is on {host} already, by its definition")
        return
    made = _set(each, "host", host)
    if has_world and without_world:
        made = _leave(clone, fleet, each, made, host, yes=yes)
    elif has_world:
        made = _bring(clone, fleet, each, made, host, yes=yes)
    moved = Act(f"{server}: move to {host}", {each.path: state_block.render(made.head, each.state)})
    act(clone, moved, server, wait=wait)
    if wait and has_world and not without_world:
        _check_arrived(find_server(clone.fleet(), server), host)


def _set(each: Document, key: str, value: str) -> Document:
    return document.parse(each.path, state_block.render(set_field(each, key, value), each.state))


def _bring(
    clone: Clone, fleet: Fleet, each: Document, made: Document, host: str, *, yes: bool
) -> Document:
    """Have zedops bring the world over."""
    old = (each.state and each.state.host) or ""
    lost = f"the world on {old} cannot come"
    way = f"`zedops move {each.name} --host {host} --without-world` goes without it"
    if old not in fleet.settings.hosts:
        raise ZedopsError(f"{old} is no host of this fleet any more, so {lost}; {way}")
    if clone.origin.hub_path() is not None and is_managed(clone):
        try:
            call(clone, old, PingRequest(), Pong)
        except DoorClosed:
            pass  # another user's manager: it waits for the host
        except HostUnavailable as error:
            raise ZedopsError(f"{error}\nso {lost} now; start its agent, or {way}{_newest(each)}") \
                from error
    ask(f"Move {each.name} with its world from {old} to {host}?", yes=yes)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    head = edit.set_key(made.source, made.head, "world", "bring", f"{old} ({now})")
    return document.parse(each.path, state_block.render(head, each.state))


def _newest(each: Document) -> str:
    """Say what is lost without the world: everything since the last backup, or all."""
    if each.state is None or each.state.backup is None:
        return ", and there is no backup of it"
    last = backup.read_last(each.state.backup)
    return f"; its last backup is {last.snapshot} of {last.at:%Y-%m-%d %H:%M} UTC"


def _check_arrived(each: Document, host: str) -> None:
    """Raise ZedopsError if a server is not on its new host."""
    state = each.state
    if state is not None and state.host != host:
        raise ZedopsError(f"{each.name}: {state.message or f'it is still on {state.host}'}")
    click.echo(f"{each.name} runs on {host}, with its world")


def _leave(
    clone: Clone, fleet: Fleet, each: Document, made: Document, host: str, *, yes: bool
) -> Document:
    """Leave the world behind, for a person to copy."""
    old = (each.state and each.state.host) or ""
    for line in _places(clone, fleet, each, old):
        click.echo(line)
    click.echo(_arrival(clone, each, host))
    ask(f"Let {each.name} leave {old}, without its data?", yes=yes)
    made = _set(made, "moved_from", old)
    if made.definition is not None and made.definition.world and made.definition.world.bring:
        head = edit.set_key(made.source, made.head, "world", "bring", host)  # from nowhere else
        made = document.parse(each.path, state_block.render(head, each.state))
    return made


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
