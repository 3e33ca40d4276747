"""A new hub from a clone, for a fleet that lost its hub."""

from __future__ import annotations

from pathlib import Path

from zedops.clone.clone import Clone
from zedops.errors import GitFailed, UsageError
from zedops.fleet.fleet import read_settings
from zedops.git.objects import NO_OBJECT
from zedops.git.repository import Repository
from zedops.hub import snapshot
from zedops.hub.hub import Hub
from zedops.hub.refs import MAIN, SEEN
from zedops.spec.layout import SETTINGS_PATH

#: In a clone, `origin/main` is the hub's last known main; a mirror has only its own main.
_KNOWN = ("refs/remotes/origin/main", MAIN)


def rebuild_hub(source: Path, directory: Path) -> tuple[Hub, Clone]:
    """Make a hub beside `directory` from a clone of the fleet, and clone the hub to `directory`.

    States stay unchanged, and so do ids: the hosts take their containers and data over.
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
    """Check that the fleet keeps its name: labels and markers on its hosts carry it."""
    found = old.tree(head, SETTINGS_PATH)
    content = next(iter(old.objects.blobs(each.blob for each in found.values()).values()), b"")
    before = read_settings(content, _default_name(old, source))[0].name
    after = read_settings(content, snapshot.name_from(place))[0].name
    if before != after:
        remedy = f"use `zedops init {before} --from {source}`"
        fact = f"zedops.yaml has no `name:`, and the fleet's name was {before!r}"
        raise UsageError(f"{fact}; {remedy}")


def _default_name(old: Repository, source: Path) -> str:
    try:
        return snapshot.name_from(Path(old.run("config", "remote.origin.url")))
    except GitFailed:
        return snapshot.name_from(source.resolve())
