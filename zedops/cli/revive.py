"""A new hub from a clone: what is left when the hub's machine is lost."""

from __future__ import annotations

from pathlib import Path

from zedops import snapshot
from zedops.clone import Clone
from zedops.errors import GitFailed, UsageError
from zedops.fleet import SETTINGS_PATH, read_settings
from zedops.hub import MAIN, SEEN, Hub
from zedops.objects import NO_OBJECT
from zedops.repository import Repository

#: A clone that was fetched knows the hub's main better than its own; a mirror has only that.
_KNOWN = ("refs/remotes/origin/main", MAIN)


def revive(source: Path, directory: Path) -> tuple[Hub, Clone]:
    """Make a hub beside `directory` that goes on where a clone ends, and a clone of it there.

    Its states are taken as they are: ids stay, so hosts' containers and data are taken over.
    """
    old = Repository(source.resolve())
    try:
        head = next(filter(None, map(old.resolve, _KNOWN)), None)
    except OSError as error:
        fact = f"{source} is no repository: {error.strerror}"
        raise UsageError(f"{fact}; name a clone of the fleet") from error
    if head is None:
        raise UsageError(f"{source} has no main; name a clone of the fleet")
    place = directory.resolve().with_name(directory.resolve().name + ".git")
    _check_name(old, source, head, place)
    hub = Hub.create(place)
    hub.repository.run("fetch", "--quiet", "--end-of-options", str(old.path), f"{head}:{SEEN}")
    hub.repository.move_ref(MAIN, head, NO_OBJECT)
    return hub, Clone.make(str(hub.path), directory)


def _check_name(old: Repository, source: Path, head: str, place: Path) -> None:
    """See that the fleet keeps its name, which labels and markers on its hosts carry."""
    found = old.tree(head, SETTINGS_PATH)
    content = next(iter(old.blobs(each.blob for each in found.values()).values()), b"")
    before = read_settings(content, _default_name(old, source))[0].name
    after = read_settings(content, snapshot.name_from(place))[0].name
    if before != after:
        remedy = f"use `zedops init {before} --from {source}`"
        fact = f"zedops.yaml leaves the fleet's name open, which was {before!r}"
        raise UsageError(f"{fact}; {remedy}")


def _default_name(old: Repository, source: Path) -> str:
    try:
        return snapshot.name_from(Path(old.run("config", "remote.origin.url")))
    except GitFailed:
        return snapshot.name_from(source.resolve())
