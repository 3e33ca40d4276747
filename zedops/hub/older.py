"""Tells a hub that is older than its upstream, for example from a backup.

Such a hub lacks states that zedops has pushed: it would take their servers for new ones, give them
other ids, and lose sight of their worlds. So the intake refuses before it merges anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from zedops.errors import HubOutdated
from zedops.fleet.fleet import Fleet
from zedops.git.objects import FileChange
from zedops.git.repository import Repository
from zedops.hub.authorization import posing
from zedops.hub.history import merge_base
from zedops.hub.hub import Hub
from zedops.spec import document
from zedops.spec.layout import MAX_FILE_BYTES, Kind, kind_of

#: A message names this many servers.
_NAMED = 3


def require_current(hub: Hub, tip: str) -> None:
    """Compare a hub with the newest commit of its upstream, and merge nothing."""
    repository, main = hub.repository, hub.head()
    base = merge_base(repository, main, tip) if main else None
    if main is not None and base is not None and base != tip:
        held = hub.read_fleet(main)[0]
        check(repository, held, main, base, tip, repository.changes(base, tip))


def check(
    repository: Repository, held: Fleet, main: str, base: str, tip: str,
    changes: Iterable[FileChange],
) -> None:
    """Refuse commits of zedops that this hub does not have, if they hold ids that it lacks.

    A person can copy an id into a file, and pretend to be zedops; the hub voids the one and tells
    of the other. Both at once come from zedops itself, or from a forger who gains a standstill.
    HubOutdated names the servers and the remedy.
    """
    if not posing(repository, main, base, tip):
        return
    entries = {each.path: each.after for each in changes if each.after and each.after.is_file}
    entries = {path: each for path, each in entries.items()
               if kind_of(path) in (Kind.SERVER, Kind.TOMBSTONE)}
    blobs = repository.objects.blobs((each.blob for each in entries.values()), most=MAX_FILE_BYTES)
    unknown = []
    for path, each in sorted(entries.items()):
        if len(blobs[each.blob]) <= MAX_FILE_BYTES:
            found = document.parse(path, blobs[each.blob])
            if found.state is not None and held.owner(found.state.id) is None:
                unknown.append(found.name)
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        names = f"{', '.join(unknown[:_NAMED])}{more}"
        fact = f"this hub is older than the upstream, which has servers it lost: {names}"
        remedy = (
            f"move {repository.path} away, and `zedops up` makes a new one with the upstream's"
            " states and ids"
        )
        raise HubOutdated(f"upstream: {fact}; nothing is taken in; {remedy}")
