"""The current clone of a command, and the servers in it by name."""

from __future__ import annotations

from pathlib import Path

from zedops.clone.clone import Clone
from zedops.errors import UsageError
from zedops.fleet.fleet import Fleet
from zedops.spec.document import Document


def here() -> Clone:
    """Find the clone of the current directory, and bring it up to date with its hub."""
    clone = Clone.find(Path.cwd())
    clone.fetch()
    return clone


def fleet_at(clone: Clone, at: str | None) -> Fleet:
    """Read the fleet as it is now, or as it was."""
    return clone.fleet(clone.at(at)) if at else clone.fleet()


def one_server(clone: Clone, name: str) -> tuple[Fleet, Document]:
    """Find a living server by name, at a cost that does not grow with the fleet.

    The returned fleet may hold only the settings and this server.
    """
    try:
        fleet = clone.read_server(name)
        return fleet, find_server(fleet, name)
    except UsageError:
        fleet = clone.fleet()  # the server is in another folder, or the error needs other names
        return fleet, find_server(fleet, name)


def find_server(fleet: Fleet, name: str) -> Document:
    """Find a living server by name. UsageError suggests a name or a command."""
    for each in fleet.servers():
        if each.name == name:
            return each
    import difflib

    names = sorted(each.name for each in fleet.servers())
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "`zedops list --all` lists all"
    if any(each.name == name for each in fleet.tombstones()):
        hint = f"it is deleted; bring it back with `zedops restore {name}`"
    raise UsageError(f"no server {name!r}; {hint}")


def find_any(fleet: Fleet, name: str) -> Document:
    """Find a server by name, a deleted one if none lives."""
    try:
        return find_server(fleet, name)
    except UsageError:
        for grave in fleet.tombstones():
            if grave.name == name:
                return grave
        raise
