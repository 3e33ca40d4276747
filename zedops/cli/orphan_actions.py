"""`zedops orphans --adopt` and `--remove`: bring an orphan back, or remove its remains."""

from __future__ import annotations

import click

from zedops.cli.find import here
from zedops.cli.output import tell_silent
from zedops.cli.push import act, ask
from zedops.clone.clone import Clone
from zedops.clone.verbs import Act
from zedops.control.hosts import asking, call
from zedops.errors import UsageError, ZedopsError
from zedops.fleet.fleet import Fleet
from zedops.protocol.requests import InspectRequest, Shape
from zedops.queries import hosts
from zedops.queries.output import OrphanRow
from zedops.scaffold.container import server_name, write_draft
from zedops.spec import document, state_block
from zedops.spec.document import Document
from zedops.spec.edit import set_field
from zedops.spec.layout import NAME, tombstone_path


def _find(host: str | None, named: str) -> tuple[Clone, Fleet, OrphanRow]:
    """Find an orphan, on one host or on any, and return it with the clone and the fleet."""
    clone = here()
    fleet = clone.fleet()
    found, silent = hosts.orphans(fleet, host, asking(clone))
    tell_silent(silent)
    fits = [each for each in found if named in (each.id, each.name, each.container)]
    if len(fits) != 1:
        fact = "is no orphan" if not fits else "could be several; use the id"
        raise UsageError(f"{named!r} {fact}; `zedops orphans` lists them")
    return clone, fleet, fits[0]


def adopt(host: str | None, named: str, name: str | None, *, wait: bool, yes: bool) -> None:
    """Bring an orphan back under its id: from the history, else read off its container."""
    clone, fleet, orphan = _find(host, named)
    _check_left(fleet, orphan)
    before = _from_history(clone, orphan.id)
    name = name or (before.name if before else server_name(orphan.name))
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a server's name; choose one with --name")
    path = f"servers.d/{name}.yaml"
    if any(each.name == name for each in [*fleet.servers(), *fleet.tombstones()]):
        raise UsageError(f"there is a server {name!r} already; choose another name with --name")
    text = before.head if before else _from_container(clone, fleet, orphan)
    # a signature covers the definition, so `adopt` stands there; a pushed state has no effect
    text = set_field(document.parse(path, text.encode()), "adopt", orphan.id)
    click.echo(f"# {path}\n{text}")
    ask(f"Bring {name} back on {orphan.host}?", yes=yes)
    act(clone, Act(f"{name}: adopt", {path: state_block.render(text, None)}), name, wait=wait)


def _check_left(fleet: Fleet, orphan: OrphanRow) -> None:
    """Raise ZedopsError for remains of a moved server: an id belongs to one server."""
    owner = fleet.owner(orphan.id)
    if owner is not None:
        place = f"{owner.name} lives on {fleet.host_of(owner)}"
        fact = f"{place}; it left this on {orphan.host} when it moved"
        remedy = f"remove {orphan.path or orphan.container} there by hand once it is not needed"
        raise ZedopsError(f"{fact}; {remedy}")


def _from_history(clone: Clone, server_id: str) -> Document | None:
    """Find the newest definition that a server had."""
    run = clone.repository.run
    last = run("log", "-1", "--format=%H", f"-S{server_id}", "--end-of-options",
               *clone.branches(), "--",
               "servers.d")
    for commit in (f"{last}^", last) if last else ():
        if clone.repository.resolve(commit) is None:
            continue
        tree = clone.repository.tree(commit, "servers.d")
        blobs = clone.repository.objects.blobs(each.blob for each in tree.values())
        for path, entry in tree.items():
            if server_id.encode() in blobs[entry.blob]:
                each = document.parse(path, blobs[entry.blob])
                if each.id == server_id and each.definition is not None:
                    return each
    return None


def _from_container(clone: Clone, fleet: Fleet, orphan: OrphanRow) -> str:
    if orphan.container is None:
        fact = "the history has no definition of it, and it has no container to read one from"
        remedy = f"write a definition of it with the line `adopt: {orphan.id}`"
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


def remove(host: str | None, named: str, *, data: bool, wait: bool, yes: bool) -> None:
    """Give an orphan a tombstone: the usual deletion follows, with its history."""
    clone, fleet, orphan = _find(host, named)
    _check_left(fleet, orphan)
    if orphan.container is None and not data:
        raise UsageError(f"{orphan.name} has no container; --data removes its data, for good")
    name = server_name(orphan.name)
    if any(each.name == name for each in [*fleet.servers(), *fleet.tombstones()]):
        name = f"{name[:50]}-{orphan.id[-6:].lower()}"
    lines = [f"host: {orphan.host}", f"image: {orphan.image or 'unknown'}", f"adopt: {orphan.id}"]
    lines += ["purge: data"] if data else []
    what = f"{orphan.name} AND ITS DATA" if data else f"the container of {orphan.name}"
    way_back = "This cannot be undone." if data else "Its data stays."
    ask(f"Remove {what} on {orphan.host}? {way_back}", yes=yes)
    content = "\n".join(lines).encode() + b"\n"
    removal = Act(f"{name}: remove an orphan", {tombstone_path(name): content})
    act(clone, removal, name, wait=wait, ends=True)
