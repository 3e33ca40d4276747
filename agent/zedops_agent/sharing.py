"""Keeps two servers of this host from one directory, also by different paths to it.

The hub checks the paths in a push; only the host knows its links and bind mounts. Of two servers
with one directory, the older one has it. The rule is in zedops.spec.sources.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from zedops.errors import EngineFailed
from zedops.protocol.sync import DesiredServer
from zedops.spec.sources import REMEDY, Place, conflict, places
from zedops_agent.observed import Inode
from zedops_agent.volumes import Places

#: Parts of a volume's path below the data root: `servers`, the server's id, the volume's key.
_VOLUME = 3


def check(
    root: Path, want: DesiredServer, servers: Iterable[DesiredServer],
    where: Callable[[DesiredServer], Places],
) -> None:
    """Refuse a `source:` that overlaps another server's, or zedops' own. Raises EngineFailed."""
    mine = list(_on_host(want, where))
    if not mine:
        return
    others = [
        place for each in servers if each.id < want.id and not each.goal.ends
        for place in _on_host(each, where)
    ]
    known = {inode: each.path for each in others if (inode := _inode(each.path)) is not None}
    for place in mine:
        if fact := _on_own(root, place):
            raise EngineFailed(f"volume {place.key!r}: {fact}; choose another `source:`")
        same = replace(place, path=_by_inode(place.path, known))
        for other in others:
            if other.path == same.path and other.is_data and same.is_data:
                continue  # its marker names the owner
            if fact := conflict(same, other):
                raise EngineFailed(f"volume {place.key!r}: {fact}; {REMEDY}")


def _on_host(
    want: DesiredServer, where: Callable[[DesiredServer], Places]
) -> Iterator[Place]:
    found = None
    for each in places(want.id, want.name, want.definition):
        found = where(want) if found is None else found
        if (path := found.get(each.key)) is not None:
            yield replace(each, path=os.path.realpath(path))


def _on_own(root: Path, place: Place) -> str | None:
    """Say how a source meets the data root. A backup may read all worlds of others at once."""
    path, top = Path(place.path), root.resolve()
    for own in (top / each for each in ("servers", "agent", "secrets")):
        meets = path.is_relative_to(own) or own.is_relative_to(path)
        if meets and (place.writable or place.is_data):
            return f"{place.path} meets zedops' own directory {own}"
    if path.is_relative_to(top / "servers") and len(path.relative_to(top).parts) > _VOLUME:
        return f"{place.path} lies in a volume that a container writes to"
    return None


def _inode(path: str) -> Inode | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _by_inode(path: str, known: dict[Inode, str]) -> str:
    """Rewrite a path below another server's directory to begin with that directory's path."""
    for above in (Path(path), *Path(path).parents):
        same = known.get(_inode(str(above)) or (0, 0))
        if same is not None:
            return str(Path(same) / Path(path).relative_to(above))
    return path
