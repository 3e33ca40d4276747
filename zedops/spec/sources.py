"""Which volumes with a `source:` may share a host: one rule for pushes and agents. Pure.

A world has one writer. A volume may not lie below a directory that another server's container can
write: that container could replace it by a link to any directory of the host.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from zedops.spec.model import Definition
from zedops.spec.volume import VolumeKind

REMEDY = "give each its own directory, or let one only read it (`kind: cache`, `read_only: true`)"


@dataclass(frozen=True)
class Place:
    """The place of one volume of a server: an absolute path, or a named volume."""

    server: str  #: a key that is unique to the server
    name: str
    key: str
    #: Of a directory inside a named volume: the volume's name, and the path in it. Of a volume with
    #: a driver: what it mounts.
    path: str
    is_data: bool
    writable: bool


def places(server: str, name: str, definition: Definition) -> Iterator[Place]:
    """List the volumes of a definition with a `source:`."""
    for key, volume in definition.volumes.items():
        if volume.source is not None:
            path = posixpath.normpath(posixpath.join(volume.source, volume.subpath or ""))
            path = volume.driven.place if volume.driven is not None else path
            path = path[1:] if path.startswith("//") else path  # POSIX keeps two slashes
            is_data = volume.kind is VolumeKind.DATA
            yield Place(server, name, key, path, is_data, not volume.read_only)


def conflict(mine: Place, other: Place) -> str | None:
    """Say why two volumes may not share a host; None if they may."""
    if mine.server == other.server:
        return None  # a server runs one container at a time: one writer
    holder = f"volume {other.key!r} of server {other.name!r}"
    if mine.path == other.path:
        # other servers may read a world, and share a cache
        if mine.is_data and (other.is_data or other.writable):
            return f"{mine.path} is also {holder}, and a world has one writer"
        if other.is_data and mine.writable:
            return f"{mine.path} is also {holder}, and a world has one writer"
        return None
    if _is_below(mine.path, other.path) and (other.writable or (mine.is_data and other.is_data)):
        return f"{mine.path} lies in {other.path}, which is {holder}"
    if _is_below(other.path, mine.path) and (mine.writable or (mine.is_data and other.is_data)):
        return f"{mine.path} holds {other.path}, which is {holder}"
    return None


def _is_below(inner: str, outer: str) -> bool:
    return inner.startswith(f"{outer.rstrip('/')}/")


class Places:
    """An index of one host's volumes by path; avoids comparing thousands of them in pairs."""

    def __init__(self) -> None:
        self._at: dict[str, list[Place]] = defaultdict(list)
        self._below: dict[str, list[Place]] = defaultdict(list)

    def add(self, added: Iterable[Place]) -> None:
        """Add volumes to the index."""
        for each in added:
            self._at[each.path].append(each)
            for above in _above(each.path):
                self._below[above].append(each)

    def near(self, place: Place) -> Iterator[Place]:
        """Iterate over the volumes at a place, above it and below it."""
        for path in (place.path, *_above(place.path)):
            yield from self._at.get(path, ())
        yield from self._below.get(place.path, ())


def _above(path: str) -> Iterator[str]:
    while path != "/" and (path := posixpath.dirname(path)):
        yield path
