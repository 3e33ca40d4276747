"""`zedops orphans`: what is on a host and no definition owns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import click

from zedops import document
from zedops.calls import Belonging, InspectRequest, InventoryReply, InventoryRequest, Shape
from zedops.cli.act import act, ask, waits
from zedops.cli.ask import call, the_host
from zedops.cli.names import HOST
from zedops.cli.output import show_json, table
from zedops.cli.screen import here
from zedops.clone import Clone
from zedops.document import Document
from zedops.draft import server_name, write_draft
from zedops.errors import HostUnavailable, UsageError, ZedopsError
from zedops.fleet import Fleet, tombstone_path
from zedops.layout import NAME
from zedops.model import State


@dataclass(frozen=True)
class Orphan:
    """A server that its host still has something of, and the fleet nothing."""

    host: str
    id: str
    name: str
    container: str | None
    image: str | None
    running: bool
    path: str | None
    data_exists: bool | None


@click.command("orphans")
@click.option("--host", type=HOST, help="Default: every host of the fleet.")
@click.option("--adopt", metavar="ID|NAME", help="Bring one back, with its data.")
@click.option("--name", help="For --adopt: its name from now on. Default: the one it had.")
@click.option("--remove", metavar="ID|NAME", help="Remove one's container.")
@click.option("--data", is_flag=True, help="For --remove: its data, too. No way back.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@waits
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def orphans_command(
    host: str | None, adopt: str | None, name: str | None, remove: str | None, data: bool,
    as_json: bool, wait: bool, yes: bool,
) -> None:
    """Show containers and data directories that say they are of this fleet, and no file does.

    \b
    zedops orphans
    zedops orphans --adopt rosewood
    zedops orphans --remove 01JD… --data
    """
    clone = here()
    fleet = clone.fleet()
    found = find_orphans(clone, fleet, [the_host(fleet, host)] if host else fleet.settings.hosts)
    if adopt and remove:
        raise UsageError("--adopt and --remove contradict each other; choose one")
    if adopt:
        _adopt(clone, fleet, _choose(found, adopt), name, wait=wait, yes=yes)
    elif remove:
        _remove(clone, fleet, _choose(found, remove), data=data, wait=wait, yes=yes)
    elif as_json:
        show_json([vars(each) for each in found])
    else:
        table(
            ["HOST", "NAME", "CONTAINER", "DATA", "ID"],
            [[each.host, each.name or "-", _container(each), _data(each), each.id]
             for each in found],
            "no orphans",
        )


def _container(each: Orphan) -> str:
    if each.container is None:
        return "-"
    return f"{each.container} ({'running' if each.running else 'stopped'})"


def _data(each: Orphan) -> str:
    if each.path is None:
        return "-"
    return {True: each.path, False: f"{each.path} (empty)", None: f"{each.path} (?)"}[
        each.data_exists
    ]


def find_orphans(clone: Clone, fleet: Fleet, hosts: Iterable[str]) -> list[Orphan]:
    """Ask hosts for all they have; what a file of the fleet owns is left out."""
    found = []
    for host in hosts:
        try:
            reply = call(clone, host, InventoryRequest(), InventoryReply)
        except HostUnavailable as error:
            click.echo(f"{host}: not looked at: {error}", err=True)
            continue
        groups: dict[str, list[Belonging]] = {}
        for each in reply.belongings:
            groups.setdefault(each.server_id, []).append(each)
        found += [
            _orphan(host, server_id, group) for server_id, group in sorted(groups.items())
            if not _is_owned(fleet, host, server_id)
        ]
    return found


def _is_owned(fleet: Fleet, host: str, server_id: str) -> bool:
    each = fleet.owner(server_id)
    if each is None:
        return False
    return host in (fleet.host_of(each), each.state.host if each.state else None)


def _orphan(host: str, server_id: str, group: list[Belonging]) -> Orphan:
    container = max(
        (each for each in group if each.container), key=lambda each: each.running, default=None
    )
    folder = next((each for each in group if each.path), None)
    return Orphan(
        host, server_id, group[0].server_name,
        container.container if container else None,
        container.image if container else None,
        any(each.running for each in group),
        folder.path if folder else None,
        folder.data_exists if folder else None,
    )


def _choose(found: list[Orphan], named: str) -> Orphan:
    fits = [each for each in found if named in (each.id, each.name, each.container)]
    if len(fits) != 1:
        fact = "is no orphan" if not fits else "could be several; use the id"
        raise UsageError(f"{named!r} {fact}; `zedops orphans` lists them")
    return fits[0]


def _adopt(
    clone: Clone, fleet: Fleet, orphan: Orphan, name: str | None, *, wait: bool, yes: bool
) -> None:
    """Bring an orphan back under its id: from the history, else read off its container."""
    _check_left(fleet, orphan)
    before = _from_history(clone, orphan.id)
    name = name or (before.name if before else server_name(orphan.name))
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a server's name; choose one with --name")
    path = f"servers.d/{name}.yaml"
    if any(each.name == name for each in [*fleet.servers(), *fleet.tombstones()]):
        raise UsageError(f"there is a server {name!r} already; choose another name with --name")
    state = (before.state if before else None) or State(id=orphan.id, host=orphan.host)
    text = before.head if before else _from_container(clone, fleet, orphan)
    click.echo(f"# {path}\n{text}")
    ask(f"Bring {name} back on {orphan.host}?", yes=yes)
    act(clone, {path: document.render(text, state)}, f"{name}: adopt", name, wait=wait)


def _check_left(fleet: Fleet, orphan: Orphan) -> None:
    """Leave alone what a server left behind when it moved: there is one server of an id."""
    owner = fleet.owner(orphan.id)
    if owner is not None:
        place = f"{owner.name} lives on {fleet.host_of(owner)}"
        fact = f"{place}; this is what it left on {orphan.host}"
        remedy = f"remove {orphan.path or orphan.container} there by hand once it is not needed"
        raise ZedopsError(f"{fact}; {remedy}")


def _from_history(clone: Clone, server_id: str) -> Document | None:
    """Find the newest definition that a server had."""
    run = clone.repository.run
    last = run("log", "-1", "--format=%H", f"-S{server_id}", *clone.branches(), "--",
               "servers.d")
    for commit in (f"{last}^", last) if last else ():
        if clone.repository.resolve(commit) is None:
            continue
        tree = clone.repository.tree(commit, "servers.d")
        blobs = clone.repository.blobs(each.blob for each in tree.values())
        for path, entry in tree.items():
            if server_id.encode() in blobs[entry.blob]:
                each = document.parse(path, blobs[entry.blob])
                if each.id == server_id and each.definition is not None:
                    return each
    return None


def _from_container(clone: Clone, fleet: Fleet, orphan: Orphan) -> str:
    if orphan.container is None:
        fact = "the history does not tell what it was, and there is no container to read it off"
        remedy = (
            f"write a definition whose text ends with the marker line of `zedops new --print` and "
            f"`state: {{id: {orphan.id}}}` on the lines below it"
        )
        raise ZedopsError(f"{orphan.name}: {fact}; {remedy}")
    shape = call(clone, orphan.host, InspectRequest(container=orphan.container), Shape)
    mounts = tuple(
        each.model_copy(update={"key": each.source.rsplit("/", 1)[1]})
        if f"/{orphan.id}/" in each.source else each
        for each in shape.mounts
    )
    several = len(fleet.settings.hosts) > 1
    shape = shape.model_copy(update={"mounts": mounts})
    return write_draft(shape, host=orphan.host if several else None).text


def _remove(
    clone: Clone, fleet: Fleet, orphan: Orphan, *, data: bool, wait: bool, yes: bool
) -> None:
    """Give an orphan a tombstone: what follows is a deletion like any other, with its history."""
    _check_left(fleet, orphan)
    if orphan.container is None and not data:
        raise UsageError(f"{orphan.name} has no container; --data removes its data, for good")
    name = server_name(orphan.name)
    if any(each.name == name for each in [*fleet.servers(), *fleet.tombstones()]):
        name = f"{name[:50]}-{orphan.id[-6:].lower()}"
    lines = [f"host: {orphan.host}", f"image: {orphan.image or 'unknown'}"]
    lines += ["purge: data"] if data else []
    what = f"{orphan.name} AND ITS DATA" if data else f"the container of {orphan.name}"
    way_back = "This cannot be undone." if data else "Its data stays."
    ask(f"Remove {what} on {orphan.host}? {way_back}", yes=yes)
    content = document.render("\n".join(lines) + "\n", State(id=orphan.id, host=orphan.host))
    act(clone, {tombstone_path(name): content}, f"{name}: remove an orphan", name, wait=wait)
